"""Nightly research: what following the forecasts paid. Owns ``research_edges`` and ``research_tiers``."""
