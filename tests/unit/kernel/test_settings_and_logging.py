"""The environment is typed, weak passwords are refused, and secrets never reach a log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.kernel import logging
from services.kernel.errors import ConfigError, StartRefused
from services.kernel.settings import WEAK_PASSWORDS, Settings, from_environment, read_secret

PLANTED = "hunter2-Zx9"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("CHLOE_DATABASE_URL", "CHLOE_REDIS_URL", "CHLOE_HTTP_PORT", "CHLOE_SOURCE"):
        monkeypatch.delenv(name, raising=False)
    yield
    structlog.reset_defaults()  # or later tests would log into this test's closed stream


@pytest.mark.parametrize(
    ("name", "value"), [("CHLOE_HTTP_PORT", "many"), ("CHLOE_SOURCE", "dreams"), ("CHLOE_LOG_LEVEL", "LOUD")]
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as refused:
        from_environment()
    assert str(refused.value).startswith(f"{name}: ")
    assert repr(value) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("password", [*sorted(WEAK_PASSWORDS), "Postgres", "p%61ssword"])
def test_a_default_password_in_the_url_is_refused_without_repeating_it(password: str) -> None:
    given_ = Settings(database_url=f"postgresql://chloe:{password}@db:5432/chloe")
    with pytest.raises(StartRefused, match="CHLOE_DATABASE_URL: an empty or well-known password"):
        given_.database()
    with pytest.raises(StartRefused, match="CHLOE_REDIS_URL"):
        Settings(redis_url=f"redis://:{password}@redis:6379/0").redis()


@pytest.mark.parametrize("content", ["", "\n", "  \n", "postgres\n", "CHANGEME"])
def test_a_secret_file_with_an_empty_or_known_password_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secret"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StartRefused, match="holds an empty or well-known password"):
        read_secret(path)


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="absent: the secret cannot be read: No such file"):
        read_secret(tmp_path / "absent")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(StartRefused, match="binary: the secret cannot be read: it is not text"):
        read_secret(tmp_path / "binary")


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("postgresql://chloe@db:5432/chloe", "postgresql://chloe:a%2Fb%40c%3A%20d@db:5432/chloe"),
        ("postgresql://chloe@db/chloe?sslmode=off", "postgresql://chloe:a%2Fb%40c%3A%20d@db/chloe?sslmode=off"),
        ("postgresql://chloe@[::1]:5432/chloe", "postgresql://chloe:a%2Fb%40c%3A%20d@[::1]:5432/chloe"),
        ("postgresql://a%40b@db/chloe", "postgresql://a%40b:a%2Fb%40c%3A%20d@db/chloe"),
    ],
)
def test_a_password_comes_from_its_file_into_the_url(tmp_path: Path, url: str, whole: str) -> None:
    path = tmp_path / "secret"
    path.write_text("a/b@c: d\n", encoding="utf-8")
    assert Settings(database_url=url, database_password_file=path).database() == whole


def test_a_port_that_is_no_number_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(PLANTED, encoding="utf-8")
    with pytest.raises(ConfigError, match="CHLOE_REDIS_URL: Port could not be cast"):
        Settings(redis_url="redis://cache:many/0", redis_password_file=path).redis()


def test_without_a_password_the_url_stays_as_it_is() -> None:
    assert Settings(database_url="postgresql://db/chloe").database() == "postgresql://db/chloe"


TEXTS = [
    "password=X",
    "password: X",
    '{"password": "X"}',
    "{'api_key': 'X'}",
    "api-key=X",
    "apikey=X",
    "API_SECRET_KEY=X",
    "secret_key=X rest",
    "access_token=X&other=1",
    "Authorization: Bearer X",
    "authorization=Basic X",
    "{'Authorization': 'Bearer X'}",
    "sent Bearer X to the exchange",
    "postgresql://chloe:X@db:5432/chloe",
    "redis://:X@cache/0",
    "passphrase=X",
    "private_key=X",
    "https://api.example.com/v1?apiKey=X&symbol=BTC",
]


@pytest.mark.parametrize("text", TEXTS)
def test_secrets_in_text_become_stars_and_the_rest_stays(text: str) -> None:
    scrubbed = logging.scrub(text.replace("X", PLANTED))
    assert PLANTED not in scrubbed
    assert scrubbed == text.replace("X", "***")


@pytest.mark.parametrize(
    "text", ["BTC/USDT closed at 42,000", "slice 2024-01-01T00:00:00+00:00", "redis://cache:6379/0"]
)
def test_plain_text_is_left_alone(text: str) -> None:
    assert logging.scrub(text) == text


EVENTS: list[dict[str, Any]] = [
    {"password": PLANTED},
    {"api_key": PLANTED, "n": 1},
    {"token": PLANTED.encode()},
    {"headers": {"Authorization": f"Bearer {PLANTED}", "Accept": "json"}},
    {"headers": [("x-api-key", "left"), f"api_key={PLANTED}"]},
    {"deep": [{"config": {"redis_password": PLANTED}}]},
    {"url": f"postgresql://chloe:{PLANTED}@db/chloe"},
    {"error": RuntimeError(f"cannot connect with password={PLANTED}")},
    {"settings": Path(f"/run/secret={PLANTED}")},
    {"tokens": {PLANTED}},
    {"secret": 12345678},
]


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("readable", [True, False])
def test_planted_secrets_never_appear_in_a_log_line(
    event: dict[str, Any], readable: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.configure("INFO", readable=readable)
    logging.get("test").info("something happened", **event)
    written = capsys.readouterr().err
    assert "something happened" in written
    assert PLANTED not in written
    assert "12345678" not in written
    assert "***" in written


@pytest.mark.parametrize("readable", [True, False])
def test_planted_secrets_never_appear_in_a_traceback(readable: bool, capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure("INFO", readable=readable)
    try:
        raise RuntimeError(f"refused: api_key={PLANTED}")
    except RuntimeError:
        logging.get("test").exception("failed")
    written = capsys.readouterr().err
    assert "RuntimeError" in written
    assert PLANTED not in written


def test_in_containers_a_log_line_is_json_with_its_component(capsys: pytest.CaptureFixture[str]) -> None:
    logging.configure("INFO", readable=False)
    logging.get("risk").warning("halted", reason="daily loss", count=3, share=0.5, on=True, nothing=None)
    line = json.loads(capsys.readouterr().err)
    assert (line["component"], line["level"], line["event"]) == ("risk", "warning", "halted")
    assert (line["count"], line["share"], line["on"], line["nothing"]) == (3, 0.5, True, None)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=40), st.sampled_from([t for t in TEXTS if t.endswith("X")]), st.text("abcXYZ019_-.", min_size=6)
)
def test_a_secret_at_the_end_of_any_text_is_scrubbed(before: str, text: str, secret: str) -> None:
    planted = "S3" + secret
    scrubbed = logging.scrub(f"{before} {text.replace('X', planted)}")
    assert planted not in scrubbed
