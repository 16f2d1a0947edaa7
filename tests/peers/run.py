"""Chloe beside backtesting.py, backtrader and nautilus_trader: one rule, the same candles, every fill compared.

``python tests/peers/run.py --python PEERS_ENVIRONMENT``, where the peers are installed in an environment of their own
(``docs/peers.md``). Exits with 1 where a trade differs or a final equity is more than 0.1 % away.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
if not __package__:  # run as a script, so not found from here
    sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from peers.chloe_side import Rule  # noqa: E402
from peers.chloe_side import run as run_chloe  # noqa: E402

SAMPLE = HERE.parents[1] / "sample" / "BTC-USDT_1h.parquet"
PEERS = ("backtesting", "backtrader", "nautilus")
COLUMNS = ("open", "high", "low", "close", "volume")
FAST, SLOW, FEE, CASH = 20, 50, 0.001, 10_000.0
TOLERANCE = 0.001
ASSETS, HOURS = 32, 2 * 365 * 24
HOUR = 3600


@dataclass(frozen=True, slots=True)
class Compared:
    """One engine's result beside Chloe's; fractions."""

    name: str
    version: str
    fills: int
    same_fills: int
    """Fills at the same time, on the same side."""
    price: float
    """Largest difference of a fill's price."""
    equity: float
    difference: float
    bars_per_second: float

    @property
    def agrees(self) -> bool:
        """Every fill the same, the equity within the tolerance."""
        return self.fills == self.same_fills and abs(self.difference) <= TOLERANCE


def main() -> None:
    """Compare, print, and say by the exit status whether all agree."""
    parser = argparse.ArgumentParser(description="Chloe beside other back-testers, on the same rule and candles.")
    parser.add_argument("--python", type=Path, required=True, help="the peers' environment, or its interpreter")
    parser.add_argument(
        "--hours", type=int, default=HOURS, help="hours of the made-up assets in the comparison of speed"
    )
    parser.add_argument("--rounds", type=int, default=2, help="how often each is timed; the best counts")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    python = wanted.python / "bin" / "python" if wanted.python.is_dir() else wanted.python
    with tempfile.TemporaryDirectory(prefix="chloe-peers-") as folder:
        compared = trades(python, Path(folder))
        raced = race(python, Path(folder), wanted.hours, wanted.rounds)
    if wanted.json:
        found = {"trades": [_shown(one) for one in compared], "speed": raced}
        print(json.dumps(found, indent=2))  # noqa: T201
    else:
        _print(compared, raced)
    sys.exit(0 if all(one.agrees for one in compared) else 1)


def trades(python: Path, folder: Path) -> list[Compared]:
    """Run the rule over the sample in every engine; Chloe first."""
    rule = sample()
    stored = store(rule, folder / "sample.npz")
    ours = run_chloe(rule)
    found = [_compare("Chloe", {"version": "this checkout", **ours}, ours)]
    return found + [_compare(peer, peers_run(python, peer, stored), ours) for peer in PEERS]


def race(python: Path, folder: Path, hours: int, rounds: int) -> dict[str, Any]:
    """Time Chloe and nautilus_trader in turns on the same made-up assets; the best of all rounds.

    Bars per second of processor time: all run in one thread, and what else the machine does should not count.
    """
    rule = made_up(ASSETS, hours)
    stored = store(rule, folder / "many.npz")
    speeds: dict[str, list[float]] = {"chloe": [], "nautilus": [], "nautilus_bars_only": []}
    counts: dict[str, Any] = {}
    for _ in range(rounds):
        for name, result in (
            ("chloe", run_chloe(rule)),
            ("nautilus", peers_run(python, "nautilus", stored)),
            ("nautilus_bars_only", peers_run(python, "nautilus", stored, "bars_only")),
        ):
            speeds[name].append(result["bars"] / result["seconds"])
            counts[name] = {"fills": sum(map(len, result["fills"].values())), "equity": result["equity"]}
    best = {name: max(found) for name, found in speeds.items()}
    return {
        "assets": ASSETS,
        "hours": hours,
        "bars_per_second": best,
        "results": counts,
        "times_nautilus": best["chloe"] / best["nautilus"],
        "times_nautilus_bars_only": best["chloe"] / best["nautilus_bars_only"],
    }


