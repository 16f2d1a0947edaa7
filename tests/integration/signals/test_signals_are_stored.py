"""What signals decide is in the database as it was decided: strength, levels, the market, the reasons."""

from datetime import timedelta

import pytest
from decision_cases import START, forecast, forecasts_at, parameters, reading

from services.contracts.messages import encode
from services.contracts.readings import MarketReading
from services.kernel import database
from services.signals import store
from services.signals.decide import SignalState, decide
from services.signals.service import load_stage

pytestmark = pytest.mark.anyio
BTC, ETH = "BTC/USDT", "ETH/USDT"


async def test_strength_levels_market_and_reasons_are_stored_once(database_url: str) -> None:
    said = (forecast(BTC, 0.02, 0.15), forecast(ETH, 0.001, 0.5))
    market = MarketReading("balanced", "made up")
    made = forecasts_at(START, *said, readings=(reading(BTC), reading(ETH, regime="chop")), market=market)
    _, targets = decide(SignalState(enabled=(BTC, ETH)), made, (), parameters(gated=True).signals)
    pool = await database.connect_pool(database_url, size=1)
    async with pool.acquire() as conn:
        await store.save(conn, [targets])
        await store.save(conn, [targets])
        rows = await conn.fetch("select * from signals order by symbol")
        weights = await conn.fetch("select symbol, weight, cash_weight from allocations order by symbol")
    await pool.close()
    btc, eth = rows
    first, second = targets.targets
    assert (btc["strength"], btc["action"], btc["regime"], btc["market"]) == ("BUY", "BUY", "high_vol", "balanced")
    assert (btc["stop"], btc["take"]) == (first.stop, first.take)
    assert first.stop is not None
    assert (eth["strength"], eth["stop"], eth["take"], eth["regime"]) == ("HOLD", None, None, "chop")
    assert (tuple(btc["reasons"]), tuple(eth["reasons"])) == (first.reasons, second.reasons)
    assert [tuple(row) for row in weights] == [
        (BTC, pytest.approx(0.45), pytest.approx(0.55)),
        (ETH, None, pytest.approx(0.55)),
    ]


async def test_the_state_comes_back_from_the_database_as_it_was(database_url: str) -> None:
    stage = load_stage()
    pool = await database.connect_pool(database_url, size=1)
    async with pool.acquire() as conn:
        await stage.restore(conn, None)
        assert stage.state.enabled == (BTC, ETH)
        made = forecasts_at(START, forecast(BTC, 0.02, 0.15), readings=(reading(BTC),))
        await stage.handle(conn, [(made, ())])
        assert stage.state.weights == {BTC: 0.45}
        other = load_stage()
        await other.restore(conn, stage.dump())
        assert other.state == stage.state
        later = forecasts_at(START + timedelta(hours=1), forecast(BTC, 0.02, 0.15), readings=(reading(BTC),))
        assert [encode(m) for m in await other.handle(conn, [(later, ())])] == [
            encode(m) for m in await stage.handle(conn, [(later, ())])
        ]
    await pool.close()


async def test_a_state_from_before_the_weights_is_read(database_url: str) -> None:
    stage = load_stage()
    pool = await database.connect_pool(database_url, size=1)
    async with pool.acquire() as conn:
        await stage.restore(conn, '{"enabled":["BTC/USDT"],"first_slice":null,"evaluated":null}')
    await pool.close()
    assert (stage.state.enabled, stage.state.weights, stage.state.returns) == ((BTC,), {}, {})
