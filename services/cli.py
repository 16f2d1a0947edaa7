"""The command line: ``chloe --help``. Commands parse and call; what they do lives in :mod:`services.commands`.

That module is imported only when a command runs, for it brings everything with it and help should not wait.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from services import cli_ladder
from services.kernel import logging
from services.kernel.errors import ChloeError
from services.kernel.settings import from_environment
from services.options import DATA, SAMPLE, URL, AsJson, Bars, Data, From, Note, Since, Token, Until, Url, moment

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    help="Chloe: a multi-asset trading platform in which every asset has to earn the right to trade.",
    pretty_exceptions_enable=False,
)
app.add_typer(cli_ladder.app)
app.add_typer(cli_ladder.phases_app, name="phases")
app.add_typer(cli_ladder.flags_app, name="flags")
models_app = typer.Typer(invoke_without_command=True)
app.add_typer(models_app, name="models")


@app.command()
def standalone(
    source: From = SAMPLE,
    since: Since = None,
    until: Until = None,
    timeframe: Bars = None,
    live: Annotated[bool, typer.Option("--live", help="Follow the exchange's public candles instead.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove what earlier runs stored and start over.")] = False,
    stop: Annotated[bool, typer.Option("--exit", help="Stop after the replay instead of serving the API.")] = False,
    port: Annotated[int, typer.Option(help="Port of the API on 127.0.0.1.")] = 8000,
    data: Data = DATA,
) -> None:
    """Run everything in one process on embedded PostgreSQL and Redis: train, replay, show, serve."""
    from services import commands

    commands.standalone(data, source, moment(since), moment(until), live=live, fresh=fresh, serve=not stop, port=port)


@app.command()
def replay(
    source: From = SAMPLE,
    since: Since = None,
    until: Until = None,
    timeframe: Bars = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove what an earlier replay stored.")] = False,
    data: Annotated[Path, typer.Option(help="Folder of the embedded servers' data.")] = Path("var/replay"),
) -> None:
    """Replay a folder through all services, print the result and stop."""
    from services import commands

    commands.standalone(data, source, moment(since), moment(until), live=False, fresh=fresh, serve=False, port=0)


@app.command()
def backtest(
    source: From = SAMPLE,
    since: Since = None,
    until: Until = None,
    timeframe: Bars = None,
    ledger: Annotated[Path | None, typer.Option(help="Write the round trips here, one JSON line each.")] = None,
    fills: Annotated[Path | None, typer.Option(help="Write the fills here, one JSON line each.")] = None,
    allocators: Annotated[
        bool, typer.Option("--allocators", help="Compare the ways to divide the portfolio instead; writes no ledger.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run history through the same decisions in memory; its ledger equals the replay's, byte for byte."""
    from services import commands, research_commands

    if allocators:
        research_commands.compare_allocators(source, moment(since), moment(until), as_json=as_json)
    else:
        commands.run_backtest(source, moment(since), moment(until), ledger, fills, as_json=as_json)


@app.command()
def train(
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder with candles; default: the stored ones.")
    ] = None,
    timeframe: Bars = None,
) -> None:
    """Train the models by walk-forward, on stored candles or a folder's, and register them in the database."""
    from services import commands

    commands.train(source)


@app.command()
def migrate() -> None:
    """Bring the database of CHLOE_DATABASE_URL to the newest schema and fill the registries."""
    from services import commands

    commands.migrate_and_seed()


@app.command()
def report(
    data: Data = DATA,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("reports"),
    weekly: Annotated[
        bool, typer.Option("--weekly", help="Write one week as a page with plots instead: weekly-YYYY-Www.html.")
    ] = False,
    week: Annotated[
        str | None, typer.Option(help="The page's week, for instance 2024-W12; default: the newest.")
    ] = None,
) -> None:
    """Write trades.jsonl, pf_local.json and activations.jsonl from a standalone platform, or a week as a page."""
    from services import report_commands

    if weekly or week is not None:
        report_commands.weekly(data, out, week)
    else:
        report_commands.report(data, out)


@app.command()
def sql(query: Annotated[str, typer.Argument(help="A query; it runs read-only.")], data: Data = DATA) -> None:
    """Ask the standalone database in SQL, for instance 'select * from phase_readiness'."""
    from services import commands

    commands.sql(data, query)


@app.command()
def halt(note: Note = "", url: Url = URL, token: Token = None, data: Data = DATA) -> None:
    """Block all entries from the next slice on; closing stays allowed."""
    from services import commands

    commands.post(url, "/risk/halt", note, token, data)


@app.command()
def resume(note: Note = "", url: Url = URL, token: Token = None, data: Data = DATA) -> None:
    """Allow entries again."""
    from services import commands

    commands.post(url, "/risk/resume", note, token, data)


@app.command()
def flatten(note: Note = "", url: Url = URL, token: Token = None, data: Data = DATA) -> None:
    """Close every position at the next open and block entries."""
    from services import commands

    commands.post(url, "/risk/flatten", note, token, data)


@app.command()
def risk(url: Url = URL, as_json: AsJson = False) -> None:
    """Show the halt switch, every limit of the portfolio as it stands, and the last refusals with their reasons."""
    from services import risk_commands

    risk_commands.risk(url, as_json=as_json)


