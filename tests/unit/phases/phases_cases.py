"""Made-up records for the tests of phases."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from services.domain.money import ZERO
from services.phases.decide import PhasesParams, PhasesState, start
from services.phases.record import Closed, Day, Record, SymbolRecord, amount, units, with_day
from services.phases.service import load_params
from services.phases.settings import Floors

PARAMS: PhasesParams = load_params()
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 6, 1, tzinfo=UTC)
STOCKS_READY = {"crypto": True, "stocks": True}


def record_of(
    pnls: Sequence[float], *, symbol: str = "BTC/USDT", asset_class: str = "crypto", trades: int = 0, wins: int = 0,
    profit: float | None = None, loss: float | None = None, stops: int = 0, slippage_bps: float = 12.0,
    cell: tuple[str, int] = ("high_vol", 2), equity: int = 1000,
) -> Record:  # fmt: skip
    """A record with one symbol's daily earnings on a constant starting equity; trades all on the last day.

    Winning trades share ``profit`` (1 each where it is not given), the others share ``loss``.
    """
    won, lost = units(Decimal(repr(wins if profit is None else profit))), trades - wins
    gone = units(Decimal(repr(lost if loss is None else loss)))
    results = [*shared(won, wins), *(-share for share in shared(gone, lost))]
    closed = [(*cell, amount(result), n < stops) for n, result in enumerate(results)]
    nothing: list[Closed] = []
    days = [(nothing if n < len(pnls) - 1 else closed, pnl) for n, pnl in enumerate(pnls)]
    return record_of_days(days, symbol=symbol, asset_class=asset_class, slippage_bps=slippage_bps, equity=equity)


def record_of_trades(pnls: Sequence[float], equity: int = 1000) -> Record:
    """A record of one coin that closes one round trip a day with these results."""
    days = [([("high_vol", 2, Decimal(repr(pnl)), False)], pnl) for pnl in pnls]
    return record_of_days(days, equity=equity)


def record_of_days(
    days: Sequence[tuple[Sequence[Closed], float]], *, symbol: str = "BTC/USDT", asset_class: str = "crypto",
    slippage_bps: float = 12.0, equity: int = 1000,
) -> Record:  # fmt: skip
    """A record of one symbol: each day its closed trades and what it earned; each trade turned over 1,000."""
    kept = SymbolRecord(asset_class)
    for n, (closed, pnl) in enumerate(days):
        results = [result for _, _, result, _ in closed]
        traded = Decimal(1000) * len(closed)
        day = Day(
            pnl=Decimal(repr(pnl)), trades=len(closed), wins=sum(r > 0 for r in results),
            gross_profit=sum((r for r in results if r > 0), ZERO),
            gross_loss=-sum((r for r in results if r <= 0), ZERO),
            traded=traded, slippage=traded * Decimal(repr(slippage_bps)) / 10_000,
            stops=sum(stop for *_, stop in closed),
        )  # fmt: skip
        kept = with_day(kept, n, day, closed)
    names = tuple((FIRST_DAY + timedelta(days=n)).date().isoformat() for n in range(len(days)))
    return Record(names, (units(Decimal(equity)),) * len(days), Decimal(equity), {symbol: kept})


def shared(whole: int, among: int) -> list[int]:
    """Split units into parts that differ by at most one and add up to the whole."""
    return [whole // among + (n < whole % among) for n in range(among)]


def merged(*records: Record) -> Record:
    """Several symbols over the same days."""
    first = records[0]
    symbols = {s: r for record in records for s, r in record.symbols.items()}
    return msgspec.structs.replace(first, symbols=symbols)


def state_with(record: Record, *, equity: str = "5000") -> PhasesState:
    """The state at the start, with a record, an account that pays for phase 1, and fresh feeds."""
    fresh = dict.fromkeys(PARAMS.assets.assets, (1.0,) * 7)
    return msgspec.structs.replace(start(PARAMS), record=record, equity=Decimal(equity), fresh=fresh)


def without_floors(params: PhasesParams = PARAMS) -> PhasesParams:
    """The ladder with nothing that takes assets or phases down."""
    floors = {"assets": Floors(), "phases": Floors()}
    demotion = params.settings.demotion.model_copy(update=floors)
    return replace(params, settings=params.settings.model_copy(update={"demotion": demotion}))


def by_hand() -> PhasesParams:
    """The declared ladder, nothing of which opens by itself."""
    return replace(PARAMS, settings=PARAMS.settings.model_copy(update={"auto_activate": False}))


def earning_days(good: int = 35, days: int = 60, *, drop: float | None = None, scale: float = 1.0) -> list[float]:
    """Daily earnings with ``good`` profitable days; ``drop`` adds one day that loses that share of 1,000."""
    pnls = [12.0 * scale if n % 12 < 7 else -6.0 for n in range(days)]
    while sum(p > 0 for p in pnls) > good:
        pnls[max(n for n, p in enumerate(pnls) if p > 0)] = -6.0
    while sum(p > 0 for p in pnls) < good:
        pnls[min(n for n, p in enumerate(pnls) if p <= 0)] = 12.0 * scale
    if drop is not None:
        pnls[next(n for n, p in enumerate(pnls) if p <= 0)] = -1000.0 * drop
    return pnls
