"""Alpha Vantage's earnings calendar, which comes as CSV: a line for each company and quarter."""

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

from services.ingestion.errors import BadReply
from services.ingestion.observations import CalendarEvent
from services.ingestion.readings import day, text

NAME = "alpha_vantage"
COLUMNS = ("symbol", "name", "reportDate", "fiscalDateEnding")
NEW_YORK = ZoneInfo("America/New_York")
REPORT_HOURS: Mapping[str, time] = {"pre-market": time(7, 0), "post-market": time(16, 5)}
"""When earnings are taken to come in New York; where the part of the day is unknown, at its beginning."""


def parse_earnings(body: bytes, ours: Mapping[str, str], now: datetime) -> Iterator[CalendarEvent]:
    """Read the calendar as received at ``now``; ``ours`` maps their tickers to our symbols where they differ.

    A report that is moved keeps its id, which is the company's quarter. Raises BadReply for what is no such CSV.
    """
    where = f"{NAME} earnings calendar"
    try:
        rows = list(csv.reader(StringIO(body.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadReply(f"{where}: not CSV ({type(error).__name__})") from None
    header = [name.strip() for name in rows[0]] if rows else []
    if tuple(header[: len(COLUMNS)]) != COLUMNS:
        raise BadReply(f"{where}: its columns are {', '.join(header)[:80] or 'none'}")
    if body[-1:] != b"\n":
        raise BadReply(f"{where}: it breaks off in line {len(rows)}")
    for line, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise BadReply(f"{where}: line {line} has {len(row)} fields, not {len(header)}")
        told = dict(zip(header, row, strict=True))
        ticker = text(told["symbol"], f"{where} line {line} symbol")
        on = day(told["reportDate"], f"{where} line {line} reportDate").date()
        quarter = day(told["fiscalDateEnding"], f"{where} line {line} fiscalDateEnding").date()
        symbol = ours.get(ticker, ticker)
        hour = REPORT_HOURS.get(told.get("timeOfTheDay", ""), time())
        end = datetime.combine(on + timedelta(days=1), time(), NEW_YORK).astimezone(UTC)
        yield CalendarEvent(
            event_id=f"{NAME}.earnings.{symbol}.{quarter.isoformat()}",
            name=f"{symbol} earnings",
            symbol=symbol,
            scheduled_at=datetime.combine(on, hour, NEW_YORK).astimezone(UTC),
            available_at=min(now, end),
            importance="high",
        )
