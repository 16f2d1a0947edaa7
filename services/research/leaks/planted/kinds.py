"""What a planted leak is: one step of the clean pipeline replaced, and which detector has to name it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.inference.context import Context
from services.inference.features import column as feature_column
from services.inference.market import Market
from services.inference.models import Table
from services.inference.series import Candles, Floats
from services.inference.training import Rows
from services.research.leaks.pipeline import Pipeline
from services.research.leaks.world import World

UNKNOWN = "dollar_change_7d"
"""The feature that planted ones stand for."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A leak by name, what it is in plain words, which step has it, and the detector that is expected to name it."""

    name: str
    says: str
    step: str
    expected: str
    pipeline: type[Pipeline]
    net: bool = False
    """Whether it sits in a net: then one is trained."""


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What a leaking feature is made of: all that there is, and the clean rows that it is added to."""

    world: World
    market: Market
    rows: Rows
    own: Candles

    @property
    def context(self) -> Context:
        """What clean features read beside the candles."""
        return self.market.context(self.rows.symbol)

    @property
    def log_close(self) -> Floats:
        """ln(close) of each bar (n,)."""
        return np.log(self.own.close)


def step(name: str, says: str, expected: str, *, net: bool = False) -> Callable[[Callable[..., Any]], Leak]:
    """Make a function the leaking version of a step; it gets the pipeline, then what the step gets."""

    def plant(of: Callable[..., Any]) -> Leak:
        leaking = type("Leaking", (Pipeline,), {name: of})
        return Leak(of.__name__.replace("_", " ").strip(), says, name, expected, leaking, net)

    return plant


def column(says: str, expected: str = "truncation") -> Callable[[Callable[[Given], Floats]], Leak]:
    """Put a feature (n,) in the place of one that no made-up world says anything of."""

    def plant(of: Callable[[Given], Floats]) -> Leak:
        def rows(pipeline: Pipeline, world: World, market: Market, symbol: str) -> Rows:
            clean = Pipeline.rows(pipeline, world, market, symbol)
            added = of(Given(world, market, clean, market.candles[symbol]))
            # Like the platform's own: no value where the row is not valid.
            added = np.where(clean.table.run > 0, added, np.nan)
            x = clean.table.x.copy()
            x[:, feature_column(UNKNOWN)] = added
            return with_features(clean, x)

        rows.__name__ = of.__name__
        return step("rows", says, expected)(rows)

    return plant


def features(says: str, expected: str = "truncation") -> Callable[[Callable[[Floats], Floats]], Leak]:
    """Put the clean features (n, F) through something that was fitted on all rows."""

    def plant(of: Callable[[Floats], Floats]) -> Leak:
        def rows(pipeline: Pipeline, world: World, market: Market, symbol: str) -> Rows:
            clean = Pipeline.rows(pipeline, world, market, symbol)
            return with_features(clean, of(clean.table.x))

        rows.__name__ = of.__name__
        return step("rows", says, expected)(rows)

    return plant


def source(says: str, expected: str) -> Callable[[Callable[[World], World]], Leak]:
    """Misread the source: the market is laid out from another world than there is."""

    def plant(of: Callable[[World], World]) -> Leak:
        def market(pipeline: Pipeline, world: World) -> Market:
            return Pipeline.market(pipeline, of(world))

        market.__name__ = of.__name__
        return step("market", says, expected)(market)

    return plant


def with_features(rows: Rows, x: Floats) -> Rows:
    """Return the rows with other features."""
    return replace(rows, table=Table(x, rows.table.run))


def later(values: Floats, bars: int) -> Floats:
    """Bring each row the value of ``bars`` rows further on (n,); the last one is repeated at the end."""
    if len(values) == 0:
        return values
    found: Floats = values[np.minimum(np.arange(len(values)) + bars, len(values) - 1)]
    return found
