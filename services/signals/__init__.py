"""Signals: turns forecasts into wanted weights.

Reads ``inference.forecasts`` and ``phases.activations``; writes ``signals.targets``; owns the tables signals and
allocations.
"""
