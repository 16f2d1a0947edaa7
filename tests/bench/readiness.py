"""Readiness after five years: all phases and all assets, each with its gate, its floors and its evidence."""

import random
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import numpy as np

from services.contracts.messages import encode
from services.domain.assets import AssetsConfig
from services.phases.gates import broken
from services.phases.judging import Judge, facts_of
from services.phases.record import Record, SymbolRecord, units
from services.phases.service import load_params
from services.phases.state import PhasesParams, PhasesState, start

DAYS = 5 * 365
FIRST = date(2020, 1, 1)
EQUITY = 25_000
REGIMES = ("high_vol", "trend_up", "trend_down", "chop")
STOPPED = 0.3
"""Share of the made-up trades that a stop ends."""


@dataclass(frozen=True, slots=True)
class ReadinessSpeed:
    """Seconds to judge everything once, five years of every declared asset behind it."""

    assets: int
    trades: int
    first: float
    """The first time in a process."""
    each: float
    """Of a state that was just read from its JSON: nothing was computed from its record before."""
    busy: float
    """The same of the processor's time alone: without what other programs took."""
    again: float
    """Of the same record once more, as for a person's command during the day."""
    json_bytes: int
    """Of the state."""


def measure(repeats: int = 15) -> ReadinessSpeed:
    """Judge the made-up five years: once, then ``repeats`` times, of which the middle one counts."""
    params = load_params()
    stored = encode(msgspec.structs.replace(start(params), record=made_up(params.assets), equity=Decimal(EQUITY)))
    state = msgspec.json.decode(stored, type=PhasesState)
    first = judge(state, params)[0]
    took = [judge(msgspec.json.decode(stored, type=PhasesState), params) for _ in range(repeats)]
    again = [judge(state, params)[0] for _ in range(repeats)]
    each, busy = np.median(took, axis=0).tolist()
    trades = sum(len(kept.closed_pnl) for kept in state.record.symbols.values())
    return ReadinessSpeed(len(params.assets.assets), trades, first, each, busy, float(np.median(again)), len(stored))


def judge(state: PhasesState, params: PhasesParams) -> tuple[float, float]:
    """Judge every phase and every asset and look at every floor; return seconds, and seconds of the processor."""
    begun, worked = time.perf_counter(), time.thread_time()
    facts = facts_of(state, params, dict.fromkeys(params.assets.classes, True), {})
    ladder = Judge(state, params, facts, datetime(2025, 1, 1, tzinfo=UTC))
    ladder.readiness()
    floors = params.settings.demotion
    for symbol in params.assets.assets:
        ladder.asset(symbol)
        broken(floors.assets.observe + floors.assets.disable, facts, subject=symbol)
    for one in params.assets.classes:
        broken(floors.phases.observe + floors.phases.disable, facts, subject=one)
    return time.perf_counter() - begun, time.thread_time() - worked


def made_up(assets: AssetsConfig, days: int = DAYS, seed: int = 1) -> Record:
    """Give every declared asset a result on every day and a round trip on every other one."""
    chance = random.Random(seed)
    names = tuple((FIRST + timedelta(days=n)).isoformat() for n in range(days))
    symbols = {symbol: _symbol(asset.asset_class, days, chance) for symbol, asset in sorted(assets.assets.items())}
    return Record(names, (units(Decimal(EQUITY)),) * days, Decimal(EQUITY), symbols)


def _symbol(asset_class: str, days: int, chance: random.Random) -> SymbolRecord:
    closed = sorted(chance.sample(range(days), days // 2))
    return SymbolRecord(
        asset_class,
        pnl=tuple(round(chance.gauss(0.5, 10.0) * 1e8) for _ in range(days)),
        traded=tuple(round(chance.uniform(100.0, 500.0) * 1e8) for _ in range(days)),
        slippage=tuple(round(chance.uniform(0.1, 0.5) * 1e8) for _ in range(days)),
        closed_on=tuple(closed),
        closed_in=tuple(chance.randrange(10 * len(REGIMES)) for _ in closed),
        closed_pnl=tuple(round(chance.gauss(1.0, 14.0) * 1e8) for _ in closed),
        stopped=tuple(n for n in range(len(closed)) if chance.random() < STOPPED),
        cells=tuple((regime, bucket) for regime in REGIMES for bucket in range(10)),
    )
