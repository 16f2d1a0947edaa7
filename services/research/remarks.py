"""What is remarkable about an inspected file, in sentences: from itself, the declared actions and its siblings."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from services.domain.assets import AssetsConfig, normalise_symbol
from services.domain.candles import SECONDS, Candles, Times, Values
from services.domain.corporate_actions import CorporateAction, CorporateActions, terms
from services.kernel.errors import BadSymbol
from services.research.file_report import FileReport, Inspected

STALE = timedelta(days=7)
DAY = SECONDS["1d"]
SCALE_TOLERANCE = 0.03
VOLUME_TOLERANCE = 0.4


def describe(
    one: Inspected, found: Sequence[Inspected], assets: AssetsConfig, actions: CorporateActions
) -> tuple[str, ...]:
    """Say what is remarkable; ``found`` are all files of the folder, this one included."""
    report, candles = one.report, one.candles
    said = [report.error] if report.error else []
    if report.symbol is None and report.timeframe is not None:
        said.append(_unknown(report.spelled, assets))
    said += _stand_in(report, assets)
    if candles is None or report.last is None:
        return tuple(said)
    declared = actions.of(candles.symbol)
    said += _market(report)
    said += [_unadjusted(report, declared)] if report.splits else []
    said += [
        f"the {action.ratio} split of {action.date} is in the prices already"
        for action in declared
        if terms(candles, action) == "adjusted"
    ]
    said += _ended(report, found, declared, assets)
    for other in found:
        if other.candles is not None and other is not one and other.candles.symbol == candles.symbol:
            said += _compared(candles, other.candles, declared)
    return tuple(said)


def _unknown(spelled: str, assets: AssetsConfig) -> str:
    try:
        normalise_symbol(spelled, assets.assets)
    except BadSymbol as error:
        return f"{error}; without a class its calendar is not known"
    return ""


def _stand_in(report: FileReport, assets: AssetsConfig) -> list[str]:
    """Say so when the file bears the name that sources use for an asset of ours."""
    if report.symbol is None:
        return []
    names = assets.assets[report.symbol].venue_symbols
    where = sorted(source for source, name in names.items() if _bare(name) == _bare(report.spelled))
    same = _bare(report.symbol) == _bare(report.spelled)
    return [f"{report.spelled} is what {', '.join(where)} call {report.symbol}"] if where and not same else []


def _bare(name: str) -> str:
    return name.upper().replace("/", "").replace("-", "")


def _market(report: FileReport) -> list[str]:
    """Missing bars in words, and whether closed markets are empty as they should be."""
    said = []
    if report.missing:
        last = max(gap.until for gap in report.gaps)
        said.append(f"{report.missing} of {report.expected} bars missing, the last before {last:%Y-%m-%d %H:%M}")
    if report.at_edges:
        said.append(
            f"{report.at_edges} of the missing bars are at a session's end: it opened late or closed early there"
        )
    if report.closed_absent:
        said.append(f"closed markets left {report.closed_absent} bars out, as they should")
    if report.closed_present:
        said.append(f"{report.closed_present} bars lie in closed markets")
    if report.grid == "clock":
        said.append("bars are cut by the clock, not from the session's opening")
    return said


def _unadjusted(report: FileReport, declared: Sequence[CorporateAction]) -> str:
    by_day = {(action.date, action.ratio) for action in declared if action.kind == "split"}
    listed = []
    for split in report.splits:
        known = "declared" if (split.ts.date(), split.ratio) in by_day else "not declared"
        listed.append(f"{split.ratio} on {split.ts:%Y-%m-%d} ({known})")
    return f"unadjusted splits: {', '.join(listed)}"


def _ended(
    report: FileReport, found: Sequence[Inspected], declared: Sequence[CorporateAction], assets: AssetsConfig
) -> list[str]:
    """A feed that ends more than a week before the newest file of the folder is stale from there on."""
    newest = max(other.report.last for other in found if other.report.last is not None)
    if report.last is None or report.timeframe is None or newest - report.last <= STALE:
        return []
    behind = (newest - report.last).days
    text = f"stale since {report.last + timedelta(seconds=SECONDS[report.timeframe]):%Y-%m-%d %H:%M}"
    text += f", {behind} days before the folder's newest bar"
    renamed = [one for one in declared if one.kind == "rename" and abs(one.date - report.last.date()).days <= 3]
    text += "".join(f"; renamed {one.to.partition('/')[0]} on {one.date}" for one in renamed)
    gated = report.symbol is not None and assets.assets[report.symbol].tier is not None
    text += "; research only" if renamed and gated else ""  # an asset's gate in rollout.yaml asks for a fresh feed
    return [text]


def _compared(candles: Candles, other: Candles, declared: Sequence[CorporateAction]) -> list[str]:
    """Compare daily closes and volumes with those of another file of the symbol, on the days both have."""
    (days, closes, volumes), (their_days, their_closes, their_volumes) = _daily(candles), _daily(other)
    _, mine, theirs = np.intersect1d(days, their_days, return_indices=True)
    if len(mine) < 3:
        return []
    scale = float(np.median(closes[mine] / their_closes[theirs]))
    if scale > 1.5 and abs(scale / round(scale) - 1) < SCALE_TOLERANCE:
        causes = [one for one in declared if one.factor == round(scale) and one.begins("1d") > int(candles.ts[-1])]
        why = f": the {causes[0].ratio} split of {causes[0].date} is not in them" if causes else ""
        return [f"prices are {scale:.2f} times those of {other.source}{why}"]
    if candles.timeframe == "1d" or not bool((their_volumes[theirs] > 0).all()):
        return []
    shares = volumes[mine] / their_volumes[theirs]
    return [
        f"volume before {action.date} is on the terms before the {action.ratio} split, prices are not"
        for action in declared
        if _volume_steps(days[mine], shares, action)
    ]


def _volume_steps(days: Times, shares: Values, action: CorporateAction) -> bool:
    before, after = shares[days < action.begins("1d")], shares[days >= action.begins("1d")]
    if len(before) < 3 or len(after) < 3 or action.factor == 1:
        return False
    step = float(np.log(np.median(after) / np.median(before)))
    return abs(step - float(np.log(action.factor))) < VOLUME_TOLERANCE


def _daily(candles: Candles) -> tuple[Times, Values, Values]:
    """UTC days (their 00:00), the last close and the volume of each."""
    days, starts = np.unique(candles.ts // DAY * DAY, return_index=True)
    ends = np.append(starts[1:], len(candles)) - 1
    return days, candles.close[ends], np.add.reduceat(candles.volume, starts)
