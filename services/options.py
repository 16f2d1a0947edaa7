"""Options that several commands of the command line have in common."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from services.kernel.config import TIMEFRAME_ENV
from services.kernel.errors import ConfigError


def use_timeframe(value: str | None) -> None:
    """Override the declared timeframe for everything in this process."""
    if value is not None:
        os.environ[TIMEFRAME_ENV] = value


From = Annotated[Path, typer.Option("--from", help="Folder with Parquet or CSV candles, one file a symbol.")]
Bars = Annotated[
    str | None,
    typer.Option(
        "--timeframe",
        callback=use_timeframe,
        help="Bars to run on: 1m, 1h or 1d; default: CHLOE_TIMEFRAME, else what assets_config.yaml says.",
    ),
]
Since = Annotated[str | None, typer.Option(help="First hour to trade, as a UTC date or time.")]
Until = Annotated[str | None, typer.Option(help="End (not included), as a UTC date or time.")]
Data = Annotated[Path, typer.Option(envvar="CHLOE_DATA_DIR", help="Folder of the embedded servers' data.")]
Url = Annotated[str, typer.Option(envvar="CHLOE_URL", help="Address of the API.")]
Token = Annotated[str | None, typer.Option(envvar="CHLOE_TOKEN", help="API token; default: the one of --data.")]
Note = Annotated[str, typer.Option(help="Why; kept in the audit log.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

SAMPLE = Path("sample")
DATA = Path("var/standalone")
URL = "http://127.0.0.1:8000"


def moment(text: str | None) -> datetime | None:
    """Read a UTC date or time; raises ConfigError naming what it cannot read."""
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"'{text}' is not a date or time such as 2024-03-01 or 2024-03-01T06:00") from None
    parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    if parsed.minute or parsed.second:
        raise ConfigError(f"'{text}' is not a whole hour; slices close on the hour")
    return parsed
