"""The rule in nautilus_trader: bars for the signal, and a quote at each open to fill at.

Run by the peers' own Python: ``with_nautilus.py CANDLES.npz RESULT.json [bars_only]``. With ``bars_only`` there are no
quotes and orders fill at the close that gave the signal, as its bars do by themselves: for the comparison of speed.
"""

import json
import sys
import time
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import nautilus_trader
import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.backtest.models import MakerTakerFeeModel
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import Bar, BarType, QuoteTick
from nautilus_trader.model.enums import AccountType, CurrencyType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TraderId, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Currency, Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

VENUE = Venue("SIM")
SECOND = 1_000_000_000
PLACES = Decimal("0.00000001")


class Cross(Strategy):  # type: ignore[misc]
    """Fast average above the slow one: hold; below: be out."""

    def __init__(self, asset: "Asset", budget: float | None, fee: Decimal, fast: int, slow: int) -> None:
        super().__init__(StrategyConfig(strategy_id=f"X-{asset.name}", order_id_tag=asset.name))
        self.asset, self.budget, self.fee = asset, budget, fee
        self.fast, self.slow = SimpleMovingAverage(fast), SimpleMovingAverage(slow)
        self.above: bool | None = None
        self.wish: str | None = None
        self.held = Decimal(0)
        self.fills: list[list[Any]] = []

    def on_start(self) -> None:
        """Subscribe."""
        self.subscribe_bars(self.asset.bar_type)
        if self.asset.quoted:
            self.subscribe_quote_ticks(self.asset.id)

    def on_bar(self, bar: Bar) -> None:
        """Decide at the close."""
        close = bar.close.as_double()
        self.fast.update_raw(close)
        self.slow.update_raw(close)
        if not self.slow.initialized:
            return
        above = self.fast.value > self.slow.value
        if self.above is not None and above != self.above:
            self.wish = "buy" if above else "sell"
        self.above = above
        if self.wish is not None and not self.asset.quoted:
            self._act(bar.close.as_decimal())

    def on_quote_tick(self, tick: QuoteTick) -> None:
        """Fill at the open."""
        if self.wish is not None:
            self._act(tick.ask_price.as_decimal())

    def _act(self, price: Decimal) -> None:
        wish, self.wish = self.wish, None
        if wish == "buy" and self.held == 0:
            cash = self.cache.account_for_venue(VENUE).balance_free(USDT).as_decimal()
            cash = cash if self.budget is None else min(cash, Decimal(repr(self.budget)))
            self._order(OrderSide.BUY, (cash / (price * (1 + self.fee))).quantize(PLACES, ROUND_FLOOR))
        elif wish == "sell" and self.held > 0:
            self._order(OrderSide.SELL, self.held)

    def _order(self, side: OrderSide, quantity: Decimal) -> None:
        self.submit_order(self.order_factory.market(self.asset.id, side, Quantity(quantity, 8)))

    def on_order_filled(self, event: Any) -> None:
        """Keep the fill."""
        quantity = event.last_qty.as_decimal()
        self.held += quantity if event.order_side == OrderSide.BUY else -quantity
        side = "buy" if event.order_side == OrderSide.BUY else "sell"
        self.fills.append([event.ts_event // SECOND, side, event.last_px.as_double(), float(quantity)])


class Asset:
    """One asset's instrument, bars and quotes."""

    def __init__(self, name: str, candles: dict[str, np.ndarray], fee: Decimal, *, quoted: bool) -> None:
        self.name, self.quoted, self.close = name, quoted, float(candles["close"][-1])
        base = Currency(name, 8, 0, name, CurrencyType.CRYPTO)
        self.id = InstrumentId(Symbol(f"{name}USDT"), VENUE)
        self.instrument = CurrencyPair(
            self.id, Symbol(f"{name}USDT"), base, USDT, 2, 8, Price(0.01, 2), Quantity(1e-8, 8), 0, 0,
            maker_fee=fee, taker_fee=fee,
        )  # fmt: skip
        self.bar_type = BarType.from_str(f"{self.id}-1-HOUR-LAST-EXTERNAL")
        self.data: list[Any] = []
        much = Quantity(1_000_000, 8)
        columns = [candles[key].tolist() for key in ("ts", "open", "high", "low", "close", "volume")]
        for opened, o, h, low, c, volume in zip(*columns, strict=True):
            start, end = opened * SECOND, (opened + 3600) * SECOND
            prices = [Price(value, 2) for value in (o, h, low, c)]
            if quoted:  # just after the bar that closes at the same moment
                self.data.append(QuoteTick(self.id, prices[0], prices[0], much, much, start + 1, start + 1))
            self.data.append(Bar(self.bar_type, *prices, Quantity(volume, 8), end, end))


def main() -> None:
    """Run and write trades, equity and speed."""
    quoted = "bars_only" not in sys.argv
    with np.load(sys.argv[1]) as stored:
        data = dict(stored)
    fee, cash = Decimal(repr(float(data["fee"]))), float(data["cash"])
    engine = BacktestEngine(
        BacktestEngineConfig(trader_id=TraderId("PEER-001"), logging=LoggingConfig(bypass_logging=True))
    )
    engine.add_venue(
        VENUE, OmsType.NETTING, AccountType.CASH, [Money(cash, USDT)], fee_model=MakerTakerFeeModel(),
        bar_execution=not quoted,
    )  # fmt: skip
    names = [str(name) for name in data["names"]]
    budget = None if len(names) == 1 else cash / len(names) / 2
    assets = [
        Asset(name, {key: data[f"{name}_{key}"] for key in ("ts", "open", "high", "low", "close", "volume")}, fee,
              quoted=quoted)
        for name in names
    ]  # fmt: skip
    strategies = [Cross(asset, budget, fee, int(data["fast"]), int(data["slow"])) for asset in assets]
    for asset, strategy in zip(assets, strategies, strict=True):
        engine.add_instrument(asset.instrument)
        engine.add_strategy(strategy)
    engine.add_data([one for asset in assets for one in asset.data])
    begun = time.process_time()
    engine.run()
    seconds = time.process_time() - begun
    free = float(engine.cache.account_for_venue(VENUE).balance_total(USDT).as_decimal())
    equity = free + sum(float(s.held) * a.close for s, a in zip(strategies, assets, strict=True))
    result = {
        "version": nautilus_trader.__version__,
        "fills": {asset.name: strategy.fills for asset, strategy in zip(assets, strategies, strict=True)},
        "equity": equity,
        "bars": sum(len(data[f"{name}_ts"]) for name in names),
        "seconds": seconds,
    }
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")
    engine.dispose()


main()
