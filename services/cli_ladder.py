"""The commands of the ladder: who may trade, what each asset waits for, and steps up and down.

Like those in :mod:`services.cli` they parse and call; what they do is imported only when one runs.
"""

from pathlib import Path
from typing import Annotated

import typer

from services.options import DATA, SAMPLE, URL, AsJson, Bars, Data, Note, Since, Token, Until, Url, moment

app = typer.Typer()
phases_app = typer.Typer(no_args_is_help=True, help="The ladder of asset classes: readiness and activation.")

flags_app = typer.Typer(invoke_without_command=True)

Force = Annotated[
    bool, typer.Option("--force", help="Past its gate; takes the token of scope live, and the log says so.")
]
Live = Annotated[
    bool, typer.Option("--live", help="Its live phase, one condition of real orders; takes the token of scope live.")
]
NoLive = Annotated[bool, typer.Option("--live", help="Only its live phase: it goes on trading on paper.")]


@app.command()
def rollout(url: Url = URL, as_json: AsJson = False) -> None:
    """Show where every asset stands: level, tier, live, its next step, and what that waits for."""
    from services import ladder_commands

    ladder_commands.rollout(url, as_json=as_json)


@app.command()
def enable(
    symbol: str,
    live: Live = False,
    force: Force = False,
    note: Note = "",
    url: Url = URL,
    token: Token = None,
    data: Data = DATA,
) -> None:
    """Enable an asset whose gate is met; refused with the reasons where it is not."""
    from services import ladder_commands

    ladder_commands.give(url, f"/assets/{symbol}/enable", note, token, data, live=live, force=force)


@app.command()
def disable(
    symbol: str, live: NoLive = False, note: Note = "", url: Url = URL, token: Token = None, data: Data = DATA
) -> None:
    """Disable an asset: no new entries from the next slice on."""
    from services import ladder_commands

    ladder_commands.give(url, f"/assets/{symbol}/disable", note, token, data, live=live)


@app.command()
def audit(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL|verify", help="An asset; 'verify' checks the audit log.")],
    for_live: Annotated[bool, typer.Option("--for-live", help="Judge it for real orders: all that must hold.")] = False,
    record: Annotated[
        bool, typer.Option("--record", help="With --for-live: keep the verdict; a live phase needs a recent one.")
    ] = False,
    url: Url = URL,
    as_json: AsJson = False,
    file: Annotated[Path | None, typer.Option(help="With verify: check these exported rows, one a line.")] = None,
    token: Token = None,
    data: Data = DATA,
) -> None:
    """Audit an asset: what speaks for and against it, and one verdict; 'verify' checks the audit log's hash chain."""
    from services import audit_commands

    if symbol == "verify":
        audit_commands.verify_log(data, file)
    else:
        audit_commands.audit_asset(url, data, symbol, for_live=for_live, record=record, as_json=as_json, token=token)


@app.command()
def research(
    symbols: Annotated[list[str] | None, typer.Argument(help="Assets to measure; default: all there are.")] = None,
    source: Annotated[
        Path, typer.Option("--from", help="Folder with candles, or 'database': those that the platform has stored.")
    ] = SAMPLE,
    since: Since = None,
    until: Until = None,
    timeframe: Bars = None,
    store: Annotated[bool, typer.Option("--store", help="Let the platform's nightly research go on from it.")] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Measure a history as research does every night: each asset's edge after costs, tier, cells, threshold and mix."""
    from services import research_commands

    research_commands.run_research(
        source, symbols or [], moment(since), moment(until), store=store, data=data, as_json=as_json
    )


@phases_app.command("readiness")
def phases_readiness(
    phase: Annotated[str | None, typer.Argument(help="One phase, for instance phase_1_stocks.")] = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Show every phase's requirements: asked, current, met, what is missing; with evidence and capital."""
    from services import ladder_commands

    ladder_commands.readiness(url, phase, as_json=as_json)


@phases_app.command("activate")
def phases_activate(
    phase: str, force: Force = False, note: Note = "", url: Url = URL, token: Token = None, data: Data = DATA
) -> None:
    """Activate a phase that is ready; refused with the reasons where it is not."""
    from services import ladder_commands

    ladder_commands.give(url, f"/phases/{phase}/activate", note, token, data, force=force)


@flags_app.callback()
def list_flags(context: typer.Context, url: Url = URL, as_json: AsJson = False) -> None:
    """Show the flags that are up: what is wrong with the platform, what that blocks, and who has seen it."""
    if context.invoked_subcommand is None:
        from services import flag_commands

        flag_commands.show_flags(url, as_json)


@flags_app.command("acknowledge")
def acknowledge_flag(
    flag_id: Annotated[str, typer.Argument(metavar="ID", help="As 'chloe flags' shows it.")],
    note: Note = "",
    url: Url = URL,
    token: Token = None,
    data: Data = DATA,
) -> None:
    """Say to have seen a flag; it stays up until its condition is over."""
    from services import flag_commands

    flag_commands.acknowledge(url, data, token, flag_id, note)
