"""Execution: fills approved orders, guards positions, keeps the books.

Reads ``ingestion.slices`` and ``risk.orders``; writes ``execution.portfolio``; owns the tables fills, trades,
positions, portfolio_equity, carry_charges and the status of orders.
"""
