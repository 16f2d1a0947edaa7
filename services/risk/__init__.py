"""Risk: the last word on every order.

Reads ``signals.targets``, ``execution.portfolio``, ``phases.activations`` and ``gateway.commands``; writes
``risk.orders``; owns the tables orders (until execution takes them over) and risk_events.
"""
