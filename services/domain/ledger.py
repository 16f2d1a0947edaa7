"""The trade ledger as bytes: one JSON line a round trip, in closing order, equal wherever it was made."""

from collections.abc import Iterable

from services.contracts.messages import Fill, Trade, encode


def trades_jsonl(trades: Iterable[Trade]) -> bytes:
    """Write round trips, ordered by closing time, symbol and id."""
    ordered = sorted(trades, key=lambda t: (t.closed_at, t.symbol, t.id.int))
    return b"".join(encode(trade) + b"\n" for trade in ordered)


def fills_jsonl(fills: Iterable[Fill]) -> bytes:
    """Write fills, ordered by time, symbol and id."""
    ordered = sorted(fills, key=lambda f: (f.filled_at, f.symbol, f.id.int))
    return b"".join(encode(fill) + b"\n" for fill in ordered)
