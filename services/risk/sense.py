"""First of the table: does the wish make sense at all? What does not is refused before anything is computed with it."""

import math
from collections.abc import Callable

from services.contracts.messages import LimitCheck, Target
from services.domain.assets import Asset
from services.domain.money import money
from services.risk.settings import RiskSettings
from services.risk.verdicts import Verdict, no, yes

LEAST_PRICE, GREATEST_PRICE = 1e-6, 1e12
"""Between these a price and its stop differ within the ledger's 8 places, and amounts fit into its columns."""


def symbol_known(target: Target, asset: Asset | None, _: RiskSettings) -> Verdict:
    """Know the asset."""
    return yes("symbol_known") if asset is not None else no("symbol_known", f"{target.symbol!r} is no declared asset")


def figures(target: Target, _: Asset | None, settings: RiskSettings) -> Verdict:
    """Take finite figures of a possible size only."""
    weight = target.weight
    if weight is None or not math.isfinite(weight) or abs(weight) > settings.max_asked_weight:
        return no("figures", f"a weight of {weight} is not between +-{settings.max_asked_weight}")
    if not LEAST_PRICE <= target.close <= GREATEST_PRICE:
        return no("figures", f"a close of {target.close} is not between {LEAST_PRICE:g} and {GREATEST_PRICE:g}")
    if not math.isfinite(target.expected_return):
        return no("figures", f"an expected return of {target.expected_return} is no number")
    for name in ("volatility", "usual_volatility"):
        value = getattr(target, name)
        if value is not None and not 0 <= value < math.inf:
            return no("figures", f"{name} of {value} is not a finite number of at least 0")
    return yes("figures")


def direction(target: Target, _: Asset | None, __: RiskSettings) -> Verdict:
    """Buy with weights above zero and sell with weights below."""
    weight = target.weight or 0.0
    fits = (target.action == "BUY" and weight > 0) or (target.action == "SELL" and weight < 0)
    return yes("direction") if fits else no("direction", f"{target.action} with a weight of {weight:g}")


def stop_side(target: Target, _: Asset | None, __: RiskSettings) -> Verdict:
    """Have the stop on the losing side of the price."""
    if target.stop is None or _beyond(target.stop, target.close, above=target.action == "SELL"):
        return yes("stop_side")
    return no("stop_side", f"a stop at {target.stop:g} does not protect a {target.action} at {target.close:g}")


def take_side(target: Target, _: Asset | None, __: RiskSettings) -> Verdict:
    """Have the target on the winning side of the price."""
    if target.take is None or _beyond(target.take, target.close, above=target.action == "BUY"):
        return yes("take_side")
    return no("take_side", f"a target at {target.take:g} is no gain for a {target.action} at {target.close:g}")


SENSE: tuple[Callable[[Target, Asset | None, RiskSettings], Verdict], ...] = (
    symbol_known,
    figures,
    direction,
    stop_side,
    take_side,
)


def nonsense(target: Target, asset: Asset | None, settings: RiskSettings) -> tuple[tuple[LimitCheck, ...], str | None]:
    """Ask until one says no; returns what was asked and the refusal, None where all passed."""
    asked: list[LimitCheck] = []
    for check in SENSE:
        line, refusal = check(target, asset, settings)
        asked.append(line)
        if refusal is not None:
            return tuple(asked), refusal
    return tuple(asked), None


def _beyond(price: float, close: float, *, above: bool) -> bool:
    """Whether a price lies on that side of the close, in the ledger's places too."""
    if not LEAST_PRICE / 100 <= price <= GREATEST_PRICE * 100:
        return False
    return money(price) > money(close) if above else ZERO_PLACES < money(price) < money(close)


ZERO_PLACES = money(0)
