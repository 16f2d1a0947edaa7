"""The whole stored outcome of a replay as bytes, without the columns that tell the wall clock."""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from services.contracts.messages import Fill, Trade
from services.domain.ledger import fills_jsonl, trades_jsonl

TRADES = """
select id, symbol, asset_class, side, opened_at, closed_at, quantity, entry_price, exit_price, fees, slippage, pnl,
       exit_reason, bucket, regime, carry
from trades
"""
FILLS = """
select id, order_id, symbol, asset_class, side, quantity, price, fee, slippage, reason, ts as filled_at, fx, liquidity,
       cash
from fills
"""

# What must be equal, row for row; settled_at is the slice, not the wall clock.
TABLES = {
    "trades": "select * from trades order by closed_at, symbol, id",
    "fills": "select * from fills order by ts, symbol, id",
    "orders": """
        select id, ts, symbol, asset_class, side, quantity, reason, reduce_only, status, reference_price, stop_price,
               target_price, filled_quantity, detail
        from orders order by ts, symbol, id""",
    "positions": "select * from positions order by symbol",
    "carry_charges": "select * from carry_charges order by ts, symbol, id",
    "portfolio_equity": "select * from portfolio_equity order by ts",
    "risk_events": "select * from risk_events order by ts, id",
    "forecasts": "select * from forecasts order by ts, symbol",
    "signals": "select * from signals order by ts, symbol",
    "allocations": "select * from allocations order by ts, symbol",
    "asset_performance": "select * from asset_performance order by day, symbol",
    "performance_by_cell": "select * from performance_by_cell order by symbol, regime, bucket",
    "rollout_log": "select * from rollout_log order by ts, symbol",
    "readiness_log": "select * from readiness_log order by ts, phase",
    "phase_activation_log": "select * from phase_activation_log order by seq",
    "research_edges": "select * from research_edges order by as_of, symbol, regime, bucket",
    "research_tiers": "select * from research_tiers order by as_of, symbol",
    "slices": "select ts, timeframe, present, missing from slices order by ts",
    "candles": """
        select ts, symbol, timeframe, open, high, low, close, volume, source, revision from candles
        order by symbol, ts""",
    "candle_revisions": "select ts, symbol, revision from candle_revisions order by symbol, ts",
    "feed_health": """
        select symbol, source, last_ts, bars, gaps, refused, revisions, errors from feed_health
        order by symbol, source""",
}

TOPICS = "select distinct topic from outbox order by topic"
MESSAGES = "select topic, producer, seq, ts, body from outbox where topic = '{}' order by producer, seq"
# Numbers are dense when the newest equals the count (they are unique by the primary key) and the stage's own count.
NOT_DENSE = """
select o.topic, o.producer, count(*), min(o.seq), max(o.seq), max(s.seq)
from outbox o left join stage_state s on s.stage = o.producer
group by o.topic, o.producer
having count(*) <> max(o.seq) or min(o.seq) <> 1 or max(s.seq) is distinct from max(o.seq)
"""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Bytes by name: the ledger files, every table of decisions, and the published messages of each topic."""

    parts: dict[str, bytes]


def read(database_url: str) -> Ledger:
    """Read everything that has to be equal; raises AssertionError if a topic's numbers have a hole."""
    with psycopg.connect(database_url, options="-c timezone=UTC") as conn:
        holes = conn.execute(NOT_DENSE).fetchall()
        assert not holes, f"outbox numbers with holes (topic, producer, count, first, last, stage's): {holes}"
        with conn.cursor(row_factory=dict_row) as cursor:
            trades = [Trade(**row) for row in cursor.execute(TRADES)]
            fills = [Fill(**row) for row in cursor.execute(FILLS)]
        parts = {"trades.jsonl": trades_jsonl(trades), "fills.jsonl": fills_jsonl(fills)}
        parts |= {name: _copied(conn, query) for name, query in TABLES.items()}
        for (topic,) in conn.execute(TOPICS).fetchall():
            parts[f"outbox {topic}"] = _copied(conn, MESSAGES.format(topic))
    return Ledger(parts)


def assert_equal(found: Ledger, expected: Ledger, where: str, without: tuple[str, ...] = ()) -> None:
    """Compare byte for byte; the error names every part that differs and the first line in which it does."""
    assert found.parts.keys() == expected.parts.keys(), f"{where}: parts {set(found.parts) ^ set(expected.parts)}"
    wrong = [_difference(name, found.parts[name], part) for name, part in expected.parts.items() if name not in without]
    told = [difference for difference in wrong if difference]
    assert not told, f"{where}: the ledger is not the undisturbed one\n" + "\n".join(told)


def _difference(name: str, found: bytes, expected: bytes) -> str | None:
    if found == expected:
        return None
    ours, theirs = found.splitlines(), expected.splitlines()
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    lines = [(part[at][:300] if at < len(part) else b"(end)") for part in (ours, theirs)]
    return f"  {name}: {len(ours)} lines, expected {len(theirs)}; line {at + 1} is {lines[0]!r}, expected {lines[1]!r}"


def _copied(conn: psycopg.Connection[Any], query: str) -> bytes:
    with conn.cursor() as cursor, cursor.copy(f"copy ({query}) to stdout") as rows:
        return b"".join(bytes(block) for block in rows)
