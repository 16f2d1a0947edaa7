"""Unusual Whales' rows in our shapes."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

from services.ingestion.errors import BadReply
from services.ingestion.observations import CalendarEvent, Observation, OptionsAlert
from services.ingestion.readings import day, instant, member, number, text

NAME = "unusual_whales"
DELIVERY = timedelta(minutes=1)
"""How long after its time an alert is taken to be with every subscriber."""
PRINTS_LAG = timedelta(minutes=5)
"""How long after an hour's end its prints are taken to be reported."""
SHORTS_LAG = timedelta(days=14)
"""How long after its day short interest is out for sure: it is collected for two days and published a week later."""
NEW_YORK = ZoneInfo("America/New_York")
REPORT_HOURS: Mapping[str, time] = {"premarket": time(7, 0), "postmarket": time(16, 5)}
"""When earnings are taken to come in New York; where the part of the day is unknown, at its beginning."""
IMPORTANCE: Mapping[str, Literal["low", "medium", "high"]] = {"fomc": "high", "report": "medium", "fed-speaker": "low"}


def alert_key(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes an alert the same one; it carries no id."""
    return tuple(str(member(row, field, f"{NAME} alert")) for field in ("option_chain", "created_at", "alert_rule"))


def print_key(row: Mapping[str, Any]) -> tuple[str, ...]:
    """What makes a dark-pool print the same one."""
    return tuple(str(member(row, field, f"{NAME} print")) for field in ("tracking_id", "executed_at"))


def parse_alert(row: Mapping[str, Any], symbols: Mapping[str, str]) -> OptionsAlert:
    """Read one alert; ``symbols`` maps the provider's tickers to ours."""
    contract = text(member(row, "option_chain", f"{NAME} alert"), f"{NAME} option_chain")
    where = f"{NAME} alert {contract}"
    kind, ticker = member(row, "type", where), text(member(row, "ticker", where), f"{where} ticker")
    if kind not in ("call", "put"):
        raise BadReply(f"{where}: type {str(kind)[:20]!r} is neither call nor put")
    ts = instant(member(row, "created_at", where), f"{where} created_at")
    return OptionsAlert(
        symbol=symbols.get(ticker, ticker),
        ts=ts,
        available_at=ts + DELIVERY,
        contract=contract,
        kind="call" if kind == "call" else "put",
        strike=_money(member(row, "strike", where), f"{where} strike"),
        expiry=day(member(row, "expiry", where), f"{where} expiry").date(),
        premium_usd=_money(member(row, "total_premium", where), f"{where} total_premium"),
        side=_side(row, where),
        rule=text(member(row, "alert_rule", where), f"{where} alert_rule"),
    )


def _side(row: Mapping[str, Any], where: str) -> str | None:
    """At which side of the book most of the premium was traded."""
    asked, bid = row.get("total_ask_side_prem"), row.get("total_bid_side_prem")
    if asked is None or bid is None:
        return None
    difference = _money(asked, f"{where} total_ask_side_prem") - _money(bid, f"{where} total_bid_side_prem")
    return "ask" if difference > 0 else "bid" if difference < 0 else None


def _money(value: Any, where: str) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise BadReply(f"{where}: {str(value)[:40]!r} is not an amount")
    return amount


def parse_prints(rows: list[dict[str, Any]], ticker: str, symbol: str) -> Iterator[Observation]:
    """Sum the premium of prints that were not cancelled by whole hours; an hour without prints has no value."""
    where = f"{NAME} dark pool {ticker}"
    dollars: dict[datetime, float] = {}
    for row in rows:
        if member(row, "ticker", where) != ticker:
            raise BadReply(f"{where}: a print of {str(row['ticker'])[:20]!r} came")
        if row.get("canceled"):
            continue
        executed_at = instant(member(row, "executed_at", where), f"{where} executed_at")
        hour = executed_at.replace(minute=0, second=0, microsecond=0)
        dollars[hour] = dollars.get(hour, 0.0) + number(member(row, "premium", where), f"{where} premium")
    for hour, usd in dollars.items():
        yield Observation(f"{NAME}.dark_pool_usd", symbol, usd, hour, hour + timedelta(hours=1) + PRINTS_LAG)


def parse_shorts(rows: list[Any], ticker: str, symbol: str) -> Iterator[Observation]:
    """Read the latest short interest: the share of the float, and the days that covering it would take."""
    where = f"{NAME} shorts {ticker}"
    for row in rows:
        if member(row, "symbol", where) != ticker:
            raise BadReply(f"{where}: short interest of {str(row['symbol'])[:20]!r} came")
        on = day(member(row, "market_date", where), f"{where} market_date")
        for field, ours in (("si_float", "short_float"), ("days_to_cover", "days_to_cover")):
            if (value := row.get(field)) is not None:
                yield Observation(f"{NAME}.{ours}", symbol, number(value, f"{where} {field}"), on, on + SHORTS_LAG)


def parse_economic(rows: list[dict[str, Any]], now: datetime) -> Iterator[CalendarEvent]:
    """Read the economic calendar as received at ``now``."""
    where = f"{NAME} economic calendar"
    for row in rows:
        name = text(member(row, "event", where), f"{where} event")
        at = instant(member(row, "time", where), f"{where} {name} time")
        slug = "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
        importance = IMPORTANCE.get(str(row.get("type")), "medium")
        # A report that is moved to another day of the month keeps its id, so it is not expected twice.
        period = row.get("reported_period") or at.date().isoformat()
        event_id = f"{NAME}.{slug}.{at.year}.{period}"
        yield CalendarEvent(event_id, name, None, at, min(now, at), importance)


def parse_earnings(rows: list[dict[str, Any]], symbol: str, now: datetime) -> Iterator[CalendarEvent]:
    """Read a ticker's earnings dates as received at ``now``; past ones count as known from the end of their day."""
    where = f"{NAME} earnings {symbol}"
    for row in rows:
        if row.get("report_date") is None:
            continue
        on = day(row["report_date"], f"{where} report_date").date()
        quarter = row.get("ending_fiscal_quarter") or on.isoformat()
        hour = REPORT_HOURS.get(str(row.get("report_time")), time())
        end = datetime.combine(on + timedelta(days=1), time(), NEW_YORK).astimezone(UTC)
        yield CalendarEvent(
            event_id=f"{NAME}.earnings.{symbol}.{quarter}",
            name=f"{symbol} earnings",
            symbol=symbol,
            scheduled_at=datetime.combine(on, hour, NEW_YORK).astimezone(UTC),
            available_at=min(now, end),
            importance="high",
        )
