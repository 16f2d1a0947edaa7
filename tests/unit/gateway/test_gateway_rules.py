"""The gateway's pure rules."""

from datetime import UTC, datetime, timedelta

import pytest

from services.gateway import shown
from services.gateway.commands import Wish
from services.gateway.guard import host_name
from services.gateway.settings import Info, from_environment
from services.kernel.commands import command_time
from services.kernel.errors import ConfigError

SLICE = datetime(2024, 3, 5, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_command_of_a_replay_lies_at_its_newest_slice() -> None:
    assert command_time("replay", SLICE, NOW, 3) == SLICE + timedelta(microseconds=3)
    assert command_time("replay", None, NOW, 3) == NOW
    assert command_time("live", SLICE, NOW, 3) == NOW


def test_the_same_key_names_the_same_command() -> None:
    first, again = (Wish("halt", None, "operate", key="a").command_id() for _ in range(2))
    assert first == again
    assert Wish("halt", None, "operate", key="b").command_id() != first
    assert Wish("halt", None, "operate").command_id() != Wish("halt", None, "operate").command_id()


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"localhost:8000", "localhost"),
        (b"LocalHost", "localhost"),
        (b"[::1]:8000", "::1"),
        (b"::1", "::1"),
        (b"", ""),
        (b"127.0.0.1.evil.example:80", "127.0.0.1.evil.example"),
    ],
)
def test_reads_host_names(header: bytes, name: str) -> None:
    assert host_name(header) == name


def test_counts_what_waits_for_a_stage() -> None:
    rows = [
        {"stage": "execution", "seq": 10, "slice_ts": SLICE, "cursors": {}, "config_version": "", "updated_at": NOW},
        {"stage": "phases", "seq": 1, "slice_ts": SLICE - timedelta(hours=2), "config_version": "", "updated_at": NOW,
         "cursors": {"execution.portfolio": {"execution": 7}, "gateway.commands": {"gone": 3}}},
    ]  # fmt: skip
    phases = shown.stages(rows)[1]
    assert (phases["behind_messages"], phases["behind_seconds"]) == (3, 7200.0)


def test_the_port_is_8000_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHLOE_HTTP_PORT", raising=False)
    assert from_environment().http_port == 8000
    monkeypatch.setenv("CHLOE_ALLOWED_HOSTS", "Chloe.example, localhost")
    assert from_environment().hosts() == {"chloe.example", "localhost"}
    monkeypatch.setenv("CHLOE_HTTP_PORT", "eighty")
    with pytest.raises(ConfigError, match="CHLOE_HTTP_PORT"):
        from_environment()


def test_a_browser_is_let_in_only_under_local_names() -> None:
    assert "evil.example" not in Info().allowed_hosts
