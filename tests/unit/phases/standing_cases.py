"""Made-up days for the tests of the ladder's steps: who traded what, what research said, whose feed was there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import msgspec
from decision_cases import portfolio, position
from phases_cases import FIRST_DAY, PARAMS, STOCKS_READY, state_with

from services.contracts.messages import (
    CHLOE_NAMESPACE,
    CommandGiven,
    EdgeMeasured,
    Fill,
    ResearchMade,
    Trade,
)
from services.contracts.research import AssetResearch, MixShare
from services.domain.money import ZERO, money
from services.phases.chain import LogEntry
from services.phases.decide import Commanded, DayEnded, PhasesParams, PhasesState, Verdict, on_command, on_day
from services.phases.record import Record

BTC, ETH, AVAX, DOGE, MATIC = "BTC/USDT", "ETH/USDT", "AVAX/USDT", "DOGE/USDT", "MATIC/USDT"
XRP, SOL, LINK = "XRP/USDT", "SOL/USDT", "LINK/USDT"
HOURS = 24
PAYS = EdgeMeasured(LINK, "high_vol", 7, 400, 12.0, 4.0, 20.0, 0.01)
MIX = (MixShare("high_vol", 2, 1.0),)


def heard(
    ts: datetime,
    *,
    fresh: Mapping[str, float] | None = None,
    tiers: Mapping[str, int | None] | None = None,
    cells: Mapping[str, tuple[EdgeMeasured, ...]] | None = None,
    slices: int = HOURS,
) -> ResearchMade:
    """Research's word: fresh feeds, the declared tiers and expected mixes, except where told otherwise."""
    fresh, tiers, cells = fresh or {}, tiers or {}, cells or {}
    return ResearchMade(
        ts=ts,
        assets=tuple(
            AssetResearch(
                symbol, slices, round(slices * fresh.get(symbol, 1.0)), n=500,
                tier=tiers.get(symbol, asset.tier), tier_why="made up", cells=cells.get(symbol, ()), mix=MIX,
            )
            for symbol, asset in sorted(PARAMS.assets.assets.items())
        ),
    )  # fmt: skip


def traded(ts: datetime, symbol: str, results: Sequence[float]) -> tuple[list[Fill], list[Trade]]:
    """Round trips of a day with these results; each turned over 1,000 at 12 basis points."""
    asset_class = PARAMS.assets.assets[symbol].asset_class
    fills, trades = [], []
    for n, result in enumerate(results):
        name = uuid5(CHLOE_NAMESPACE, f"{ts}{symbol}{n}")
        fills.append(
            Fill(name, None, symbol, asset_class, "sell", money(10), money(100), ZERO, money("1.2"), "exit", ts,
                 cash=money(result))
        )  # fmt: skip
        trades.append(
            Trade(name, symbol, asset_class, "long", ts - timedelta(hours=3), ts, money(10), money(100), money(100),
                  ZERO, money("1.2"), money(result), "target", 2, "high_vol")
        )  # fmt: skip
    return fills, trades


@dataclass
class Walk:
    """A ladder that is walked day by day; every row of the log is kept."""

    state: PhasesState
    params: PhasesParams = PARAMS
    begun: datetime = FIRST_DAY
    equity: Decimal = Decimal(5000)
    log: list[LogEntry] = field(default_factory=list)
    audits: Mapping[str, bool] = field(default_factory=dict)
    configured: Mapping[str, bool] = field(default_factory=lambda: {"crypto": True})
    asked: int = 0

    def __post_init__(self) -> None:
        self.ends = self.begun + timedelta(days=len(self.state.record.days))

    def day(
        self,
        results: Mapping[str, Sequence[float]] | None = None,
        *,
        held: Sequence[str] = (),
        research: bool = True,
        **word: Any,
    ) -> Verdict:
        """Let one day end: what was traded, what is held at its end, and what research says of it."""
        self.ends += timedelta(days=1)
        fills: list[Fill] = []
        trades: list[Trade] = []
        for symbol, pnls in (results or {}).items():
            more, closed = traded(self.ends, symbol, pnls)
            fills, trades = fills + more, trades + closed
            self.equity += money(sum(pnls))
        books = portfolio(
            self.equity, *(position(s, "0.01", "100") for s in held), ts=self.ends, fills=tuple(fills),
            trades=tuple(trades), starting_cash=Decimal(5000),
        )  # fmt: skip
        said = heard(self.ends, **word) if research else None
        self.state, verdict = on_day(self.state, DayEnded((books,), self.configured, said, self.audits), self.params)
        self.log.extend(verdict.log)
        return verdict

    def days(self, number: int, results: Mapping[str, Sequence[float]] | None = None, **word: Any) -> None:
        """Let so many days end alike."""
        for _ in range(number):
            self.day(results, **word)

    def ask(self, name: str, subject: str, *, id: UUID | None = None, **changes: Any) -> Verdict:
        """Give an operator's command in the hours after the last day's end."""
        self.asked += 1
        given = CommandGiven(
            ts=self.ends + timedelta(minutes=self.asked), name=name, subject=subject, by="ada",  # type: ignore[arg-type]
            id=id or uuid5(CHLOE_NAMESPACE, f"{self.ends}{self.asked}"), **changes,
        )  # fmt: skip
        self.state, verdict = on_command(
            self.state, Commanded(given, {**STOCKS_READY, **self.configured}, self.audits), self.params
        )
        self.log.extend(verdict.log)
        return verdict

    @property
    def changes(self) -> list[tuple[str, str]]:
        """All rows so far: subject and change."""
        return [(entry.activation.subject, entry.activation.change) for entry in self.log]


def walk(record: Record | None = None, params: PhasesParams = PARAMS, **changes: Any) -> Walk:
    """Begin a walk; ``changes`` are of the state."""
    state = msgspec.structs.replace(state_with(record or Record()), **changes)
    return Walk(state, params)


def proven(walked: Walk, symbols: Sequence[str] = (BTC, ETH), trades: int = 20) -> Walk:
    """Give assets so many small winning and losing trades in one day: profit factor 2."""
    half = trades // 2
    walked.day({symbol: [0.4] * half + [-0.2] * (trades - half) for symbol in symbols})
    return walked
