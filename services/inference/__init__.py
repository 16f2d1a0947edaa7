"""Inference: forecasts every asset of a slice, and trains the models that do so.

Reads ``ingestion.slices`` and the table ``candles``; writes ``inference.forecasts``; owns the tables ``forecasts`` and
``model_registry``. Forecasts are log returns over a fixed horizon, made only from candles that closed by the slice.
"""
