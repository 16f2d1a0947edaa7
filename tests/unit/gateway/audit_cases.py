"""An asset that has earned the right to trade real money, and the yardsticks as they are delivered."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.gateway.audit.facts import (
    AuditFacts,
    Bars,
    CandleFacts,
    CellResult,
    EdgeFacts,
    FeedFacts,
    FillFacts,
    ModelFacts,
    PerformanceFacts,
    ResearchFacts,
    TradeFacts,
)
from services.gateway.audit.judging import judge
from services.gateway.audit.lines import Audit, Line
from services.gateway.audit.settings import AuditParams, load_params

NOW = datetime(2024, 6, 1, tzinfo=UTC)
BTC = "BTC/USDT"
PARAMS = replace(load_params(), max_notional={BTC: Decimal(100)})

CANDLES = CandleFacts(
    count=9600, first=NOW - timedelta(days=400), last=NOW - timedelta(hours=1), revised=3, refused=1,
    whole=Bars(9600, 9600), month=Bars(720, 719), week=Bars(168, 168),
)  # fmt: skip
MODELS = (
    ModelFacts("ensemble", "e1", NOW - timedelta(days=12), NOW - timedelta(days=10)),
    ModelFacts("lightgbm", "v2", NOW - timedelta(days=12), NOW - timedelta(days=10), ratio=0.985, n=240),
)
RESEARCH = ResearchFacts(
    as_of=NOW, tier=1, why="+7.1 bps, all of the interval above 0", n=900, edge_bps=7.1, low_bps=1.2, high_bps=13.0,
    mix={("high_vol", 0): 0.4, ("high_vol", 1): 0.3, ("high_vol", 2): 0.3},
)  # fmt: skip


def trade(n: int, *, pnl: str = "2", reason: str = "target", regime: str = "high_vol", hours: int = 5) -> TradeFacts:
    """Make the n-th trade, one a day."""
    opened = NOW - timedelta(days=40 - n)
    return TradeFacts(opened, opened + timedelta(hours=hours), Decimal(pnl), reason, regime, n % 3)


TRADES = tuple(
    trade(n, pnl="-1.5" if n % 3 == 0 else "2", reason="stop" if n % 3 == 0 else "target") for n in range(24)
)


def good(**changes: Any) -> AuditFacts:
    """Make what is known of an asset with nothing against it, but for the changes."""
    facts = AuditFacts(
        now=NOW, symbol=BTC, asset=PARAMS.assets.assets[BTC], phase="phase_0_crypto", phase_active=True, level="full",
        tier=1, trading_enabled=True, candles=CANDLES,
        feed=FeedFacts(fit=True, says=("fresh",), sources=("binance",), checked=True),
        models=MODELS, forecasts=9000, last_forecast=NOW, research=RESEARCH, plan_edge_bps=9.8,
        edges=(EdgeFacts(NOW, "high_vol", 1, 220, 9.5, 3.0, 16.0, 0.01),), trades=TRADES,
        fills=FillFacts(48, Decimal(24000), Decimal("5.5"), Decimal(505), 0.2),
        performance=PerformanceFacts(1.4, 2.2, 0.04, tuple(0.001 * (-1) ** n + 0.0005 for n in range(40))),
        cells=(CellResult("high_vol", 0, 8, Decimal(4)), CellResult("high_vol", 1, 8, Decimal(16))),
        configured=frozenset({"binance"}),
    )  # fmt: skip
    return replace(facts, **changes)


def audited(params: AuditParams = PARAMS, **changes: Any) -> Audit:
    """Audit it."""
    return judge(good(**changes), params)


def line(audit: Audit, section: str, name: str) -> Line:
    """Find one line."""
    part = next(part for part in audit.sections if part.name == section)
    return next(one for one in part.lines if one.name == name)
