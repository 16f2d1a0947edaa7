"""Slices that no honest producer would send: made up from a seed, for the tests that nothing slips past risk."""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from decision_cases import HOUR, START, portfolio, position, target

from services.contracts.messages import (
    CommandGiven,
    DayEvaluated,
    EdgeMeasured,
    Fill,
    Missing,
    Position,
    Rate,
    Target,
    TargetsSet,
    decision_id,
)
from services.domain.assets import Asset
from services.domain.money import money
from services.risk.state import RiskEvent

NAN, INF = math.nan, math.inf
WEIGHTS = (None, None, 0.0, -0.0, NAN, INF, -INF, 1e300, -1e300, 5.0, -2.0, 1e-12, 5e-324, 2.0)
CLOSES = (NAN, INF, -INF, 0.0, -1.0, 5e-324, 1e-9, 1e300, 1e12, 1e-6)
RATES = {"JPY": Decimal("0.0066"), "TRY": Decimal("0.03"), "ZAR": Decimal("0.055"), "BRL": Decimal("1.7")}
"""One of them dearer than the account's currency: a size that forgets it would be too large."""
STRANGERS = ("", "XXX/USD", "btc/usdt", "BTC/USDT ", "'; drop table orders; --", "\u202eTDSU", "A" * 300)
EQUITIES = ("0", "-100", "0.00000001", "1", "2500", "10000", "60000", "1000000", "1000000000000000")
NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


@dataclass(frozen=True, slots=True)
class World:
    """What the slices are about; ``marks`` are the prices of honest books."""

    assets: Mapping[str, Asset]
    marks: Mapping[str, float]
    malice: float
    """How often, from 0.1 to 1, something is made that should not be: limits are reached by the honest too."""


def world(assets: Mapping[str, Asset], rng: random.Random) -> World:
    marks = {symbol: round(math.exp(rng.uniform(-3, 9)), 4) for symbol in assets}
    return World(assets, marks, rng.choice((0.1, 0.1, 0.3, 1.0)))


def events(of: World, rng: random.Random, slices: int) -> Iterator[RiskEvent]:
    """A run of slices: hourly, with gaps; equity wanders, and now and then is no number."""
    ids: list[UUID] = []
    ts, equity = START, rng.choice(EQUITIES[2:])
    for _ in range(slices):
        ts += HOUR * rng.choice((1, 1, 1, 1, 2, 30))
        if rng.random() < 0.1 * of.malice:
            equity = rng.choice(EQUITIES)
        elif rng.random() < 0.01 * of.malice:
            equity = rng.choice(NO_NUMBERS)
        books = _books(of, rng, ts, equity, tuple(ids))
        held = [p.symbol for p in books.positions]
        targets = tuple(_target(of, rng, ts, held) for _ in range(rng.randint(8, 24)))
        clusters = tuple(
            tuple(rng.choices([*of.assets, "XXX"], k=rng.choice((1, 6, 40)))) for _ in range(rng.choice((0, 1, 3)))
        )
        wanted = TargetsSet(ts=ts, timeframe="1h", targets=targets, cash_weight=0.2, clusters=clusters)
        yield RiskEvent(wanted, books, _evaluations(of, rng, ts), _commands(of, rng, ts))
        ids = [decision_id(ts, "risk", t.symbol) for t in targets if rng.random() < 0.3]
        ids += rng.choices(list(books.working) or [UUID(int=1)], k=rng.randint(0, 3))


def _target(of: World, rng: random.Random, ts: datetime, held: list[str]) -> Target:
    symbol = rng.choice(STRANGERS) if rng.random() < 0.05 * of.malice else rng.choice(list(of.assets))
    symbol = rng.choice(held) if held and rng.random() < 0.2 else symbol
    mark = of.marks.get(symbol, 100.0)
    odd, honest = rng.random() < 0.4 * of.malice, 1 - of.malice
    close = rng.choice(CLOSES) if rng.random() < 0.06 * of.malice else mark
    close *= rng.choice((1.02, 0.97, 1.3, 0.5)) if odd or rng.random() < 0.1 else 1.0
    weight = rng.choice(WEIGHTS) if rng.random() < 0.25 * of.malice else rng.uniform(-0.3, 0.5) * (1.2 - honest)
    action = "BUY" if (weight or 0.0) > 0 else "SELL"
    if rng.random() < 0.05 * of.malice:
        action = rng.choice(("BUY", "SELL", "HOLD"))
    asset = of.assets.get(symbol)
    declared = asset.asset_class if asset else "crypto"
    return target(
        symbol,
        action,
        weight,
        close,
        asset_class=rng.choice(("crypto", "stocks", "nonsense", "")) if rng.random() < 0.05 * of.malice else declared,
        expected_return=rng.choice((NAN, INF, 1e300)) if rng.random() < 0.03 * of.malice else rng.gauss(0, 0.01),
        stop=_level(of, rng, close, below=action == "BUY"),
        take=_level(of, rng, close, below=action != "BUY"),
        volatility=rng.choice((None, NAN, -1.0, 0.0, INF, 5e-324)) if odd else rng.choice((0.01, 0.02, 0.2)),
        usual_volatility=rng.choice((None, 0.02, 0.0, NAN)) if odd else 0.01,
        trained_at=rng.choice((None, ts - timedelta(days=101), ts + HOUR)) if odd else ts - timedelta(days=99),
    )


