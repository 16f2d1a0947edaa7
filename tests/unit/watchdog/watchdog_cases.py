"""Settings as delivered, and moments made up for the watchdog's tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.kernel.config import load
from services.watchdog.observation import FeedSeen, Observation
from services.watchdog.settings import WATCHDOG_FILE, WatchdogSettings

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = load(WatchdogSettings, WATCHDOG_FILE, ROOT / "config")
CHECKS = SETTINGS.checks
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
"""A Wednesday."""
HOUR = timedelta(hours=1)


def fresh(*symbols: str) -> tuple[FeedSeen, ...]:
    """Feeds whose newest bar is the one that closed at noon."""
    return tuple(FeedSeen(symbol, "crypto", NOON - HOUR) for symbol in symbols)


CALM = Observation(
    now=NOON + timedelta(seconds=30),
    timeframe="1h",
    started_at=NOON - 100 * HOUR,
    newest_slice=NOON,
    feeds=fresh("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT"),
    dead_letters={"risk.orders": 0},
)


def seen(**changes: Any) -> Observation:
    """What is seen half a minute after noon, all being well but for the changes."""
    return replace(CALM, **changes)
