"""Fits spread over processes, with the same results in the same order as one process gives."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Generic, Protocol, TypeVar

from services.inference import models
from services.inference.market import Market
from services.inference.settings import ModelsSettings
from services.inference.training import Rows, rows_of
from services.kernel.processors import available as cores

__all__ = ["Bench", "cores", "spread"]

ORPHAN_SECONDS = 1.0


class OfOneAsset(Protocol):
    """A piece of work that needs one asset's rows."""

    @property
    def symbol(self) -> str:
        """Whose rows."""
        ...


J = TypeVar("J", bound=OfOneAsset)
R = TypeVar("R")


class Bench:
    """What a job is done with: the market, the settings, the models, and the rows of the asset it is about."""

    def __init__(self, market: Market, settings: ModelsSettings) -> None:
        self.market = market
        self.settings = settings
        self.models = models.build_all(settings)
        self._held: Rows | None = None

    def rows(self, symbol: str) -> Rows:
        """Return the asset's rows; only the last asset's are kept, for jobs come asset by asset."""
        if self._held is None or self._held.symbol != symbol:
            self._held = rows_of(self.market, symbol, self.settings.horizon_bars)
        return self._held


@dataclass(frozen=True, slots=True)
class _Call(Generic[J, R]):
    do: Callable[[Bench, J], R]
    job: J


_bench: list[Bench] = []


def spread(do: Callable[[Bench, J], R], jobs: Sequence[J], bench: Bench, workers: int) -> Iterator[R]:
    """Do every job, in order; with ``workers`` above 1 in as many processes. ``do`` is a module's own function."""
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield do(bench, job)
        return
    # Spawned, not forked: a fork of a process with threads (OpenMP's, an event loop's) can hang.
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)),
        mp_context=get_context("spawn"),
        initializer=_start,
        initargs=(bench.market, bench.settings, os.getpid()),
    )
    try:
        yield from pool.map(_done, [_Call(do, job) for job in jobs])
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _start(market: Market, settings: ModelsSettings, parent: int) -> None:
    _bench.append(Bench(market, settings))
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this worker when its parent is gone, however it went: the pool would leave it waiting for ever."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_SECONDS)
    os._exit(1)


def _done(call: _Call[J, R]) -> R:
    return call.do(_bench[0], call.job)
