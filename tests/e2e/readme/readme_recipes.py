"""How each command of the README is tried. A command that is not named here fails the test.

``Run`` executes it, exactly as printed, in a folder of its own whose ``sample/`` holds the sample's first 85 days, so
that it takes seconds; only the API's port is another. ``Ask`` sends it to the API. ``Planned`` cannot be executed in a
test (Docker, minutes of work, a change to the machine): ``make -n`` shows what would be run, and that is compared.
``Compose`` checks a ``docker compose`` line against the compose file, and with the Docker client where there is one.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """Execute in a shell; ``shows`` must be printed. ``apart``: in a new folder, not beside the running platform."""

    shows: str = ""
    code: int = 0
    apart: bool = False


@dataclass(frozen=True)
class Ask:
    """Send to the API; a POST is first refused without a token."""

    status: int = 200
    shows: str = ""


@dataclass(frozen=True)
class Planned:
    """Ask make what it would run, without running it."""

    would_run: str


@dataclass(frozen=True)
class Compose:
    """A docker compose line: its command exists, and so do the services that it names."""


@dataclass(frozen=True)
class Started:
    """The running platform of this test is this command, on a free port."""


@dataclass(frozen=True)
class Known:
    """Nothing to execute; ``why`` says what is checked instead."""

    why: str


Recipe = Run | Ask | Planned | Compose | Started | Known

NOT_READY = "phase_1_stocks is not ready"
PENDING = "pending; the next slice takes it in"

RECIPES: dict[str, Recipe] = {
    # Start
    "sudo apt-get install --yes make python3 python3-venv libgomp1": Known("changes the machine"),
    "make demo": Planned(".venv/bin/chloe standalone"),
    "make up": Planned("docker compose up --detach --build"),
    "CHLOE_SOURCE=replay make up": Planned("docker compose up --detach --build"),
    "docker compose up": Compose(),
    "docker compose run --rm train chloe train": Compose(),
    "docker compose down --volumes": Compose(),
    # Ten minutes
    "source .venv/bin/activate": Known("the tests' own environment stands first in PATH"),
    "chloe phases readiness": Run("phase_1_stocks: closed"),
    "curl http://127.0.0.1:8000/phases/readiness/phase_1_stocks": Run('"missing":"'),
    'chloe phases activate phase_1_stocks --note "just trying"': Run(NOT_READY, code=1),
    "chloe rollout": Run("Proving ground"),
    "chloe audit NVDA": Run("its phase phase_1_stocks is not active"),
    "chloe sql 'select * from asset_performance_latest'": Run("BTC/USDT"),
    "chloe sql 'select day, symbol, trades, pnl from asset_performance order by day desc limit 5'": Run("2024-03-25"),
    "chloe sql 'select phase, requirement, current, missing from phase_readiness where not met'": Run("phase_1_stocks"),
    "chloe sql 'select closed_at, symbol, pnl, exit_reason from trades order by closed_at desc limit 5'": Run(
        "BTC/USDT"
    ),
    "chloe signals": Run("Signals of 2024-03-26"),
    "chloe risk": Run("The portfolio's limits"),
    'chloe halt --note "lunch"': Run(f"halt: {PENDING}"),
    'chloe resume --note "back"': Run(f"resume: {PENDING}"),
    "curl http://127.0.0.1:8000/risk": Run('"daily_loss"'),
    "chloe backtest --ledger reports/backtest.jsonl": Run("profit factor"),
    "chloe report --out reports": Run("round trips"),
    "cmp reports/backtest.jsonl reports/trades.jsonl": Run(),
    "select * from asset_performance order by day desc limit 5;": Run("BTC/USDT"),
    "select * from phase_readiness where not met;": Run("phase_1_stocks"),
    # Commands
    "chloe --help": Run("Chloe: a multi-asset trading platform"),
    "chloe COMMAND --help": Known("every command's help is printed in a test of its own"),
    "chloe standalone": Started(),
    "chloe standalone --live": Known("needs the exchange; the option is in the help, the source in tests/contract"),
    "chloe replay --since 2024-03-01 --until 2024-03-15": Run("336 slices through all services", apart=True),
    "chloe backtest --until 2024-03-15 --json": Run('"slices": 1776'),
    "chloe backtest --until 2024-03-10 --allocators": Run("Ways to divide the portfolio"),
    "chloe ablate": Known("takes a minute; tests/e2e/test_ablate_command.py types it on a shorter history"),
    "chloe train": Run("registered, trained by walk-forward"),
    "chloe evaluate --html reports/evaluation.html": Run("written: reports/evaluation.html"),
    "chloe research BTC/USDT --until 2024-03-01": Run("walk-forward forecasts"),
    "chloe leaktest": Known(
        "takes a minute; tests/unit/research/test_leak_* try every leak, and the command's outcome"
    ),
    "chloe features": Run("return_24"),
    "chloe models": Run("lightgbm"),
    "chloe models rollback BTC/USDT lightgbm": Run("lightgbm of BTC/USDT: 20240229-"),
    "chloe migrate": Run("registries follow the configuration"),
    "chloe report": Run("reports/pf_local.json"),
    "chloe report --weekly": Run("written: reports/weekly-2024-W1"),
    "chloe sql 'select * from phase_readiness'": Run("phase_1_stocks"),
    "chloe phases readiness phase_1_stocks": Run("phase_1_stocks: closed"),
    "chloe phases activate phase_1_stocks": Run(NOT_READY, code=1),
    "chloe audit BTC/USDT": Run("BTC/USDT"),
    "chloe audit verify": Run("the chain holds"),
    "chloe sources": Run("binance"),
    "chloe diagnose MATIC/USDT": Run("MATIC/USDT: not fit to trade on"),
    "chloe backfill BTC/USDT --from 2024-01-01": Known(
        "needs the exchange; tests/e2e/test_backfill_command.py has one"
    ),
    "chloe inspect": Run("BTC-USDT_1h"),
    "chloe enable AVAX/USDT": Run("AVAX/USDT is not ready", code=1),
    "chloe enable BTC/USDT --live": Run("BTC/USDT is not ready for live", code=1),
    "chloe disable ETH/USDT": Run("ETH/USDT"),
    "chloe flags": Run("up"),
    "chloe flags acknowledge ID": Run("flag_id: Input should be a valid UUID", code=1),
    "chloe signals BTC/USDT": Run("Signals of 2024-03-26"),
    "chloe risk --json": Run('"risk_score"'),
    "chloe live": Run("no order can reach a broker"),
    "chloe halt": Run(f"halt: {PENDING}"),
    "chloe resume": Run(f"resume: {PENDING}"),
    "chloe flatten": Run(f"flatten: {PENDING}"),
    # Targets
    "make help": Run("make demo"),
    "make venv": Planned("-m venv .venv"),
    "make venv PYTHON=python3.12": Planned("python3.12 -m venv .venv"),
    "make live": Planned(".venv/bin/chloe standalone --live"),
    "make down": Planned("docker compose down"),
    "make psql": Planned("psql -U grafana_reader chloe"),
    "make check": Planned(".venv/bin/mypy"),
    "make test": Planned(".venv/bin/pytest"),
    "make bench": Planned("bench.run"),
    "make schema": Planned("migrations/snapshot.py"),
    "make freeze": Planned("infrastructure/scripts/freeze.py"),
    "make clean": Planned("rm -rf var"),
    # Routes
    "GET /": Ask(shows="<html"),
    "GET /docs": Ask(shows="<html"),
    "GET /phases/readiness": Ask(shows="phase_6_speculative"),
    "GET /phases/readiness/phase_1_stocks": Ask(shows="sharpe_ratio"),
    "GET /rollout": Ask(shows="proving ground"),
    "GET /assets": Ask(shows="GBP/JPY"),
    "GET /assets/NVDA/audit": Ask(shows="reasons"),
    "GET /signals": Ask(shows="reasons"),
    "GET /portfolio": Ask(shows='"simulated":true'),
    "GET /portfolio/equity": Ask(shows="2024-03-2"),
    "GET /positions": Ask(),
    "GET /orders": Ask(shows="reference_price"),
    "GET /trades": Ask(shows="exit_reason"),
    "GET /trades?format=jsonl": Ask(shows="exit_reason"),
    "GET /performance": Ask(shows="BTC/USDT"),
    "GET /risk": Ask(shows="halted"),
    "GET /live": Ask(shows='"real_money":false'),
    "GET /feeds": Ask(shows="BTC/USDT"),
    "GET /models": Ask(shows="lightgbm"),
    "POST /models/BTC/USDT/xgboost/rollback": Ask(200, "withdrawn"),
    "GET /stages": Ask(shows="execution"),
    "GET /health": Ask(shows="ok"),
    "GET /ready": Ask(shows='"ready":true'),
    "GET /metrics": Ask(shows="chloe_"),
    "POST /phases/phase_1_stocks/activate": Ask(409, NOT_READY),
    "POST /assets/AVAX/USDT/enable": Ask(409, "AVAX/USDT is not ready"),
    "POST /assets/BTC/USDT/disable": Ask(200, "done"),
    "POST /assets/BNB/USDT/enable": Ask(409, "only research"),
    "GET /flags": Ask(shows='"items"'),
    "POST /risk/halt": Ask(202, "pending"),
    "POST /risk/resume": Ask(202, "pending"),
    "POST /risk/flatten": Ask(202, "pending"),
    # Your own data
    "chloe replay --from my-candles --fresh": Run("480 slices through all services", apart=True),
    "chloe replay --from my-candles --timeframe 1d --fresh": Run("20 slices through all services", apart=True),
}
