"""Research: history through the same decide functions as the services.

Reads candles and models; writes ledgers and reports; owns the table research_edges.
"""
