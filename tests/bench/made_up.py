"""Made-up books for benchmarks: a made-up account that goes nowhere in particular."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from services.contracts.messages import PortfolioSettled
from services.domain.money import ZERO, money


def portfolios(days: int, seed: int = 1) -> Iterator[tuple[PortfolioSettled, ...]]:
    """Give one slice a day, at its end."""
    rng = random.Random(seed)
    start, equity = money(2500), 2500.0
    for day in range(days):
        equity *= 1 + rng.gauss(0.0, 0.01)
        amount = money(round(equity, 2))
        yield (
            PortfolioSettled(
                ts=datetime(2024, 1, 2, tzinfo=UTC) + timedelta(days=day),
                timeframe="1h",
                fills=(),
                outcomes=(),
                trades=(),
                positions=(),
                cash=amount,
                equity=amount,
                starting_cash=start,
                realised_pnl=amount - start,
                unrealised_pnl=ZERO,
                fees=ZERO,
            ),
        )
