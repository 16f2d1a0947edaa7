"""Which bars each market owes."""

from datetime import UTC, datetime

import pytest

from services.domain.calendars import expected_opens, expects_bar


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("asset_class", "ts", "timeframe", "owed"),
    [
        ("crypto", "2024-06-08T03:00", "1h", True),
        ("crypto", "2024-06-08T03:30", "1h", False),
        ("forex", "2024-06-07T20:00", "1h", True),  # Friday, summer: closes at 21:00 UTC
        ("forex", "2024-06-07T21:00", "1h", False),
        ("forex", "2024-01-05T21:00", "1h", True),  # Friday, winter: closes at 22:00 UTC
        ("forex", "2024-01-05T22:00", "1h", False),
        ("forex", "2024-06-09T20:00", "1h", False),
        ("forex", "2024-06-09T21:00", "1h", True),
        ("forex", "2024-06-08T00:00", "1d", False),
        ("forex", "2024-06-07T00:00", "1d", True),
        ("stocks", "2024-06-10T13:30", "1h", True),
        ("stocks", "2024-06-10T14:00", "1h", False),
        ("stocks", "2024-01-10T14:30", "1h", True),  # winter
        ("stocks", "2024-06-10T20:30", "1h", False),
        ("stocks", "2024-06-19T00:00", "1d", False),  # Juneteenth
        ("stocks", "2024-06-18T00:00", "1d", True),
        ("leveraged_etfs", "2023-11-24T18:30", "1h", False),  # half-day: closes at 13:00 New York
        ("leveraged_etfs", "2023-11-24T16:30", "1h", True),
        ("meme", "2024-06-08T00:00", "1d", False),
        ("commodities", "2024-06-10T00:00", "1d", True),
    ],
)
def test_market_owes_a_bar_only_when_it_is_open(asset_class: str, ts: str, timeframe: str, owed: bool) -> None:
    assert expects_bar(asset_class, at(ts), timeframe) is owed  # type: ignore[arg-type]


def test_expected_opens_are_half_open() -> None:
    assert len(expected_opens("crypto", "1h", at("2024-01-01"), at("2024-01-02"))) == 24
    assert len(expected_opens("stocks", "1d", at("2024-06-10"), at("2024-06-14"))) == 4
    assert len(expected_opens("stocks", "1h", at("2024-06-10"), at("2024-06-11"))) == 7
    assert len(expected_opens("crypto", "1h", at("2024-01-01"), at("2024-01-01"))) == 0


def test_sessions_beyond_the_known_years_are_refused() -> None:
    with pytest.raises(ValueError, match="known from 2000"):
        expected_opens("stocks", "1d", at("1990-01-01"), at("1990-02-01"))
