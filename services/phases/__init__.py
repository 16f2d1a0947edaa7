"""Phases: measures the record, judges readiness, activates and demotes; owns the right to trade.

Reads ``execution.portfolio`` and ``gateway.commands``; writes ``phases.activations``; owns the tables
asset_class_config, asset_registry (enablement), asset_performance, readiness_log and phase_activation_log.
"""
