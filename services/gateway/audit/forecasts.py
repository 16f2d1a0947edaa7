"""The audit of what forecasts an asset: its models, and what research measured of them. Pure."""

from datetime import timedelta

from services.gateway.audit.facts import AuditFacts, EdgeFacts, ModelFacts, ResearchFacts
from services.gateway.audit.lines import Line, judged, listed
from services.gateway.audit.settings import AuditParams

DRIFT = "model_drift"
"""The flag that says that the features do not look like what its models learnt from."""
LATE = timedelta(days=1)
DISCOVERIES = 0.05
"""False discovery rate at which research calls a cell an edge."""
PROVEN_TIERS = 2
"""Tier 3 is for research only."""


def models(facts: AuditFacts, params: AuditParams) -> tuple[Line, ...]:
    """Judge the models in use."""
    used, limit = facts.models, params.max_model_age_days
    ages = sorted(((facts.now - m.valid_from).total_seconds() / 86400.0, m.model) for m in used)
    drifts = [flag.detail for flag in facts.flags if flag.name == DRIFT]
    if not used:
        none = judged("in use", False, "none", "at least one", "no model of it is in use", asked_by="paper", n=0)
        return (none, _forecasts(facts))
    return (
        judged(
            "in use", True, listed(f"{m.model} {m.version}" for m in used), "at least one", "",
            good=f"{len(used)} in use", asked_by="paper", n=len(used),
        ),
        judged(
            "age", 0 <= ages[-1][0] <= limit, f"{ages[-1][0]:.0f} days ({ages[-1][1]})", f"at most {limit} days",
            f"its oldest model came into use {ages[-1][0]:.0f} days ago, at most {limit} are allowed",
            good="young enough", asked_by="paper",
        ),
        judged(
            "drift", not drifts, "up" if drifts else "none", "no flag",
            f"its features have drifted: {listed(drifts, 1)}", good="no flag is up", soft=True,
        ),
        _skill(used),
        _forecasts(facts),
    )  # fmt: skip


def research(facts: AuditFacts, params: AuditParams) -> tuple[Line, ...]:
    """Judge what following its forecasts paid, out of sample and after costs."""
    found, days = facts.research, params.settings.research_days
    age = None if found is None else facts.now - found.as_of
    return (
        judged(
            "measured", None if age is None else age <= timedelta(days=days),
            "never" if found is None else f"{found.as_of:%Y-%m-%d}", f"at most {days} days ago",
            f"research last spoke of it on {found.as_of:%Y-%m-%d}" if found else "",
            good="research speaks of it", unknown="what research finds, for it has not measured it yet",
        ),
        _edge(found, facts.plan_edge_bps),
        _tier(found, facts),
        _cells(facts.edges, found),
    )  # fmt: skip


def _skill(used: tuple[ModelFacts, ...]) -> Line:
    known = sorted((m.ratio, m.model, m.n) for m in used if m.ratio is not None)
    figure = listed(f"{model} {ratio:.3f}" for ratio, model, _ in known) or "–"
    return judged(
        "error beside the random walk", None if not known else known[0][0] < 1.0, figure, "below 1 is better",
        "none of its models forecasts better than the random walk", good=f"best: {known[0][1] if known else ''}",
        unknown="how its models do beside the random walk, for no horizon has passed yet", soft=True, asked_by="nobody",
        n=known[0][2] if known else None,
    )  # fmt: skip


def _forecasts(facts: AuditFacts) -> Line:
    newest = facts.last_forecast
    if newest is None:
        return judged("forecasts", False, "none", "some", "no forecast of it has been made", asked_by="paper")
    return judged(
        "forecasts", facts.now - newest <= LATE, f"{facts.forecasts:,}, newest {newest:%Y-%m-%d %H:%M}",
        "within the last day", f"its newest forecast is of {newest:%Y-%m-%d %H:%M}", good="made at its slices",
        soft=True, asked_by="paper", n=facts.forecasts,
    )  # fmt: skip


def _edge(found: ResearchFacts | None, plan: float | None) -> Line:
    yardstick = "above 0" + ("" if plan is None else f"; the plan starts from {plan:+.1f} bps, unmeasured")
    unknown = "its edge, for too few forecasts have an outcome yet"
    if found is None or found.edge_bps is None:
        n = None if found is None else found.n
        return judged("edge after costs", None, "–", yardstick, "", unknown=unknown, n=n)
    if found.low_bps is None or found.high_bps is None:
        few, figure = (
            f"its edge, for {found.n} forecasts are too few to say",
            f"{found.edge_bps:+.1f} bps, n {found.n:,}",
        )
        return judged("edge after costs", None, figure, yardstick, "", unknown=few, n=found.n)
    figure = f"{found.edge_bps:+.1f} bps [{found.low_bps:+.1f}, {found.high_bps:+.1f}], n {found.n:,}"
    verdict = "not told apart from none" if found.edge_bps > 0.0 else "not above 0"
    return judged(
        "edge after costs", found.low_bps > 0.0, figure, yardstick, f"its measured edge is {figure}: {verdict}",
        good="above 0 with its whole interval", soft=found.edge_bps > 0.0,
        n=found.n, low=found.low_bps, high=found.high_bps,
    )  # fmt: skip


def _tier(found: ResearchFacts | None, facts: AuditFacts) -> Line:
    now, of = facts.tier, facts.asset.asset_class
    if of != "crypto" and now is None:
        return judged("tier", True, "–", "asked of crypto", "", good=f"{of} has no tiers")
    tier = None if found is None else found.tier
    figure = ("–" if tier is None else f"tier {tier}") + ("" if now is None else f"; it is in tier {now}")
    return judged(
        "tier", None if tier is None else tier <= PROVEN_TIERS, figure, f"tier 1 or {PROVEN_TIERS}",
        f"research puts it into tier {tier}: {found.why if found else ''}", good=found.why if found else "",
        unknown="its tier" + (f" ({found.why})" if found and found.why else ", for research has not named one"),
    )  # fmt: skip


def _cells(edges: tuple[EdgeFacts, ...], found: ResearchFacts | None) -> Line:
    tonight = [e for e in edges if found is not None and e.as_of == found.as_of and e.edge_bps > 0.0]
    proven = [e for e in tonight if e.q_value is not None and e.q_value <= DISCOVERIES]
    best = sorted(proven, key=lambda e: -e.edge_bps)
    return judged(
        "cells with an edge", None if not edges else bool(proven), f"{len(proven)} of {len(edges)}" if edges else "–",
        f"some, at a false discovery rate of {DISCOVERIES * 100:.0f} %",
        "no regime and bucket of it is an edge that all the looking does not explain",
        good=listed((f"{e.regime} {e.bucket}: {e.edge_bps:+.1f} bps, n {e.n}" for e in best), 3),
        unknown="which regimes and buckets pay", soft=True, asked_by="nobody",
    )  # fmt: skip
