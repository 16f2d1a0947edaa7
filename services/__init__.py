"""Chloe: a multi-asset trading platform in which every asset has to earn the right to trade."""

__version__ = "0.1.0"
