"""Ingestion: from the world's candles to the platform's slices.

Reads: providers or recorded files (`adapters/`, `files.py`), `phases.activations`.
Writes: `ingestion.candles`, `ingestion.slices`.
Owns: the tables `candles`, `candle_revisions`, `refused_candles`, `feed_health`, `slices`.
"""
