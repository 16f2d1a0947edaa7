"""Made-up records for the tests of phases."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec

from services.phases.decide import PhasesParams, PhasesState, start
from services.phases.record import Day, Record, SymbolRecord
from services.phases.service import load_params

PARAMS: PhasesParams = load_params()
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 6, 1, tzinfo=UTC)
STOCKS_READY = {"crypto": True, "stocks": True}


def record_of(
    pnls: Sequence[float], *, symbol: str = "BTC/USDT", asset_class: str = "crypto", trades: int = 0, wins: int = 0,
    profit: float = 0.0, loss: float = 0.0, equity: int = 1000,
) -> Record:  # fmt: skip
    """A record with one symbol's daily earnings on a constant starting equity; trades all on the last day."""
    names = [(FIRST_DAY + timedelta(days=n)).date().isoformat() for n in range(len(pnls))]
    days = {name: Day(pnl=Decimal(repr(pnl))) for name, pnl in zip(names, pnls, strict=True)}
    last = names[-1]
    days[last] = msgspec.structs.replace(
        days[last], trades=trades, wins=wins, gross_profit=Decimal(repr(profit)), gross_loss=Decimal(repr(loss))
    )
    return Record(
        start_equity=dict.fromkeys(names, Decimal(equity)),
        last_equity=Decimal(equity),
        symbols={symbol: SymbolRecord(asset_class, days=days)},
    )


def record_of_trades(pnls: Sequence[float], equity: int = 1000) -> Record:
    """A record of one coin that closes one round trip a day with these results."""
    days = {
        (FIRST_DAY + timedelta(days=n)).date().isoformat(): Day(
            pnl=Decimal(repr(pnl)), trades=1, wins=int(pnl > 0),
            gross_profit=Decimal(repr(max(pnl, 0.0))), gross_loss=Decimal(repr(max(-pnl, 0.0))),
        )
        for n, pnl in enumerate(pnls)
    }  # fmt: skip
    start_equity = dict.fromkeys(days, Decimal(equity))
    return Record(start_equity, Decimal(equity), {"BTC/USDT": SymbolRecord("crypto", days=days)})


def merged(*records: Record) -> Record:
    """Several symbols over the same days."""
    first = records[0]
    symbols = {s: r for record in records for s, r in record.symbols.items()}
    return msgspec.structs.replace(first, symbols=symbols)


def state_with(record: Record) -> PhasesState:
    """The state at the start, with a record."""
    return msgspec.structs.replace(start(PARAMS), record=record)


def with_auto_activation() -> PhasesParams:
    """The declared ladder, activating by itself."""
    return replace(PARAMS, settings=PARAMS.settings.model_copy(update={"auto_activate": True}))


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
