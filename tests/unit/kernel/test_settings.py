"""What the environment says, typed; wrong values are one line that names the variable."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.kernel.errors import ConfigError
from services.kernel.settings import from_environment


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-12-01", datetime(2024, 12, 1, tzinfo=UTC)),
        ("2024-12-01T06:00", datetime(2024, 12, 1, 6, tzinfo=UTC)),
        ("2024-12-01T06:00:00+02:00", datetime(2024, 12, 1, 4, tzinfo=UTC)),
    ],
)
def test_replay_span_is_read_as_utc(monkeypatch: pytest.MonkeyPatch, written: str, meant: datetime) -> None:
    monkeypatch.setenv("CHLOE_REPLAY_FROM", written)
    monkeypatch.setenv("CHLOE_REPLAY_UNTIL", written)
    settings = from_environment()
    assert (settings.replay_from, settings.replay_until) == (meant, meant)
    assert settings.replay_from is not None
    assert settings.replay_from.tzinfo is UTC


@pytest.mark.parametrize("written", ["2024-12-01T06:30", "the first of december"])
def test_refuses_a_replay_span_that_is_no_whole_hour_and_names_it(
    monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("CHLOE_REPLAY_UNTIL", written)
    with pytest.raises(ConfigError, match=r"^CHLOE_REPLAY_UNTIL: .*, got '" + written):
        from_environment()


def test_unset_replay_span_means_the_whole_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHLOE_REPLAY_FROM", "CHLOE_REPLAY_UNTIL"):
        monkeypatch.delenv(name, raising=False)
    settings = from_environment()
    assert (settings.replay_from, settings.replay_until) == (None, None)


def test_the_address_that_people_are_told_at_comes_from_the_environment_or_a_file_and_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("CHLOE_NOTIFY_URL", "CHLOE_NOTIFY_URL_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert from_environment().notify() is None
    monkeypatch.setenv("CHLOE_NOTIFY_URL", " ")
    assert from_environment().notify() is None, "a line that was left empty"
    monkeypatch.setenv("CHLOE_NOTIFY_URL", "https://hook.test/9c1f")
    settings = from_environment()
    assert settings.notify() == "https://hook.test/9c1f"
    assert "9c1f" not in f"{settings!r} {settings}"
    (tmp_path / "url").write_text("https://hook.test/of-the-file\n", encoding="utf-8")
    monkeypatch.setenv("CHLOE_NOTIFY_URL_FILE", str(tmp_path / "url"))
    assert from_environment().notify() == "https://hook.test/of-the-file"
