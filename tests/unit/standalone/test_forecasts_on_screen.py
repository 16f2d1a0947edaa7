"""What the screen says about forecasts: figures beside the random walk's, and why there was no trade."""

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from services.inference.evaluate import measure
from services.standalone.forecast_record import ForecastRecord, coverage, p_up_off
from services.standalone.screen import forecasts_table
from services.standalone.summary import NEAREST, REACHED, REFUSED, explored, untraded


def drawn(records: list[ForecastRecord], width: int = 100) -> str:
    written = io.StringIO()
    Console(file=written, width=width).print(forecasts_table(records))
    return written.getvalue()


NEARLY = [{"symbol": "BTC/USDT", "threshold": 0.003, "expected_return": 0.0012, "confidence": 0.96}]


class Answers:
    """A connection that knows the answers to three questions."""

    def __init__(self, nearest: list[dict[str, Any]], refused: str | None = None, reached: bool = False) -> None:
        self.known: dict[str, Any] = {NEAREST: nearest, REFUSED: refused, REACHED: reached}

    async def fetch(self, query: str) -> Any:
        return self.known[query]

    async def fetchval(self, query: str) -> Any:
        return self.known[query]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_coverage_counts_outcomes_inside_the_interval_where_both_are_known() -> None:
    low, high = np.array([-1.0, -1.0, np.nan, -1.0]), np.array([1.0, 1.0, 1.0, 1.0])
    assert coverage(low, high, np.array([0.5, 2.0, 0.0, np.nan])) == 0.5
    assert coverage(low, high, np.full(4, np.nan)) is None


def test_p_up_is_off_by_the_distance_between_what_was_said_and_what_came() -> None:
    came = np.array([0.1, -0.1, 0.1, -0.1])
    assert p_up_off(np.full(4, 0.55), came) == pytest.approx(0.05)
    assert p_up_off(np.array([0.95, 0.05, 0.95, np.nan]), came) == pytest.approx(0.05)
    assert p_up_off(np.full(4, np.nan), came) is None


def test_every_asset_stands_beside_the_random_walk_with_a_verdict() -> None:
    chance = np.random.default_rng(3)
    came = chance.normal(0.0, 0.01, 400)
    knows = ForecastRecord("BTC/USDT", measure(0.5 * came, came, 1), 0.81, 0.012)
    noise = ForecastRecord("ETH/USDT", measure(chance.normal(0.0, 0.02, 400), came, 1), None, None)
    silent = ForecastRecord("SOL/USDT", None, None, None)
    assert [one.verdict for one in (knows, noise, silent)] == ["better", "worse", "unknown"]
    shown = drawn([knows, noise, silent])
    btc, eth, sol = (next(line for line in shown.splitlines() if name in line) for name in ("BTC", "ETH", "SOL"))
    assert "0.5000" in btc
    assert "81.0%" in btc
    assert "1.2%" in btc
    assert "worse" in eth
    assert "–" in eth
    assert "unknown" in sol
    assert "forecast of no move" in shown


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    came = np.random.default_rng(1).normal(0.0, 0.01, 8000)
    record = ForecastRecord("MATIC/USDT", measure(0.01 * came, came, 12), 0.8, 0.01)
    assert all("…" not in line for line in drawn([record], 80).splitlines())


BELOW = "BTC/USDT: the largest rise expected beside its threshold of 0.30% was +0.12%, with confidence 0.96"


@pytest.mark.anyio
async def test_says_in_plain_words_why_nothing_was_traded() -> None:
    assert await untraded(Answers(NEARLY), 0, {}) == ["no round trip: no forecast was traded", BELOW]
    (why,) = await untraded(Answers([]), 0, {})
    assert why.startswith("no round trip: no trained model had forecast an enabled asset yet")
    (why,) = await untraded(Answers(NEARLY), 1, {"filled": 1})
    assert why == "no round trip: 1 open, none has been closed yet"
    (why,) = await untraded(Answers(NEARLY, "class crypto is full"), 0, {"refused": 3})
    assert why == "no round trip: orders 3 refused; most were refused because of class crypto is full"


@pytest.mark.anyio
async def test_says_when_every_trade_was_below_its_threshold() -> None:
    first, second = await explored(Answers(NEARLY))
    assert first.startswith("no forecast reached its threshold: all of these trades explore on paper")
    assert second == BELOW
    assert await explored(Answers(NEARLY, reached=True)) == []