@app.command()
def live(url: Url = URL, as_json: AsJson = False) -> None:
    """Show the live desk: accounts, positions, mismatches, and what keeps each asset from being entered."""
    from services import live_commands

    live_commands.live(url, as_json=as_json)


@app.command("signals")
def show_signals(
    symbol: Annotated[
        str | None, typer.Argument(help="One asset: its newest signals; default: the newest of each.")
    ] = None,
    url: Url = URL,
    as_json: AsJson = False,
) -> None:
    """Show each asset's newest signal: strength, confidence, regime, weight, stop and target, and why."""
    from services import signal_commands

    signal_commands.signals(url, symbol, as_json=as_json)


@app.command("sources")
def list_sources(as_json: AsJson = False, data: Data = Path("var/live")) -> None:
    """List every data source: what it gives, whether it is configured, its limits and health."""
    from services import feed_commands

    feed_commands.sources(data, as_json=as_json)


@app.command()
def backfill(
    symbol: str,
    since: Annotated[str, typer.Option("--from", help="From when on, as a UTC date.")],
    data: Data = Path("var/live"),
) -> None:
    """Fetch and store what is missing of an asset's history; run again, it goes on where it stopped."""
    from services import feed_commands

    feed_commands.fill(data, symbol, moment(since) or datetime.now(UTC))


@app.command()
def inspect(source: From = SAMPLE, as_json: AsJson = False) -> None:
    """Report what a folder's candle files hold: span, gaps, refused rows, unadjusted splits, stale ends."""
    from services import feed_commands

    feed_commands.inspect_folder(source, as_json=as_json)


@app.command()
def diagnose(symbol: str, data: Data = DATA, as_json: AsJson = False) -> None:
    """Say in plain words whether an asset's feed is fit to trade on, and why not."""
    from services import feed_commands

    feed_commands.diagnose(data, symbol, as_json=as_json)


@app.command()
def evaluate(
    symbols: Annotated[list[str] | None, typer.Argument(help="Assets to judge; default: all in the folder.")] = None,
    source: From = SAMPLE,
    since: Since = None,
    until: Until = None,
    timeframe: Bars = None,
    html: Annotated[Path | None, typer.Option(help="Write the report here, as one page with plots.")] = None,
    to_json: Annotated[Path | None, typer.Option("--json", help="Write the report here, as JSON.")] = None,
    trades: Annotated[Path | None, typer.Option(help="Judge these round trips too: a ledger, one a line.")] = None,
) -> None:
    """Judge walk-forward forecasts beside the random walk: errors, calibration, edges after costs, in plain words."""
    from services import forecast_commands

    forecast_commands.evaluate(symbols or [], source, moment(since), moment(until), html, to_json, trades)


@app.command()
def ablate(
    source: From = SAMPLE,
    since: Since = None,
    until: Until = None,
    timeframe: Bars = None,
    as_json: AsJson = False,
) -> None:
    """Back-test with one part of the decision off at a time: what each is worth after costs, and how sure that is."""
    from services import research_commands

    research_commands.run_ablation(source, moment(since), moment(until), as_json=as_json)


@app.command()
def leaktest(source: From = SAMPLE, as_json: AsJson = False) -> None:
    """Plant leaks of the future in the forecasts: each has to be caught, the clean pipeline accused of none."""
    from services import forecast_commands

    if not forecast_commands.leaktest(source, as_json=as_json):
        raise typer.Exit(1)


@app.command("features")
def list_features(as_json: AsJson = False) -> None:
    """List every feature: its formula, what it reads, how many bars it looks back, and its unit."""
    from services import forecast_commands

    forecast_commands.features(as_json=as_json)


@models_app.callback()
def list_models(context: typer.Context, data: Data = DATA, as_json: AsJson = False) -> None:
    """List the configured models, and those registered by a data folder's platform: in use, refused, withdrawn."""
    if context.invoked_subcommand is None:
        from services import forecast_commands

        forecast_commands.models(data, as_json=as_json)


@models_app.command("rollback")
def roll_back_model(
    symbol: str,
    model: Annotated[str, typer.Argument(help="A model of the registry, for instance lightgbm, or ensemble.")],
    note: Note = "",
    url: Url = URL,
    token: Token = None,
    data: Data = DATA,
) -> None:
    """Take an asset's version of a model out of use; the one before it forecasts from the next slices on."""
    from services import commands

    commands.roll_back(url, symbol, model, note, token, data)


def main() -> None:
    """Run the command line; errors that Chloe can name are one line on standard error, exit code 1."""
    try:
        logging.configure(from_environment().log_level if _is_long_running() else "WARNING")
        app()
    except ChloeError as error:
        sys.exit(f"chloe: {error}")
    except ExceptionGroup as group:
        known, _ = group.split(ChloeError)
        if known is None:
            raise
        sys.exit(f"chloe: {_first(known)}")
    except KeyboardInterrupt:
        sys.exit(130)


def _is_long_running() -> bool:
    return "--live" in sys.argv


def _first(group: BaseExceptionGroup[ChloeError]) -> ChloeError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


if __name__ == "__main__":
    main()
