"""The assets and their classes as ``config/assets_config.yaml`` declares them."""

from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.domain.errors import BadSymbol
from services.domain.regimes import Regime


class Section(BaseModel):
    """A frozen configuration section that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class AssetClass(Section):
    """What all assets of a class share."""

    phase: str
    """The phase that opens the class; single assets may name a later one."""
    sources: tuple[str, ...]
    spread_bps: Decimal = Field(ge=0)
    fee_bps: Decimal = Field(ge=0)
    max_weight: float = Field(gt=0, le=1)
    order_valid_hours: int = Field(default=1, ge=1)
    """How long an order waits for the market to open; 1 where it never closes."""


class Profile(Section):
    """The strategy profile: the market's states and confidence buckets in which research saw an asset pay."""

    cells: dict[Regime, tuple[Annotated[int, Field(ge=0, le=9)], ...]] = Field(min_length=1)
    """Entries are made in these regimes and, in each, in these confidence buckets; no buckets named: in all."""
    sides: tuple[Literal["long", "short"], ...] | None = None
    """Sides that the cells are for, where they are fewer than the asset's."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Stands in place of the general one."""
    explore_confidence: float | None = Field(default=None, gt=0, le=1)
    """Paper explores forecasts from this confidence on, instead of the general one; not asked where buckets are."""

    @property
    def names_buckets(self) -> bool:
        """Whether a regime is narrowed to some of its buckets."""
        return any(self.cells.values())


class Rules(Section):
    """What an asset asks for besides its signal; what is not named is not asked."""

    earnings_days: int | None = Field(default=None, ge=0, le=10)
    """No entries so many calendar days before and after its earnings, and on their day."""
    posts_pause: int | None = Field(default=None, ge=0)
    """No entries while its watched accounts wrote more posts than this in the last 24 hours."""
    sentiment_required: bool = False
    """Entries need a mood and a number of mentions (``signals.yaml``)."""
    avoid_sideways: bool = False
    """No entries while the market goes nowhere, or while that is not known."""
    decay_counts: bool = False
    """What the fund loses to its own leverage over the horizon must be less than what is expected."""
    stop_pips: float | None = Field(default=None, gt=0)
    target_pips: float | None = Field(default=None, gt=0)
    daily_range_pips: float | None = Field(default=None, gt=0)
    """What its day usually covers; an entry says by how much the market's own differs."""
    no_entry_before_close_hours: int = Field(default=0, ge=0, le=24)
    """No entries so many hours before a closure that ``flat_over_weekend`` or ``flat_overnight`` leaves before."""
    flat_over_weekend: bool = False
    """Left before the market closes for a weekend or a holiday."""
    flat_overnight: bool = False
    """Left before every close."""


class Asset(Section):
    """One asset: how it may be signalled, sized and protected. Weights and stops are fractions (0.05 = 5 %)."""

    asset_class: str
    phase: str | None = None
    """The phase that opens the asset; None: its class's."""
    name: str
    role: Literal["standard", "benchmark", "observation", "research_only"] = "standard"
    tier: int | None = Field(default=None, ge=1, le=3)
    enabled_with_phase: bool = False
    """Whether the activation of its class's phase enables it; others must pass a gate of their own."""
    sides: tuple[Literal["long", "short"], ...] = ("long",)
    threshold: float | None = Field(default=None, gt=0, lt=1)
    """Expected return that makes a signal; None: derived from the forecast's uncertainty."""
    max_position: float | None = Field(default=None, gt=0, le=1)
    risk_multiplier: float = Field(default=1.0, gt=0, le=2)
    """Multiplies ``max_position``, or, where none is named, every weight it is given (half while it is observed)."""
    stop_loss: float = Field(gt=0, lt=1)
    take_profit: float = Field(gt=0, lt=5)
    max_hold_hours: int | None = Field(default=None, gt=0)
    notional_per_trade: Decimal | None = Field(default=None, gt=0)
    notional_per_day: Decimal | None = Field(default=None, gt=0)
    spread_bps: Decimal | None = Field(default=None, ge=0)
    """Usual spread, basis points of the price; None: its class's."""
    indicators: tuple[str, ...] = ()
    leverage: float | None = None
    """Of a fund that resets it every day: how many times its index's return it gives, negative for an inverse one."""
    profile: Profile | None = None
    """None: neither regime nor bucket is asked."""
    rules: Rules = Rules()
    venue_symbols: dict[str, str] = {}
    """The symbol a source uses, where it is not ours: ``{binance: POL/USDT}``."""
    note: str = ""


class AssetsConfig(Section):
    """The whole file."""

    timeframe: Literal["1m", "1h", "1d"] = "1h"
    """The bars that become slices; ``CHLOE_TIMEFRAME`` overrides it for all stages alike."""
    observation_size: float = Field(default=0.5, gt=0, le=1)
    """What an asset that phases only observe gets of its size; its role may declare it at observation size already."""
    classes: dict[str, AssetClass]
    assets: dict[str, Asset]

    @model_validator(mode="after")
    def _classes_exist(self) -> "AssetsConfig":
        for symbol, asset in self.assets.items():
            if asset.asset_class not in self.classes:
                raise ValueError(f"assets.{symbol}.asset_class: no class '{asset.asset_class}' is declared")
        return self

    def phase_of(self, symbol: str) -> str:
        """Return the phase that opens an asset."""
        asset = self.assets[symbol]
        return asset.phase or self.classes[asset.asset_class].phase

    def resolve(self, text: str) -> str:
        """Return the declared symbol for ``BTC/USDT``, ``BTCUSDT`` or ``btc-usdt``; raises BadSymbol.

        The fund that stands for a commodity (``SLV``) names it too; an old ticker's new name does not.
        """
        proxies = {name: s for s, a in self.assets.items() for name in a.venue_symbols.values() if "/" not in name}
        found = proxies.get(text.strip().upper())
        return found if found is not None else normalise_symbol(text, self.assets)


ASSETS_FILE = "assets_config.yaml"


def normalise_symbol(text: str, known: Collection[str]) -> str:
    """Find the declared spelling of a symbol whatever its separator and case; raises BadSymbol naming near ones."""
    wanted = _bare(text)
    matches = [symbol for symbol in known if _bare(symbol) == wanted]
    if len(matches) == 1:
        return matches[0]
    near = sorted(s for s in known if wanted and (_bare(s).startswith(wanted[:3]) or wanted.startswith(_bare(s))))
    hint = f"did you mean {', '.join(near[:3])}?" if near else "see assets_config.yaml for the symbols there are"
    raise BadSymbol(f"symbol {text!r} is not known; {hint}")


def file_name(symbol: str, timeframe: str) -> Path:
    """Return the file name a replay folder uses for a symbol: ``BTC-USDT_1h``."""
    return Path(f"{symbol.replace('/', '-')}_{timeframe}")


def _bare(text: str) -> str:
    return text.upper().replace("/", "").replace("-", "").replace("_", "").strip()
