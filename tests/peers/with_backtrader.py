"""The rule in backtrader, with fractions. Run by the peers' own Python: ``with_backtrader.py CANDLES.npz RESULT.json``.

Orders are given at the open itself (``cheat_on_open``), from what the bar before said: only so can a size be all-in at
the price it fills at.
"""

import json
import math
import sys
import time
from datetime import UTC
from pathlib import Path
from typing import Any

import backtrader as bt
import numpy as np
import pandas as pd

PLACES = 1e8


class Cross(bt.Strategy):  # type: ignore[misc]
    """Fast average above the slow one: hold; below: be out."""

    params = (("fast", 20), ("slow", 50), ("fee", 0.001))

    def __init__(self) -> None:
        self.fast = bt.indicators.SimpleMovingAverage(self.data.close, period=self.p.fast)
        self.slow = bt.indicators.SimpleMovingAverage(self.data.close, period=self.p.slow)
        self.above: bool | None = None
        self.wish = ""
        self.fills: list[list[Any]] = []

    def next(self) -> None:
        """Decide at the close."""
        above = self.fast[0] > self.slow[0]
        if self.above is not None and above != self.above:
            self.wish = "buy" if above else "sell"
        self.above = above

    def next_open(self) -> None:
        """Fill at the open that follows."""
        wish, self.wish = self.wish, ""
        if wish == "buy" and not self.position:
            size = self.broker.get_cash() / (self.data.open[0] * (1 + self.p.fee))
            self.buy(size=math.floor(size * PLACES) / PLACES)
        elif wish == "sell" and self.position:
            self.close()

    def notify_order(self, order: Any) -> None:
        """Keep the fill."""
        if order.status == order.Completed:
            moment = bt.num2date(order.executed.dt).replace(tzinfo=UTC)
            side = "buy" if order.isbuy() else "sell"
            self.fills.append([round(moment.timestamp()), side, order.executed.price, abs(order.executed.size)])


def main() -> None:
    """Run and write fills, equity and speed."""
    with np.load(sys.argv[1]) as stored:
        data = dict(stored)
    name = str(data["names"][0])
    columns = {key: data[f"{name}_{key}"] for key in ("open", "high", "low", "close", "volume")}
    frame = pd.DataFrame(columns, index=pd.to_datetime(data[f"{name}_ts"], unit="s"))
    fee = float(data["fee"])
    cerebro = bt.Cerebro(cheat_on_open=True, stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame))
    cerebro.addstrategy(Cross, fast=int(data["fast"]), slow=int(data["slow"]), fee=fee)
    cerebro.broker.setcash(float(data["cash"]))
    cerebro.broker.setcommission(commission=fee)
    begun = time.process_time()
    strategy = cerebro.run()[0]
    seconds = time.process_time() - begun
    result = {
        "version": bt.__version__,
        "fills": {name: strategy.fills},
        "equity": cerebro.broker.getvalue(),
        "bars": len(frame),
        "seconds": seconds,
    }
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")


main()
