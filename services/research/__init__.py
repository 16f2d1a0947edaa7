"""Research: history through the same decide functions as the services.

Reads candles and models; writes ledgers and reports. Nightly research is a stage of the flow (``nightly*.py``): it
reads ``inference.forecasts``, writes ``research.edges``, and owns the tables research_edges and research_tiers.
"""