def sample() -> Rule:
    """Read the year of BTC that the repository brings."""
    frame = pl.read_parquet(SAMPLE)
    data = {f"BTC_{name}": frame[name].to_numpy() for name in COLUMNS}
    return Rule(data | {"BTC_ts": frame["ts"].dt.epoch("s").to_numpy()}, ("BTC",), FAST, SLOW, FEE, CASH)


def made_up(assets: int, hours: int) -> Rule:
    """Make up assets that walk at random; each bar opens where the last one closed."""
    rng = np.random.default_rng(1)
    names = tuple(f"A{number:02}" for number in range(assets))
    data: dict[str, NDArray[Any]] = {}
    for name in names:
        path = np.round(10_000 * np.exp(np.cumsum(rng.normal(0, 0.006, hours + 1))), 2)
        opened, close = path[:-1], path[1:]
        high = np.round(np.maximum(opened, close) * (1 + 0.002 * rng.random(hours)), 2)
        low = np.round(np.minimum(opened, close) * (1 - 0.002 * rng.random(hours)), 2)
        columns = (opened, high, low, close, np.round(rng.lognormal(8, 1, hours) + 100, 2))
        data |= {f"{name}_{column}": values for column, values in zip(COLUMNS, columns, strict=True)}
        data[f"{name}_ts"] = 1_700_000_000 // HOUR * HOUR + HOUR * np.arange(hours)
    return Rule(data, names, FAST, SLOW, FEE, CASH * assets)


def store(rule: Rule, path: Path) -> Path:
    """Write the rule and its candles as the peers read them."""
    about = {"names": np.array(rule.names), "fast": rule.fast, "slow": rule.slow, "fee": rule.fee, "cash": rule.cash}
    np.savez(path, **about, **dict(rule.data))  # type: ignore[arg-type]  # its keywords are named like options
    return path


def peers_run(python: Path, peer: str, stored: Path, *options: str) -> dict[str, Any]:
    """Run one peer in its own process and environment."""
    result = stored.with_suffix(f".{peer}.json")
    command = [str(python), str(HERE / f"with_{peer}.py"), str(stored), str(result), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{peer}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found


def _compare(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> Compared:
    pairs = [
        (a, b)
        for symbol, fills in ours["fills"].items()
        for a, b in zip(fills, theirs["fills"][symbol], strict=False)
    ]  # fmt: skip
    return Compared(
        name=name,
        version=theirs["version"],
        fills=max(sum(map(len, one["fills"].values())) for one in (ours, theirs)),
        same_fills=sum(a[:2] == b[:2] for a, b in pairs),
        price=max((abs(b[2] / a[2] - 1) for a, b in pairs), default=0.0),
        equity=theirs["equity"],
        difference=theirs["equity"] / ours["equity"] - 1,
        bars_per_second=theirs["bars"] / theirs["seconds"],
    )


def _shown(one: Compared) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__} | {"agrees": one.agrees}


def _print(compared: Sequence[Compared], raced: dict[str, Any]) -> None:
    table = Table(*("engine", "version", "same fills", "price", "final equity", "difference", "agrees"))
    for one in compared:
        same, verdict = f"{one.same_fills}/{one.fills}", "yes" if one.agrees else "NO"
        figures = (f"{one.price:.1e}", f"{one.equity:,.2f}", f"{one.difference:+.1e}")
        table.add_row(one.name, one.version, same, *figures, verdict)
    speeds = Table("engine", "bars per second of processor time", "fills", "final equity")
    for name, speed in raced["bars_per_second"].items():
        result = raced["results"][name]
        speeds.add_row(name, f"{speed:,.0f}", f"{result['fills']:,}", f"{result['equity']:,.2f}")
    console = Console(width=110)
    console.print(f"The rule over {SAMPLE.name}:", table, highlight=False)
    console.print(f"{raced['assets']} made-up assets x {raced['hours']:,} hours:", speeds, highlight=False)
    console.print(
        f"Chloe is {raced['times_nautilus']:.1f} times as fast as nautilus_trader, "
        f"{raced['times_nautilus_bars_only']:.1f} times as fast as with bars only (asked: 5)",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
