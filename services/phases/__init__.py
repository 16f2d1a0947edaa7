"""Phases: measures the record, judges readiness, opens and closes what may trade; owns the right to trade.

Reads ``execution.portfolio``, ``research.edges`` and ``gateway.commands``; writes ``phases.activations``; owns the
tables asset_class_config, asset_registry (enablement), asset_performance, performance_by_cell, readiness_log,
rollout_log and phase_activation_log. From the state (``state``) and the facts (``facts``, ``judging``) single steps
(``draft``) are made at a day's end (``standing``, ``intake``) or by an order (``orders``).
"""
