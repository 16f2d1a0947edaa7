"""The audit of an asset: each single shortfall keeps it from real money, and what nobody knows is never good."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from audit_cases import (
    BTC,
    CANDLES,
    MODELS,
    NOW,
    PARAMS,
    RESEARCH,
    TRADES,
    audited,
    good,
    line,
    trade,
)

from services.gateway.audit.facts import (
    AuditFacts,
    Bars,
    CandleFacts,
    CellResult,
    FeedFacts,
    FillFacts,
    FlagFacts,
    PerformanceFacts,
)
from services.gateway.audit.inputs import missing_indicators
from services.gateway.audit.judging import judge
from services.gateway.audit.lines import Line, worst

DAY = timedelta(days=1)
CHOPPY = (*TRADES[:20], *(trade(n, regime="chop") for n in range(20, 24)))
STOPPED = tuple(trade(n, pnl="9" if n % 4 == 0 else "-1", reason="target" if n % 4 == 0 else "stop") for n in range(24))
ELSEWHERE = tuple(replace(t, bucket=9) for t in TRADES)


def old(days: int) -> Any:
    return tuple(replace(m, valid_from=NOW - days * DAY) for m in MODELS)


def test_an_asset_with_nothing_against_it_is_ready() -> None:
    found = audited()
    assert found.reasons == ()
    assert (found.ready_for_live, found.verdict, found.paper_reasons) == (True, "ok", ())
    assert [one for one in found.lines if one.verdict != "ok"] == []


SHORTFALLS: list[tuple[dict[str, Any], str]] = [
    ({"candles": CandleFacts()}, "no candle is stored"),
    ({"candles": replace(CANDLES, month=Bars(720, 700))},
     "20 of 720 (2.78 %) of the bars of the last 30 days are missing"),
    ({"candles": replace(CANDLES, month=None)}, "not known: how many bars of the last 30 days are missing, for its "
     "market's hours are not known there"),
    ({"candles": replace(CANDLES, week=Bars(168, 150))},
     "89 % of the last 7 days' bars are there, at least 95 % are needed"),
    ({"candles": replace(CANDLES, week=Bars(168, 0))}, "none of the last 7 days' bars is there"),
    ({"candles": replace(CANDLES, week=Bars(0, 0))},
     "not known: how fresh its feed is, for its market owed no bar in the last 7 days"),
    ({"feed": FeedFacts(fit=False, says=("stale since 2024-05-20",), sources=("binance",))},
     "its feed is not fit to trade on: stale since 2024-05-20"),
    ({"feed": FeedFacts(fit=True, says=("fresh",))}, "no source for crypto is configured (one of binance, bybit)"),
    ({"models": ()}, "no model of it is in use"),
    ({"models": old(101)}, "its oldest model came into use 101 days ago, at most 100 are allowed"),
    ({"forecasts": 0, "last_forecast": None}, "no forecast of it has been made"),
    ({"research": None}, "not known: what research finds, for it has not measured it yet"),
    ({"research": replace(RESEARCH, as_of=NOW - 5 * DAY)}, "research last spoke of it on 2024-05-27"),
    ({"research": replace(RESEARCH, edge_bps=None)}, "not known: its edge, for too few forecasts have an outcome yet"),
    ({"research": replace(RESEARCH, edge_bps=-0.5, low_bps=-4.0, high_bps=3.0)},
     "its measured edge is -0.5 bps [-4.0, +3.0], n 900: not above 0"),
    ({"research": replace(RESEARCH, n=17, low_bps=None, high_bps=None)},
     "not known: its edge, for 17 forecasts are too few to say"),
    ({"research": replace(RESEARCH, tier=3, why="at most 0")}, "research puts it into tier 3: at most 0"),
    ({"research": replace(RESEARCH, tier=None, why="too few blocks")}, "not known: its tier (too few blocks)"),
    ({"research": replace(RESEARCH, mix={})}, "not known: the regimes and buckets of its trades, for research expects "
     "none yet"),
    ({"trades": TRADES[:19]}, "19 closed trades, at least 20 are needed"),
    ({"trades": ()}, "0 closed trades, at least 20 are needed"),
    ({"trades": tuple(replace(t, pnl=Decimal(1) if n % 2 else Decimal(-1)) for n, t in enumerate(TRADES))},
     "profit factor 1.00, at least 1.05 is needed"),
    ({"trades": tuple(replace(t, pnl=Decimal(1)) for t in TRADES)},
     "not known: its profit factor, for no trade has lost"),
    ({"performance": PerformanceFacts(1.4, 2.2, 0.25, ())}, "drawdown 25.0 %, it has to stay below 25 %"),
    ({"performance": PerformanceFacts()}, "not known: its drawdown, for no day with trades has ended"),
    ({"trades": STOPPED}, "75 % of its trades ended at the stop, at most 70 % are sane"),
    ({"fills": FillFacts(48, Decimal(24000), Decimal(60), Decimal(505), 0.2)},
     "its fills cost 25.0 bps in spread and slippage, paper assumes 2.0, at most 20 is sane"),
    ({"fills": FillFacts()}, "not known: what its fills cost, for there are none"),
    ({"fills": FillFacts(48, Decimal(24000), Decimal("5.5"), Decimal(540), 0.2)},
     "its largest entry 540.00 (20.0 % of equity) is above its limit of 500 a trade"),
    ({"trades": ELSEWHERE}, "the regimes and buckets of its trades are 1.00 from what research expects "
     "(high_vol 9: 24), at most 0.50"),
    ({"trades": CHOPPY}, "4 of its 24 trades were entered in chop, which its profile does not name"),
    ({"phase_active": False}, "its phase phase_0_crypto is not active"),
    ({"trading_enabled": False, "level": "off", "waits_for": "4 more trades"},
     "it is not enabled for trading, not even on paper: 4 more trades"),
    ({"flags": (FlagFacts("stale_feed", BTC, "warning", "entries", "no bar for 3 h"),)},
     "open system flag: stale_feed (BTC/USDT): no bar for 3 h"),
    ({"flags": (FlagFacts("stage_lag", "risk", "critical", "live", "120 s behind"),)},
     "open system flag: stage_lag (risk): 120 s behind"),
    ({"flags": (FlagFacts("model_drift", BTC, "warning", "", "half of it"),)},
     "open system flag: model_drift (BTC/USDT): half of it"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "reason"), SHORTFALLS, ids=[reason for _, reason in SHORTFALLS])
def test_each_single_shortfall_keeps_it_from_real_money_and_is_named(changes: dict[str, Any], reason: str) -> None:
    found = audited(**changes)
    assert not found.ready_for_live
    assert reason in found.reasons


def test_an_asset_without_a_live_limit_or_account_is_not_ready() -> None:
    assert audited(replace(PARAMS, max_notional={})).reasons == ("no max_notional is set for it in live.yaml",)
    assert audited(replace(PARAMS, accounts={})).reasons == ("no broker of live.yaml takes crypto",)
    wide = audited(replace(PARAMS, max_notional={BTC: Decimal(5000)}))
    assert (line(wide, "risk configuration", "live max_notional").verdict, wide.ready_for_live) == ("warn", True)


def test_an_incomplete_risk_configuration_is_named() -> None:
    btc = PARAMS.assets.assets[BTC]
    short = audited(asset=btc.model_copy(update={"notional_per_day": None}))
    assert short.reasons == ("its notional limits are not complete: 500 a trade, – a day",)
    nvda = PARAMS.assets.assets["NVDA"]
    for changed, reason in (
        ({"stop_loss": 0.03}, "its stop of 3.0 % is outside 5 % to 20 %"),
        ({"max_position": 0.2}, "its position cap of 20.0 % is outside 2 % to 10 %"),
        ({"max_position": None}, "no max_position is configured for it"),
    ):
        found = audited(asset=nvda.model_copy(update=changed))
        assert reason in found.paper_reasons


def test_nothing_that_is_unknown_is_ok_and_every_unknown_that_is_asked_for_stops() -> None:
    nothing = judge(AuditFacts(now=NOW, symbol="NVDA", asset=PARAMS.assets.assets["NVDA"]), PARAMS)
    unknown = [one for one in nothing.lines if one.verdict == "unknown"]
    assert {"measured", "edge after costs", "trades"} <= {one.name for one in unknown}
    assert not nothing.ready_for_live
    assert nothing.verdict == "fail"
    asked = [one for one in unknown if one.asked_by != "nobody"]
    assert {f"not known: {one.words}" for one in asked} <= set(nothing.reasons)
    # What is good of it is only what its declaration says.
    fine = {one.name for one in nothing.lines if one.verdict == "ok"}
    assert fine == {"role", "live phase", "tier", "flags that block entries", "other flags", "stop", "position cap",
                    "notional limits", "live account"}  # fmt: skip


def test_the_live_phase_itself_is_not_asked_for_so_that_it_can_be_opened_on_the_audit() -> None:
    assert audited(live_enabled=False).ready_for_live
    assert line(audited(live_enabled=True), "standing", "live phase").figure == "active"


def test_a_flag_that_blocks_nothing_only_warns_once_it_is_acknowledged_or_is_no_warning() -> None:
    seen = FlagFacts("refused_commands", "all", "info", "", "12 in 10 minutes")
    known = FlagFacts("model_drift", BTC, "warning", "", "half of it", acknowledged_by="kim")
    for flag in (seen, known):
        found = audited(flags=(flag,))
        assert (found.ready_for_live, line(found, "standing", "other flags").verdict) == (True, "warn")
    blocking = replace(known, blocks="live")
    assert not audited(flags=(blocking,)).ready_for_live


def test_only_what_paper_asks_for_makes_it_unfit_for_paper() -> None:
    live_only = audited(trades=TRADES[:3], research=None)
    assert (live_only.verdict, live_only.paper_reasons) == ("ok", ())
    stale = audited(feed=FeedFacts(fit=False, says=("stale",), sources=("binance",)))
    assert (stale.verdict, stale.paper_reasons) == ("fail", ("its feed is not fit to trade on: stale",))
    late = audited(last_forecast=NOW - 2 * DAY)
    assert (late.verdict, late.paper_reasons, late.ready_for_live) == ("warn", (), True)


def test_a_research_only_asset_is_unfit_until_research_has_let_it_trade() -> None:
    ada = PARAMS.assets.assets["ADA/USDT"]
    held = audited(asset=ada, trading_enabled=False, level="off")
    assert "its role is research_only: only research can change that" in held.paper_reasons
    assert line(audited(asset=ada, level="observed"), "standing", "role").verdict == "ok"


def test_an_observed_asset_is_enabled_and_its_smaller_size_is_a_warning() -> None:
    found = audited(level="observed", waits_for="6 more trades")
    assert found.ready_for_live
    words = "it is only observed, at part of its size: 6 more trades"
    assert line(found, "standing", "size on paper").words == words


def test_an_edge_that_is_not_told_apart_from_none_warns_beside_the_plans_starting_value() -> None:
    found = audited(research=replace(RESEARCH, low_bps=-2.0))
    edge = line(found, "research", "edge after costs")
    assert (edge.verdict, edge.n, edge.low, edge.high) == ("warn", 900, -2.0, 13.0)
    assert edge.yardstick == "above 0; the plan starts from +9.8 bps, unmeasured"
    assert edge.figure == "+7.1 bps [-2.0, +13.0], n 900"


def test_a_tier_is_asked_only_where_there_are_tiers() -> None:
    nvda = PARAMS.assets.assets["NVDA"]
    silent = replace(RESEARCH, tier=None)
    assert line(audited(tier=None, asset=nvda, research=silent), "research", "tier").words == "stocks has no tiers"
    assert line(audited(tier=None, research=silent), "research", "tier").verdict == "unknown"


def test_a_cell_counts_as_an_edge_only_as_of_the_newest_night() -> None:
    yesterday = replace(good().edges[0], as_of=NOW - DAY)
    assert line(audited(edges=(yesterday,)), "research", "cells with an edge").verdict == "warn"
    assert line(audited(edges=()), "research", "cells with an edge").verdict == "unknown"
    assert line(audited(), "research", "cells with an edge").words == "high_vol 1: +9.5 bps, n 220"


def test_figures_carry_their_sample_and_interval() -> None:
    found = audited()
    factor, rate = line(found, "trades", "profit factor"), line(found, "trades", "win rate")
    assert (factor.n, rate.n) == (24, 24)
    assert factor.low is not None
    assert rate.low is not None
    assert factor.low < 32 / 12 < (factor.high or 0)
    assert rate.low < 16 / 24 < (rate.high or 0)
    sharpe = line(found, "trades", "Sharpe ratio")
    assert (sharpe.n, sharpe.low is not None) == (40, True)


def test_slippage_above_what_paper_assumes_warns_and_far_above_fails() -> None:
    costs = {"7": "ok", "12": "warn", "60": "fail"}
    for slippage, verdict in costs.items():
        fills = FillFacts(48, Decimal(24000), Decimal(slippage), Decimal(505), 0.2)
        assert line(audited(fills=fills), "behaviour", "slippage").verdict == verdict


def test_chop_is_not_asked_of_an_asset_whose_profile_names_it_or_that_has_none() -> None:
    for symbol, why in (("XRP/USDT", "its profile names chop"), ("BNB/USDT", "it has no profile")):
        asked = line(audited(asset=PARAMS.assets.assets[symbol], trades=CHOPPY), "behaviour", "chop trades")
        assert (asked.verdict, asked.words) == ("ok", f"not asked: {why}")


def test_a_cell_that_loses_over_many_trades_is_named() -> None:
    losing = CellResult("high_vol", 0, 8, Decimal(-1))
    cells = line(audited(cells=(losing, CellResult("high_vol", 2, 2, Decimal(-9)))), "trades", "by regime and bucket")
    assert (cells.verdict, cells.words) == ("warn", "it loses in high_vol 0")


def test_a_few_trades_say_nothing_about_how_it_behaves() -> None:
    found = audited(trades=TRADES[:4])
    for name in ("exits", "regimes and buckets", "chop trades"):
        assert line(found, "behaviour", name).verdict == "unknown"


def test_a_trade_held_beyond_its_limit_warns() -> None:
    held = line(audited(trades=(*TRADES, trade(25, hours=30))), "behaviour", "holding times")
    assert (held.verdict, held.words) == ("warn", "its longest trade was held 30 h, it may be 24 h")


def test_a_share_of_equity_bounds_an_asset_without_a_notional() -> None:
    nvda = PARAMS.assets.assets["NVDA"]
    for share, verdict in ((0.10, "ok"), (0.104, "ok"), (0.12, "fail")):
        fills = FillFacts(2, Decimal(2000), Decimal(1), Decimal(1000), share)
        assert line(audited(asset=nvda, fills=fills), "behaviour", "size").verdict == verdict


def test_declared_indicators_that_no_stored_series_brings_are_named_with_their_sources() -> None:
    nvda = PARAMS.assets.assets["NVDA"]
    facts = good(asset=nvda, configured=frozenset({"unusual_whales"}), series={"semiconductor_index": NOW})
    found = judge(facts, PARAMS)
    assert missing_indicators(facts, PARAMS) == ["options_flow", "ai_news", "gpu_supply", "data_center_news"]
    words = "no stored series brings it: unusual_whales is configured"
    assert line(found, "indicators", "options_flow").words == words
    assert (
        line(found, "indicators", "ai_news").words == "no stored series brings it: no source of the platform gives it"
    )
    assert line(found, "indicators", "semiconductor_index").figure == "semiconductor_index, newest 2024-06-01 00:00"
    by_source = replace(facts, series={"unusual_whales": NOW})
    assert line(judge(by_source, PARAMS), "indicators", "options_flow").verdict == "ok"


def test_the_worst_line_is_a_sections_verdict_and_none_says_nothing() -> None:
    def of(*verdicts: Any) -> tuple[Line, ...]:
        return tuple(Line("x", verdict, "", "", "", "live") for verdict in verdicts)

    assert worst(of("ok", "warn")) == "warn"
    assert worst(of("warn", "unknown", "ok")) == "unknown"
    assert worst(of("unknown", "fail")) == "fail"
    assert worst(()) == "unknown"