def _level(of: World, rng: random.Random, close: float, *, below: bool) -> float | None:
    kind = rng.random()
    if kind < 0.6:
        return None
    if kind < 0.6 + 0.06 * of.malice:
        return rng.choice((NAN, INF, -INF, 0.0, -5.0, close, 5e-324, 1e300))
    away = rng.choice((0.0001, 0.01, 0.03, 0.4))
    return close * (1 - away if below != (kind > 1 - 0.05 * of.malice) else 1 + away)


def _books(of: World, rng: random.Random, ts: datetime, equity: str, working: tuple[UUID, ...]) -> Any:
    held = [_position(of, rng, ts, symbol) for symbol in rng.sample([*of.assets, "XXX"], k=rng.randint(0, 5))]
    symbols = list(of.assets)
    fills = tuple(_stop_fill(ts, rng.choice(symbols)) for _ in range(rng.random() < 0.2))
    sound = Decimal(equity).is_finite()
    cash = Decimal(rng.choice(("0", "-5", "1e14")))
    if sound and rng.random() > 0.3 * of.malice:
        cash = money(equity) - sum((p.market_value for p in held), Decimal(0))
    lost = rng.random() < 0.002 * of.malice
    rates = tuple(Rate(name, Decimal("NaN") if lost else rate, None) for name, rate in RATES.items())
    resting = tuple(rng.sample(symbols, k=rng.choice((0, 0, 0, 2))))
    books = portfolio(
        equity if sound else "1", *held, ts=ts, working=working, fills=fills, rates=rates, working_symbols=resting
    )
    return msgspec.structs.replace(
        books,
        equity=Decimal(equity),
        cash=cash if rng.random() > 0.005 * of.malice else Decimal("NaN"),
        stale=tuple(rng.sample(symbols, k=rng.choice((0, 0, 1, 4)))),
        suspect=tuple(Missing(s, "made up") for s in rng.sample(symbols, k=rng.choice((0, 0, 0, 3)))),
    )


def _position(of: World, rng: random.Random, ts: datetime, symbol: str) -> Position:
    mark = of.marks.get(symbol, 50.0)
    fx = RATES.get(symbol.rpartition("/")[2], Decimal("1.000000000000"))
    size = rng.choice((1.0, 20.0, 300.0, 2000.0, *([1e6] if rng.random() < of.malice else []))) / mark / float(fx)
    size *= rng.choice((1, 1, 1, -1))
    asset = of.assets.get(symbol)
    expires = rng.choice((None, None, ts - HOUR, ts, ts + HOUR))
    near, beyond = (0.95, 1.2) if size > 0 else (1.05, 0.8)
    stop = None if rng.random() < 0.3 * of.malice else mark * rng.choice((near, beyond))
    declared = asset.asset_class if asset else "crypto"
    quantity, price = money(f"{size:.8f}"), money(f"{mark:.8f}")
    return msgspec.structs.replace(
        position(symbol, "1", "1", None if stop is None else f"{stop:.8f}", asset_class=declared, expires_at=expires),
        quantity=quantity, mark_price=price, market_value=money(quantity * price * fx), fx=fx,
    )  # fmt: skip


def _stop_fill(ts: datetime, symbol: str) -> Fill:
    one, nothing = Decimal(1), Decimal(0)
    name = decision_id(ts, "fill", symbol)
    return Fill(name, None, symbol, "crypto", "sell", one, one, nothing, nothing, "stop", ts - HOUR)


def _evaluations(of: World, rng: random.Random, ts: datetime) -> tuple[DayEvaluated, ...]:
    if rng.random() > 0.05:
        return ()
    classes = sorted({asset.asset_class for asset in of.assets.values()})
    enabled = tuple(rng.sample(list(of.assets), k=rng.choice((0, 16, 32, 32))))
    active = tuple(rng.sample(classes, k=rng.choice((0, 3, 6, 6))))
    observed = tuple(symbol for symbol in enabled if rng.random() < 0.3)
    winding = tuple(symbol for symbol in of.assets if symbol not in enabled and rng.random() < 0.3)
    research = [symbol for symbol, asset in of.assets.items() if asset.role == "research_only"]
    cells = tuple(EdgeMeasured(symbol, "chop", 8, 900, 7.0) for symbol in research if rng.random() < 0.2)
    word = DayEvaluated(ts - HOUR, (), (), enabled, active, (), observed=observed, winding=winding, cells=cells)
    return (word,)


def _commands(of: World, rng: random.Random, ts: datetime) -> tuple[CommandGiven, ...]:
    if rng.random() < 0.1:
        kind: str = rng.choice(("block", "unblock"))
        subject = rng.choice((*of.assets, "crypto", "stocks", *(("all",) if rng.random() < 0.3 else ())))
        note = rng.choice(("stale_feed: no bar for 3 hours", "stale_feed: no bar for 5 hours", "slippage: 90 bps"))
        return (CommandGiven(ts, decision_id(ts, "gateway", "flag"), kind, subject, "watchdog", note),)  # type: ignore[arg-type]
    names = rng.choices(("resume", "resume", "halt", "flatten", "enable"), k=rng.choice((0, 0, 0, 0, 1, 2)))
    return tuple(
        CommandGiven(ts, decision_id(ts, "gateway", str(n)), name, None, rng.choice(("ada", "ada", "file switch")))  # type: ignore[arg-type]
        for n, name in enumerate(names)
        if name != "enable" or rng.random() < 0.5
    )
