"""What one asset's forecast comes to once the market and the asset's rules have been asked. Pure.

A refused entry becomes a HOLD that says why. A sale that passes its threshold still leaves a position where a short may
not be opened: leaving is never refused.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.contracts.messages import Action, Forecast, Strength
from services.contracts.readings import Reading
from services.domain.assets import Asset
from services.domain.candles import timeframe_of
from services.signals import rules
from services.signals.entry import Entry
from services.signals.gates import profile_gate, side_gate
from services.signals.leaning import Leaning, lean
from services.signals.levels import Bracket, bracket, priced
from services.signals.settings import SignalSettings

NO_BRACKET = Bracket()
ONLY_LEAVE = "only leave the position"
OBSERVED = "observation size"


@dataclass(frozen=True, slots=True)
class Opinion:
    """One asset's say before the portfolio is divided."""

    forecast: Forecast
    reading: Reading
    action: Action
    strength: Strength
    threshold: float
    reasons: tuple[str, ...]
    side: Literal["long", "short"] | None = None
    """The side on which a position may be opened; None: none may."""
    explores: bool = False
    flat: bool = False
    """Whether a position has to be left for a closure of the market."""
    bracket: Bracket = NO_BRACKET
    size: float = 1.0
    """What its weight is multiplied by."""
    size_why: str = ""


def opinion(
    ts: datetime,
    timeframe: str,
    f: Forecast,
    reading: Reading,
    asset: Asset,
    settings: SignalSettings,
    *,
    observation_size: float | None = None,
) -> Opinion:
    """Ask everything about one forecast; ``observation_size`` is given for an asset that phases only observe."""
    leaning = lean(f, asset, reading.regime, settings)
    entry = Entry(ts, timeframe_of(timeframe), f, reading, asset, f.expected_return > 0.0)
    if settings.parts.rules and (leave := rules.leaves_before(entry)) is not None:
        return _without(entry, leaning, "HOLD", (leave, *leaning.held_back), flat=True)
    if leaning.action == "HOLD":
        return _without(entry, leaning, "HOLD", leaning.reasons)
    side: Literal["long", "short"] = "long" if leaning.action == "BUY" else "short"
    if side not in asset.sides:
        text = f"no {side} side in its profile"
        if side == "long" or leaning.explores:
            return _without(entry, leaning, "HOLD", (text, *leaning.held_back))
        return _without(entry, leaning, "SELL", (*leaning.reasons, f"{text}: leave the position"))
    found = _bracket(entry, settings)
    refusals = (*_refusals(entry, settings), *found.refusals)
    if not refusals:
        notes = (*leaning.reasons, *found.notes)
        return Opinion(
            forecast=f,
            reading=reading,
            action=leaning.action,
            strength=leaning.strength,
            threshold=leaning.threshold,
            reasons=notes,
            side=side,
            explores=leaning.explores,
            bracket=found,
            size=_size(asset, observation_size),
            size_why="its risk multiplier" if asset.role == "observation" or observation_size is None else OBSERVED,
        )
    if leaning.action == "SELL" and not leaning.explores:
        return _without(entry, leaning, "SELL", (*leaning.reasons, *refusals, ONLY_LEAVE))
    return _without(entry, leaning, "HOLD", (*refusals, *leaning.held_back))


def _size(asset: Asset, observation_size: float | None) -> float:
    """Return what an asset's weight is multiplied by.

    Where the risk multiplier bounds the position (``max_position``), risk applies it there; an asset whose role is
    observation declares that size already.
    """
    own = asset.risk_multiplier if asset.max_position is None else 1.0
    return own if observation_size is None or asset.role == "observation" else own * observation_size


def _without(
    entry: Entry, leaning: Leaning, action: Action, reasons: tuple[str, ...], *, flat: bool = False
) -> Opinion:
    """Say something that opens no position."""
    strength = leaning.strength if action == leaning.action else "HOLD"
    return Opinion(entry.forecast, entry.reading, action, strength, leaning.threshold, reasons, flat=flat)


def _refusals(entry: Entry, settings: SignalSettings) -> Iterable[str]:
    """List why an entry is refused by the profile, the mood or the asset's rules; empty where it is not."""
    parts = settings.parts
    asked = [profile_gate(entry, parts), side_gate(entry)]
    if parts.sentiment:
        asked.append(rules.sentiment(entry, settings.sentiment))
    if parts.rules:
        asked += [rule(entry) for rule in rules.RULES]
    return [refusal for refusal in asked if refusal is not None]


def _bracket(entry: Entry, settings: SignalSettings) -> Bracket:
    """Find where to leave a position: by the asset's pips, else by levels, else at its own distances."""
    fixed = rules.pips(entry) if settings.parts.rules else (None, None)
    note = rules.daily_range(entry) if settings.parts.rules else None
    notes = () if note is None else (note,)
    if not settings.parts.levels:
        return Bracket(*priced(entry, fixed), notes=notes)
    found = bracket(entry, settings.levels, fixed)
    return Bracket(found.stop, found.take, found.max_weight, found.refusals, (*found.notes, *notes))
