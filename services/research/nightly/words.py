"""What nightly research says of its sums: cells with false discoveries held down, tiers by rule, thresholds. Pure."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from services.contracts.research import AssetResearch, EdgeMeasured, MixShare
from services.domain.calendars import expected_opens
from services.domain.candles import Timeframe, moment
from services.domain.regimes import REGIMES
from services.research.nightly.params import BUCKETS, NightlyParams
from services.research.nightly.settings import ResearchSettings
from services.research.nightly.state import AssetState, ResearchState
from services.research.nightly.sums import estimates
from services.research.significance import Mean, benjamini_hochberg

TIER_3 = 3
NAMES = tuple((regime, bucket) for regime in REGIMES for bucket in range(BUCKETS))
"""Each cell's regime and bucket."""


def table(state: ResearchState, params: NightlyParams) -> list[EdgeMeasured]:
    """Return all cells with enough forecasts, in order of symbol, with q-values over the whole table."""
    return [_told(*one) for one in _tested(state, params)]


def _told(symbol: str, cell: int, mean: Mean, q: float | None) -> EdgeMeasured:
    return EdgeMeasured(symbol, *NAMES[cell], mean.n, mean.mean, mean.low, mean.high, q)


def _tested(state: ResearchState, params: NightlyParams) -> list[tuple[str, int, Mean, float | None]]:
    settings = params.settings
    keys = [
        (symbol, cell, own.cells[cell])
        for symbol, own in sorted(state.assets.items())
        for cell in sorted(own.cells)
        if own.cells[cell].rows >= settings.min_forecasts
    ]
    found = estimates([tally for _, _, tally in keys], settings.min_independent)
    q_values = benjamini_hochberg([mean.p_value if mean else None for mean in found])
    return [
        (symbol, cell, mean, q)
        for (symbol, cell, _), mean, q in zip(keys, found, q_values, strict=True)
        if mean is not None
    ]


def words(state: ResearchState, midnight: int, params: NightlyParams) -> tuple[AssetResearch, ...]:
    """Say what is known of every declared asset; ``midnight`` is the epoch second that ends the day."""
    settings = params.settings
    significant: dict[str, list[EdgeMeasured]] = {}
    for symbol, cell, mean, q in _tested(state, params):
        if q is not None and q < settings.false_discoveries and mean.mean > 0.0:
            significant.setdefault(symbol, []).append(_told(symbol, cell, mean, q))
    assets = sorted(params.assets.assets)
    # In one go: what it costs, it costs by the call.
    tallies = [(own.profile, *own.tails) for own in (_of(state, symbol) for symbol in assets)]
    means = iter(estimates([tally for of_asset in tallies for tally in of_asset], settings.min_independent))
    return tuple(
        _word(symbol, state, midnight, [next(means) for _ in of_asset], tuple(significant.get(symbol, ())), params)
        for symbol, of_asset in zip(assets, tallies, strict=True)
    )


def _of(state: ResearchState, symbol: str) -> AssetState:
    return state.assets.get(symbol) or AssetState(since=0)


def _word(
    symbol: str,
    state: ResearchState,
    midnight: int,
    means: Sequence[Mean | None],
    cells: tuple[EdgeMeasured, ...],
    params: NightlyParams,
) -> AssetResearch:
    """Put together what is known of one asset; ``means`` are those of its profile and of each tried threshold."""
    profile, *tails = means
    own, asset, measure = _of(state, symbol), params.assets.assets[symbol], params.measures[symbol]
    owed = _owed(measure.asset_class, state.timeframe, max(own.since, state.day_begins), midnight) if own.since else 0
    only_cells = asset.tier == TIER_3 and measure.profile is None
    if asset.tier is None:
        tier, why = None, f"{asset.asset_class} have no tiers"
    elif only_cells and cells:
        tier, why = _tier_of_cells(cells, params.settings)
    else:
        tier, why = _tier(profile, own.profile.blocks, only_cells, params.settings)
    inside = {number_of(cell) for cell in cells} if only_cells and cells else measure.profile
    return AssetResearch(
        symbol=symbol,
        slices=owed,
        fresh=min(own.fresh, owed),
        n=profile.n if profile else 0,
        edge_bps=profile.mean if profile else None,
        low_bps=profile.low if profile else None,
        high_bps=profile.high if profile else None,
        tier=tier,
        tier_why=why,
        threshold=_threshold(tails, params.settings),
        cells=cells,
        mix=_mix(own, inside, params.settings),
    )


