"""How a run's forecasts did: errors beside the random walk's, coverage of the interval, calibration of ``p_up``."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from services.domain.candles import Timeframe, Times
from services.inference.evaluate import ForecastErrors, measure
from services.inference.series import Floats
from services.kernel.database import Connection
from services.research.outcomes import outcomes

# Forecasts that named a direction, and the bars they spoke of.
FORECASTS = """
select symbol, asset_class, extract(epoch from ts)::bigint, expected_return, low, high, p_up
from forecasts where expected_return <> 0 order by symbol, ts
"""
CANDLES = """
select c.symbol, extract(epoch from c.ts)::bigint, c.close
from candles c join run r using (timeframe)
where c.symbol = any($1::text[]) and c.ts >= to_timestamp($2) - r.timeframe::interval * 2
order by c.symbol, c.ts
"""

BINS = 10
SURE = 0.05


@dataclass(frozen=True, slots=True)
class ForecastRecord:
    """One asset's forecasts beside what came; None where there is too little to tell.

    ``coverage`` is the share of outcomes inside the 80 % interval, ``p_up_off`` the mean distance between ``p_up`` and
    how often the price then rose, over ten bins.
    """

    symbol: str
    errors: ForecastErrors | None
    coverage: float | None
    p_up_off: float | None

    @property
    def verdict(self) -> str:
        """Say in a word or two how the forecasts compare with the random walk's."""
        if self.errors is None:
            return "unknown"
        if self.errors.p_value is None or self.errors.p_value >= SURE:
            return "no different"
        return "better" if self.errors.ratio < 1.0 else "worse"


async def forecast_records(conn: Connection, timeframe: Timeframe, horizon_bars: int) -> list[ForecastRecord]:
    """Measure every asset that was forecast by more than the random walk, by symbol."""
    made = _by_symbol(await conn.fetch(FORECASTS))
    if not made:
        return []
    since = min(int(rows[0][2]) for rows in made.values())
    stored = _by_symbol(await conn.fetch(CANDLES, list(made), since))
    found = []
    for symbol, rows in made.items():
        bars = stored.get(symbol, [])
        # What came is the close at the horizon's end in the market's own bars: nights and weekends do not count.
        came = outcomes(rows[0][1], timeframe, _whole(bars, 1), _real(bars, 2), _whole(rows, 2), horizon_bars)
        errors = measure(_real(rows, 3), came, horizon_bars)
        found.append(
            ForecastRecord(
                symbol, errors, coverage(_real(rows, 4), _real(rows, 5), came), p_up_off(_real(rows, 6), came)
            )
        )
    return found


def coverage(low: Floats, high: Floats, came: Floats) -> float | None:
    """Return the share of outcomes in [low, high]; rows with any NaN are left out, all (n,)."""
    known = np.isfinite(low) & np.isfinite(high) & np.isfinite(came)
    return float(np.mean((came[known] >= low[known]) & (came[known] <= high[known]))) if known.any() else None


def p_up_off(p_up: Floats, came: Floats) -> float | None:
    """Return the expected calibration error over ten bins of the scale; rows with NaN are left out, both (n,)."""
    known = np.isfinite(p_up) & np.isfinite(came)
    p, rose = p_up[known], (came[known] > 0.0).astype(np.float64)
    if len(p) == 0:
        return None
    which = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    said, risen = np.bincount(which, p, BINS), np.bincount(which, rose, BINS)
    return float(np.abs(said - risen).sum()) / len(p)


def _by_symbol(rows: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


def _whole(rows: list[Any], column: int) -> Times:
    return np.array([row[column] for row in rows], dtype=np.int64)


def _real(rows: list[Any], column: int) -> Floats:
    return np.array([np.nan if row[column] is None else row[column] for row in rows], dtype=np.float64)
