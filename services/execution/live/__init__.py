"""The live desk: mirrors approved paper orders to a broker, for assets that have earned it, in its own sizes.

Reads ``risk.orders`` and ``execution.portfolio`` from the outbox; publishes nothing; owns the tables live_accounts,
live_mandates, live_orders, live_fills and live_charges, and reads live_audits. The paper books never read any of it.
"""
