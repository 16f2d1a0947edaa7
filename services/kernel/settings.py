"""Where this process runs: everything that comes from the environment, typed."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.kernel.errors import ConfigError, StartRefused

WEAK_PASSWORDS = frozenset({"", "postgres", "password", "changeme", "admin", "chloe", "secret", "redis"})


class Settings(BaseSettings):
    """Read from ``CHLOE_*``; a ``*_FILE`` names a file with the secret, so that it never is in the environment."""

    model_config = SettingsConfigDict(env_prefix="CHLOE_", frozen=True, extra="ignore")

    database_url: str = "postgresql://127.0.0.1:5432/chloe"
    database_password_file: Path | None = None
    redis_url: str = "redis://127.0.0.1:6379/0"
    redis_password_file: Path | None = None
    source: Literal["live", "replay"] = "live"
    replay_dir: Path | None = None
    replay_from: datetime | None = None
    replay_until: datetime | None = None
    reports_dir: Path = Path("reports")
    tokens_file: Path | None = None
    halt_file: Path = Path("var/HALT")
    """While it exists nothing is entered; its first line is the reason."""
    notify_url: SecretStr | None = None
    """Where people are told; whoever has it may write there."""
    notify_url_file: Path | None = None
    http_host: str = "127.0.0.1"
    http_port: int = 9100
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("replay_from", "replay_until")
    @classmethod
    def _whole_hour_in_utc(cls, value: datetime | None) -> datetime | None:
        """Read a plain date or a time without a zone as UTC; slices close on whole hours."""
        if value is None:
            return None
        aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        if (aware.minute, aware.second, aware.microsecond) != (0, 0, 0):
            raise ValueError("not a whole hour, and slices close on the hour")
        return aware

    def database(self) -> str:
        """Return the database URL with its password in place."""
        return _with_password("CHLOE_DATABASE_URL", self.database_url, self.database_password_file)

    def redis(self) -> str:
        """Return the Redis URL with its password in place."""
        return _with_password("CHLOE_REDIS_URL", self.redis_url, self.redis_password_file)

    def notify(self) -> str | None:
        """Return where notifications are posted to; None where nobody has said."""
        if self.notify_url_file is not None:
            return read_secret(self.notify_url_file)
        return (self.notify_url.get_secret_value().strip() or None) if self.notify_url is not None else None


def from_environment() -> Settings:
    """Read the settings; a wrong value is a one-line error that names the variable."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "CHLOE_" + ".".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(f"{name}: {first['msg']}, got {os.environ.get(name)!r}") from None


def read_secret(path: Path) -> str:
    """Read a one-line secret from a file, refusing an empty or well-known one."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise StartRefused(f"{path}: the secret cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StartRefused(f"{path}: the secret cannot be read: it is not text") from None
    if secret.lower() in WEAK_PASSWORDS:
        raise StartRefused(f"{path}: holds an empty or well-known password; generate one with 'make up'")
    return secret


def _with_password(name: str, url: str, secret_file: Path | None) -> str:
    parts = urlsplit(url)
    if parts.password is not None and unquote(parts.password).lower() in WEAK_PASSWORDS:
        raise StartRefused(f"{name}: an empty or well-known password; a service does not start with one")
    if secret_file is None:
        return url
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    host = parts.hostname or "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    address = host if port is None else f"{host}:{port}"
    user = quote(unquote(parts.username or ""), safe="")
    netloc = f"{user}:{quote(read_secret(secret_file), safe='')}@{address}"
    return urlunsplit(parts._replace(netloc=netloc))
