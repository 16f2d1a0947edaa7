"""The measured record in the database: a line a day and asset, a row a regime and bucket, all after costs."""

import random
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest
from decision_cases import made_up_history, parameters, run

from services.contracts.messages import PortfolioSettled, Trade
from services.domain.money import ZERO
from services.kernel import database
from services.phases.decide import day_of, ends_day
from services.phases.performance_store import save_performance
from services.phases.record import Record, add_day
from services.phases.summary import summarise

pytestmark = pytest.mark.anyio

DAILY = "select * from asset_performance order by day, symbol"
BY_CELL = "select * from performance_by_cell order by symbol, regime, bucket"
LATEST = "select * from asset_performance_latest order by symbol"
# What a user would ask of the cells: do they add up to the asset's line?
ADD_UP = """
select p.symbol, p.trades_to_date, sum(c.trades) as trades, sum(c.wins) as wins, sum(c.pnl) as pnl,
       p.gross_profit_to_date - p.gross_loss_to_date as result, p.win_rate_to_date
from asset_performance p join performance_by_cell c using (symbol)
where p.day = (select max(day) from asset_performance) group by p.symbol, p.day order by p.symbol
"""


def made_up_days() -> Iterator[tuple[str, list[PortfolioSettled]]]:
    """Four wild days of three coins, through signals, risk and the paper broker."""
    portfolios: list[PortfolioSettled] = []
    for step in run(made_up_history(random.Random(5), 100, wildness=0.04), parameters()):
        portfolios.append(step.portfolio)
        if ends_day(step.portfolio.ts):
            yield day_of(step.portfolio.ts), portfolios
            portfolios = []


async def test_daily_lines_and_cells_say_what_the_trades_say(database_url: str) -> None:
    record, trades, slippage, fees = Record(), list[Trade](), ZERO, ZERO
    closed: dict[str, str] = {}
    pool = await database.connect_pool(database_url, size=1)
    async with pool.acquire() as conn:
        for day, portfolios in made_up_days():
            record = add_day(record, day, portfolios)
            for _ in range(2):  # a day that is delivered again changes nothing
                await save_performance(conn, record, day)
            today = [trade for portfolio in portfolios for trade in portfolio.trades]
            trades, closed = trades + today, closed | {trade.symbol: day for trade in today}
            slippage += sum((f.slippage for p in portfolios for f in p.fills), ZERO)
            fees = portfolios[-1].fees
        daily, by_cell = await conn.fetch(DAILY), await conn.fetch(BY_CELL)
        latest, sums = await conn.fetch(LATEST), await conn.fetch(ADD_UP)
    await pool.close()
    assert len(trades) > 5
    newest = [row for row in daily if row["day"] == date.fromisoformat(record.days[-1])]
    assert {row["day"].isoformat() for row in daily} == set(record.days)
    assert sum(row["trades"] for row in daily) == sum(row["trades_to_date"] for row in newest) == len(trades)
    assert sum(row["wins"] for row in daily) == sum(trade.pnl > 0 for trade in trades)
    assert sum(row["slippage_to_date"] for row in newest) == sum(row["slippage"] for row in daily) == slippage
    assert sum(row["fees_to_date"] for row in newest) == sum(row["fees"] for row in daily) == fees
    for row in newest:
        own, figures = [t for t in trades if t.symbol == row["symbol"]], summarise(record, row["symbol"])
        assert row["gross_profit_to_date"] == sum((t.pnl for t in own if t.pnl > 0), ZERO)
        assert row["gross_loss_to_date"] == -sum((t.pnl for t in own if t.pnl <= 0), ZERO)
        assert row["pnl_to_date"] == sum((r["pnl"] for r in daily if r["symbol"] == row["symbol"]), ZERO)
        assert row["sharpe_to_date"] == figures.sharpe_ratio
        assert row["sortino_to_date"] == figures.sortino_ratio
        assert row["max_drawdown_to_date"] == figures.max_drawdown
        assert row["profit_factor_to_date"] == figures.profit_factor
        assert 0.0 <= row["exposure"] < 1.0
    cells = {(row["symbol"], row["regime"], row["bucket"]): row for row in by_cell}
    assert set(cells) == {(t.symbol, t.regime, t.bucket) for t in trades}
    for (symbol, regime, bucket), row in cells.items():
        own = [t for t in trades if (t.symbol, t.regime, t.bucket) == (symbol, regime, bucket)]
        assert (row["trades"], row["wins"]) == (len(own), sum(t.pnl > 0 for t in own))
        assert row["pnl"] == sum((t.pnl for t in own), ZERO)
        assert row["as_of"].isoformat() == closed[symbol], "the newest day on which the asset closed a trade"
    assert [(row["trades_to_date"], row["result"]) for row in sums] == [(row["trades"], row["pnl"]) for row in sums]
    assert [row["symbol"] for row in latest] == sorted({row["symbol"] for row in daily})
    for row in latest:
        sortino = summarise(record, row["symbol"]).sortino_ratio
        assert row["sortino"] == (None if sortino is None else Decimal(sortino).quantize(Decimal("0.01")))


async def test_only_the_newest_day_of_a_record_can_be_stored(database_url: str) -> None:
    pool = await database.connect_pool(database_url, size=1)
    async with pool.acquire() as conn:
        with pytest.raises(ValueError, match="2024-01-01 is not the newest day of the record, none"):
            await save_performance(conn, Record(), "2024-01-01")
    await pool.close()