def _tier(profile: Mean | None, blocks: int, only_cells: bool, settings: ResearchSettings) -> tuple[int | None, str]:
    """Say which tier the mean over the profile speaks for, and why."""
    if profile is None:
        return None, "no forecast of its profile has an outcome yet"
    said = f"{profile.mean:+.1f} bps after costs"
    if profile.low is None or profile.high is None or blocks < settings.tier_blocks:
        return (
            None,
            f"{said}, too little to tell: {profile.n} forecasts in {blocks} of {settings.tier_blocks} stretches",
        )
    said += f" ({profile.low:+.1f} to {profile.high:+.1f}), {profile.n} forecasts"
    if profile.high < 0.0:
        return TIER_3, f"{said}: it is shown to lose"
    if profile.p_value is None or profile.p_value > settings.tier_p_value:
        return None, f"{said}: neither an edge nor a loss is shown"
    if only_cells:
        return None, f"{said}, but no regime and bucket stands out for itself"
    return (1 if profile.mean > settings.tier_1_bps else 2), f"{said}: the edge is shown"


def _tier_of_cells(cells: Sequence[EdgeMeasured], settings: ResearchSettings) -> tuple[int | None, str]:
    """The same of an asset that would be traded in the cells alone that stand out."""
    sure = [cell for cell in cells if cell.q_value is not None and cell.q_value <= settings.tier_q_value]
    if not sure:
        return None, "its regimes and buckets stand out by too little"
    n = sum(cell.n for cell in sure)
    edge = sum(cell.n * cell.edge_bps for cell in sure) / n
    names = ", ".join(f"{cell.regime} {cell.bucket}" for cell in sure)
    return (1 if edge > settings.tier_1_bps else 2), f"{edge:+.1f} bps after costs in {names} alone, {n} forecasts"


def number_of(cell: EdgeMeasured) -> int:
    """Number a told cell as the sums number it."""
    return BUCKETS * REGIMES.index(cell.regime) + cell.bucket


def _threshold(tails: Sequence[Mean | None], settings: ResearchSettings) -> float | None:
    """Return the lowest tried threshold from which on forecasts surely paid, and more daring ones did as well."""
    found = None
    told = [
        (threshold, mean)
        for threshold, mean in zip(settings.thresholds, tails, strict=False)
        if mean is not None and mean.n >= settings.min_forecasts and mean.low is not None
    ]
    for threshold, mean in reversed(told):
        if mean.mean <= 0.0:
            break
        if mean.low is not None and mean.low > 0.0:
            found = threshold
    return found


def _mix(own: AssetState, inside: frozenset[int] | set[int] | None, settings: ResearchSettings) -> tuple[MixShare, ...]:
    counts: Mapping[int, int] = {
        cell: own.cells[cell].rows for cell in sorted(own.cells) if inside is None or cell in inside
    }
    total = sum(counts.values())
    if total < settings.mix_forecasts:
        return ()
    return tuple(MixShare(*NAMES[cell], count / total) for cell, count in counts.items())


@lru_cache(maxsize=64)
def _owed(asset_class: str, timeframe: Timeframe, since: int, midnight: int) -> int:
    """Count the bars that the market owed between a slice's open and the day's end; a day off owes none."""
    return len(expected_opens(asset_class, timeframe, moment(since), moment(midnight)))
