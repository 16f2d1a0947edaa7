"""The rule in backtesting.py. Run by the peers' own Python: ``with_backtesting.py CANDLES.npz RESULT.json``."""

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import backtesting
    from backtesting import Strategy
    from backtesting.lib import FractionalBacktest

UNIT = 1e-8


def average(values: Any, bars: int) -> Any:
    """Mean of the last bars."""
    return pd.Series(values).rolling(bars).mean()


class Cross(Strategy):  # type: ignore[misc]
    """Fast average above the slow one: hold; below: be out. Orders fill at the next open."""

    lengths = (20, 50)

    def init(self) -> None:
        """Compute both averages."""
        self.fast = self.I(average, self.data.Close, self.lengths[0])
        self.slow = self.I(average, self.data.Close, self.lengths[1])

    def next(self) -> None:
        """Decide at the close."""
        above, before = self.fast[-1] > self.slow[-1], self.fast[-2] > self.slow[-2]
        if np.isnan(self.slow[-2]) or above == before:
            return
        if above and not self.position:
            self.buy()
        elif not above and self.position:
            self.position.close()


def main() -> None:
    """Run and write fills, equity and speed."""
    with np.load(sys.argv[1]) as stored:
        data = dict(stored)
    name = str(data["names"][0])
    columns = {key.capitalize(): data[f"{name}_{key}"] for key in ("open", "high", "low", "close", "volume")}
    frame = pd.DataFrame(columns, index=pd.to_datetime(data[f"{name}_ts"], unit="s"))
    Cross.lengths = (int(data["fast"]), int(data["slow"]))
    cash, fee = float(data["cash"]), float(data["fee"])
    test = FractionalBacktest(frame, Cross, cash=cash, commission=fee, fractional_unit=UNIT)
    begun = time.process_time()
    stats = test.run()
    seconds = time.process_time() - begun
    fills: list[list[Any]] = []
    opens = [(trade, None) for trade in stats._strategy.trades]
    for trade, left in [*((trade, trade) for trade in stats._strategy.closed_trades), *opens]:
        quantity = abs(trade.size) * UNIT
        fills.append([_second(trade.entry_time), "buy", trade.entry_price / UNIT, quantity])
        if left is not None:
            fills.append([_second(trade.exit_time), "sell", trade.exit_price / UNIT, quantity])
    result = {
        "version": backtesting.__version__,
        "fills": {name: sorted(fills)},
        "equity": float(stats["Equity Final [$]"]),
        "bars": len(frame),
        "seconds": seconds,
    }
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")


def _second(moment: Any) -> int:
    return int(pd.Timestamp(moment).timestamp())


main()
