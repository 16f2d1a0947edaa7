"""Made-up messages and histories for the tests of the decision path. Every price in here is invented."""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from services.contracts.messages import (
    Bar,
    CommandGiven,
    DayEvaluated,
    Fill,
    Forecast,
    ForecastsMade,
    Missing,
    Order,
    OrdersDecided,
    PortfolioSettled,
    Position,
    SliceClosed,
    Split,
    Target,
    TargetsSet,
    Trade,
    decision_id,
)
from services.contracts.readings import Reading, Zone
from services.domain.assets import Asset, AssetsConfig, Profile, Rules
from services.domain.money import ZERO, money
from services.domain.regimes import REGIMES
from services.execution.book import Book, open_book
from services.execution.decide import Settle, settle
from services.phases import decide as phases
from services.research.nightly import decide as nightly
from services.research.parameters import Parameters, load_parameters
from services.risk.decide import decide as decide_orders
from services.risk.state import RiskEvent, RiskState
from services.signals.decide import SignalState
from services.signals.decide import decide as decide_targets

START = datetime(2024, 1, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
CRYPTO = ("AVAX/USDT", "BTC/USDT", "ETH/USDT")
CLASS_OF = {"NVDA": "stocks", "TSLA": "stocks", "GME": "meme", "TQQQ": "leveraged_etfs"}
CONFIGURED: Mapping[str, bool] = {"crypto": True}

History = list[tuple[SliceClosed, ForecastsMade]]


def class_of(symbol: str) -> str:
    return CLASS_OF.get(symbol, "crypto")


def bar(symbol: str, o: float, h: float, low: float, c: float, volume: float = 1e6) -> Bar:
    return Bar(symbol, class_of(symbol), o, h, low, c, volume)


def flat_bar(symbol: str, price: float, volume: float = 1e6) -> Bar:
    return bar(symbol, price, price, price, price, volume)


def slice_at(ts: datetime, *bars: Bar) -> SliceClosed:
    return SliceClosed(ts=ts, timeframe="1h", bars=bars)


def order(symbol: str, side: str, quantity: str | Decimal, reason: str = "entry", **changes: Any) -> Order:
    fields: dict[str, Any] = {
        "id": decision_id(changes.pop("ts", START), "risk", symbol),
        "symbol": symbol,
        "asset_class": class_of(symbol),
        "side": side,
        "quantity": money(quantity),
        "reason": reason,
        "reduce_only": reason not in ("entry", "increase"),
        "reference_price": Decimal(1),
        "stop_price": None,
        "target_price": None,
        "expires_at": None,
        "bucket": 5,
        "regime": "unclassified",
    }
    return Order(**(fields | changes))


def orders_at(ts: datetime, *orders: Order) -> OrdersDecided:
    return OrdersDecided(ts=ts, timeframe="1h", orders=orders, refused=(), checks=(), halted=None)


def position(symbol: str, quantity: str, mark: str, stop: str | None = None, **changes: Any) -> Position:
    size, price = money(quantity), money(mark)
    fields: dict[str, Any] = {
        "symbol": symbol,
        "asset_class": class_of(symbol),
        "quantity": size,
        "cost": money(size * price),
        "mark_price": price,
        "market_value": money(size * price),
        "stop_price": None if stop is None else money(stop),
        "target_price": None,
        "opened_at": START,
        "expires_at": None,
    }
    return Position(**(fields | changes))


def portfolio(equity: str | Decimal, *positions: Position, ts: datetime = START, **changes: Any) -> PortfolioSettled:
    worth = sum((p.market_value for p in positions), ZERO)
    fields: dict[str, Any] = {
        "ts": ts,
        "timeframe": "1h",
        "fills": (),
        "outcomes": (),
        "trades": (),
        "positions": positions,
        "cash": money(equity) - worth,
        "equity": money(equity),
        "starting_cash": money(equity),
        "realised_pnl": ZERO,
        "unrealised_pnl": ZERO,
        "fees": ZERO,
    }
    return PortfolioSettled(**(fields | changes))


def target(symbol: str, action: str, weight: float | None, close: float = 100.0, **changes: Any) -> Target:
    fields: dict[str, Any] = {
        "id": decision_id(START, "signals", symbol),
        "symbol": symbol,
        "asset_class": class_of(symbol),
        "action": action,
        "level": "HIGH",
        "weight": weight,
        "close": close,
        "expected_return": 0.02 if action == "BUY" else -0.02,
        "uncertainty": 0.02,
        "confidence": 0.9,
        "bucket": 9,
        "regime": "unclassified",
        "threshold": 0.003,
        "reasons": ("made up",),
    }
    return Target(**(fields | changes))


def targets_at(ts: datetime, *targets: Target) -> TargetsSet:
    return TargetsSet(ts=ts, timeframe="1h", targets=targets, cash_weight=0.2)


def forecast(symbol: str, expected: float, confidence: float = 0.9, **changes: Any) -> Forecast:
    fields: dict[str, Any] = {
        "symbol": symbol,
        "asset_class": class_of(symbol),
        "horizon_hours": 12,
        "close": 100.0,
        "expected_return": expected,
        "uncertainty": 0.02,
        "confidence": confidence,
        "bucket": min(9, int(confidence * 10)),
        "p_up": None,
        "parts": (),
    }
    return Forecast(**(fields | changes))


def forecasts_at(ts: datetime, *forecasts: Forecast, **more: Any) -> ForecastsMade:
    return ForecastsMade(ts=ts, timeframe="1h", forecasts=forecasts, **more)


def reading(symbol: str, close: float = 100.0, regime: str = "high_vol", **changes: Any) -> Reading:
    """A market that stands half a per cent above a support and 3 % below a resistance, at 2.4 % a day."""
    fields: dict[str, Any] = {
        "regime": regime,
        "volatility": 0.005,
        "usual_volatility": 0.005,
        "supports": (Zone(0.985 * close, 0.995 * close, 0.6, ("low_7d",)),),
        "resistances": (Zone(1.03 * close, 1.035 * close, 0.6, ("high_7d",)),),
    }
    return Reading(symbol, **(fields | changes))


def mirrored(one: Reading, close: float = 100.0) -> Reading:
    """The same market seen from below: a resistance is near and a support is not."""
    return msgspec.structs.replace(
        one,
        supports=(Zone(0.965 * close, 0.97 * close, 0.6, ("low_7d",)),),
        resistances=(Zone(1.005 * close, 1.015 * close, 0.6, ("high_7d",)),),
    )


def command(name: str, subject: str | None = None, *, ts: datetime = START, **changes: Any) -> CommandGiven:
    fields: dict[str, Any] = {"id": decision_id(ts, "gateway", f"{name}|{subject}"), "by": "ada", **changes}
    return CommandGiven(ts=ts, name=name, subject=subject, **fields)  # type: ignore[arg-type]


def parameters(*, with_short: bool = True, starting_cash: str | None = None, gated: bool = False) -> Parameters:
    """The declared configuration; ``with_short`` lets AVAX (which has a short side) trade from the start.

    ``gated``: with the profiles, rules and levels that are declared; most tests want orders, not reasons for none.
    """
    loaded = load_parameters() if gated else ungated(load_parameters())
    if with_short:
        loaded = with_asset(loaded, "AVAX/USDT", enabled_with_phase=True)
    return loaded if starting_cash is None else replace(loaded, starting_cash=Decimal(starting_cash))


def with_asset(loaded: Parameters, symbol: str, **changes: Any) -> Parameters:
    """The parameters with one asset's profile changed everywhere."""
    assets = dict(loaded.assets.assets)
    assets[symbol] = assets[symbol].model_copy(update=changes)
    return _with_assets(loaded, assets)


def _with_assets(loaded: Parameters, assets: dict[str, Asset]) -> Parameters:
    declared = AssetsConfig(timeframe=loaded.assets.timeframe, classes=loaded.assets.classes, assets=assets)
    return replace(
        loaded,
        assets=declared,
        signals=replace(loaded.signals, assets=assets),
        risk=replace(loaded.risk, assets=assets),
        phases=replace(loaded.phases, assets=declared),
    )


def ungated(loaded: Parameters) -> Parameters:
    """The parameters without profiles, rules and levels: a forecast beyond its threshold is wanted, as it is."""
    free = {name: one.model_copy(update={"profile": None, "rules": Rules()}) for name, one in _assets(loaded)}
    parts = loaded.signals.settings.parts.model_copy(update={"levels": False})
    signals = replace(loaded.signals, settings=loaded.signals.settings.model_copy(update={"parts": parts}))
    return _with_assets(replace(loaded, signals=signals), free)


def opened(loaded: Parameters) -> Parameters:
    """The parameters with every profile asked in every regime and bucket: short spans hold entries, levels stay."""
    every = Profile(cells={regime: tuple(range(10)) for regime in REGIMES})
    wide = {name: one.model_copy(update={"profile": one.profile and every}) for name, one in _assets(loaded)}
    return _with_assets(loaded, wide)


def _assets(loaded: Parameters) -> Iterable[tuple[str, Asset]]:
    return loaded.assets.assets.items()


def made_up_history(
    chance: random.Random, slices: int, symbols: Sequence[str] = CRYPTO, *, wildness: float = 0.02, missing: float = 0.1
) -> History:
    """Random bars with gaps, thin hours and absent bars, forecasts that know nothing, regimes and levels in turn."""
    price = {symbol: math.exp(chance.uniform(-4.0, 9.0)) for symbol in symbols}
    history: History = []
    for n in range(slices):
        ts = START + n * HOUR
        bars = {s: _random_bar(chance, s, price, wildness) for s in symbols if chance.random() >= missing}
        said = tuple(
            forecast(
                s, chance.gauss(0.0, 0.01), chance.random(), close=b.close, uncertainty=chance.uniform(0.005, 0.04)
            )
            for s, b in sorted(bars.items())
            if chance.random() > 0.05
        )
        absent = tuple(Missing(s, "made up to be missing") for s in symbols if s not in bars)
        closed = SliceClosed(ts=ts, timeframe="1h", bars=tuple(bars.values()), missing=absent)
        read = tuple(_reading_in_turn(n, place, s, bars[s].close) for place, s in enumerate(sorted(bars)))
        history.append((closed, forecasts_at(ts, *said, readings=read)))
    return history


def _reading_in_turn(n: int, place: int, symbol: str, close: float) -> Reading:
    one = reading(symbol, close, REGIMES[(n // 7 + place) % len(REGIMES)])
    return mirrored(one, close) if n % 2 else one


def split_from(history: History, symbol: str, at: int, new: int, old: int, *, told: bool = True) -> History:
    """The same market on the terms after a split from slice ``at`` on; ``told``: its first bar's slice says so."""
    known, made = False, history[:at]
    for closed, said in history[at:]:
        bars = tuple(_rescaled(b, new / old) if b.symbol == symbol else b for b in closed.bars)
        splits = (Split(symbol, new, old),) if told and not known and bars != closed.bars else ()
        known = known or bars != closed.bars
        forecasts = tuple(
            msgspec.structs.replace(f, close=f.close * old / new) if f.symbol == symbol else f for f in said.forecasts
        )
        changed = msgspec.structs.replace(closed, bars=bars, splits=splits)
        readings = tuple(_read_rescaled(r, new / old) if r.symbol == symbol else r for r in said.readings)
        made.append((changed, msgspec.structs.replace(said, forecasts=forecasts, readings=readings)))
    return made


def _read_rescaled(one: Reading, by: float) -> Reading:
    below, above = (
        tuple(msgspec.structs.replace(zone, low=zone.low / by, high=zone.high / by) for zone in zones)
        for zones in (one.supports, one.resistances)
    )
    return msgspec.structs.replace(one, supports=below, resistances=above)


def _rescaled(b: Bar, by: float) -> Bar:
    return msgspec.structs.replace(
        b, open=b.open / by, high=b.high / by, low=b.low / by, close=b.close / by, volume=b.volume * by
    )


def _random_bar(chance: random.Random, symbol: str, price: dict[str, float], wildness: float) -> Bar:
    gap = chance.gauss(0.0, wildness / 2) if chance.random() < 0.9 else chance.gauss(0.0, 5 * wildness)
    o = max(price[symbol] * math.exp(gap), 1e-3)
    c = max(o * math.exp(chance.gauss(0.0, wildness)), 1e-3)
    h, low = max(o, c) * (1 + chance.random() * wildness), min(o, c) * (1 - chance.random() * wildness / 2)
    price[symbol] = c
    volume = 0.0 if chance.random() < 0.03 else math.exp(chance.uniform(-2.0, 12.0)) / o
    return bar(symbol, o, h, low, c, volume)


@dataclass(frozen=True, slots=True)
class Step:
    """Everything that was decided at one slice."""

    closed: SliceClosed
    book: Book
    portfolio: PortfolioSettled
    targets: TargetsSet
    orders: OrdersDecided
    risk: RiskState
    evaluation: DayEvaluated | None


Commands = Callable[[datetime], tuple[CommandGiven, ...]]


def run(
    history: Iterable[tuple[SliceClosed, ForecastsMade]],
    given: Parameters,
    commands: Commands = lambda _: (),
    enabled: tuple[str, ...] | None = None,
) -> Iterator[Step]:
    """Run the whole decision path in lock-step, as the services do, and show every step."""
    judging, researching = phases.start(given.phases), nightly.start(given.research)
    allowed = judging.enabled if enabled is None else enabled
    signalling, book = SignalState(enabled=allowed), open_book(given.starting_cash)
    risking = RiskState(enabled=allowed, classes=phases.active_classes(judging, given.phases))
    orders: OrdersDecided | None = None
    day: list[PortfolioSettled] = []
    fresh: tuple[DayEvaluated, ...] = ()
    for closed, forecasts in history:
        book, settled = settle(book, Settle(closed, orders), given.venue)
        signalling, targets = decide_targets(signalling, forecasts, fresh, given.signals)
        event = RiskEvent(targets, settled, fresh, commands(closed.ts))
        risking, orders = decide_orders(risking, event, given.risk)
        day.append(settled)
        researching = nightly.observe(researching, forecasts, given.research)
        fresh = ()
        if phases.ends_day(closed.ts):
            researching, research = nightly.word(researching, closed.ts, given.research)
            judging, verdict = phases.on_day(judging, phases.DayEnded(tuple(day), CONFIGURED, research), given.phases)
            fresh, day = (verdict.message,), []
        yield Step(closed, book, settled, targets, orders, risking, fresh[0] if fresh else None)


def all_fills(steps: Iterable[Step]) -> list[Fill]:
    return [fill for step in steps for fill in step.portfolio.fills]


def all_trades(steps: Iterable[Step]) -> list[Trade]:
    return [trade for step in steps for trade in step.portfolio.trades]
