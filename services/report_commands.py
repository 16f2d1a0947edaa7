"""What ``chloe report`` writes: the ledger and its profit factors, the audit log, or one week as a page."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from services.audit_commands import read_chain
from services.commands import factor, with_standalone
from services.domain.ledger import trades_jsonl
from services.gateway.store import load_trades
from services.phases.chain_check import as_lines
from services.research.weekly_figures import figures
from services.research.weekly_page import as_html
from services.standalone.weekly_record import read_week, week_of


def report(data: Path, out: Path) -> None:
    """Write the round trips, the profit factors and the audit log of a standalone platform."""

    async def ask(conn: Any) -> tuple[Any, Any]:
        return await load_trades(conn), (await read_chain(conn))[0]

    trades, log = with_standalone(data, ask)
    by_symbol: dict[str, list[float]] = {}
    for trade in trades:
        by_symbol.setdefault(trade.symbol, []).append(float(trade.pnl))
    factors = {symbol: factor(pnls) for symbol, pnls in sorted(by_symbol.items())}
    out.mkdir(parents=True, exist_ok=True)
    (out / "trades.jsonl").write_bytes(trades_jsonl(trades))
    (out / "activations.jsonl").write_bytes(as_lines(log))
    content = {"simulated": True, "all": factor([p for pnls in by_symbol.values() for p in pnls]), "assets": factors}
    (out / "pf_local.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    told = f"{len(trades)} round trips in {out}/trades.jsonl, profit factors in {out}/pf_local.json"
    Console().print(f"{told}, {len(log)} rows of the audit log in {out}/activations.jsonl", soft_wrap=True)


def weekly(data: Path, out: Path, week: str | None) -> None:
    """Write one ISO week of a standalone platform as a page; raises ConfigError for a week that is none."""
    asked = None if week is None else week_of(week)
    found = figures(with_standalone(data, lambda conn: read_week(conn, asked)))
    path = out / f"weekly-{found.name}.html"
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(as_html(found), encoding="utf-8")
    told = f"week {found.name} ({found.kind}): {len(found.trades)} round trips; written: {path}"
    Console().print(told, highlight=False, soft_wrap=True, markup=False)
