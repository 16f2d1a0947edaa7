"""Settings of the gateway, and the facts about itself that it shows."""

import os
from dataclasses import dataclass, field

from pydantic import ValidationError

from services.gateway.audit.settings import AuditParams, load_params
from services.kernel.errors import ConfigError
from services.kernel.settings import Settings

DEFAULT_HOSTS = ("localhost", "127.0.0.1", "::1", "gateway", "testserver")


class GatewaySettings(Settings):
    """The platform's settings and the gateway's own, read from ``CHLOE_*``."""

    http_port: int = 8000
    allowed_hosts: str = ",".join(DEFAULT_HOSTS)
    """Host names, comma separated, under which a browser may reach the API."""
    require_read_token: bool = False
    """Whether reading needs a token too; ports bind to loopback, so by default it does not."""

    def hosts(self) -> frozenset[str]:
        """Return the allowed host names in lower case."""
        return frozenset(name.strip().lower() for name in self.allowed_hosts.split(",") if name.strip())


@dataclass(frozen=True, slots=True)
class Info:
    """What the application knows about its own process."""

    version: str = "0.1.0"
    config_version: str = ""
    allowed_hosts: frozenset[str] = frozenset(DEFAULT_HOSTS)
    require_read_token: bool = False
    audit: AuditParams = field(default_factory=load_params)
    """What the audit of an asset measures by."""
    wait_seconds: float = 3.0
    """How long an activation waits for phases' word before it answers 202."""


def from_environment() -> GatewaySettings:
    """Read the settings; a wrong value is a one-line error that names the variable."""
    try:
        return GatewaySettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "CHLOE_" + ".".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(f"{name}: {first['msg']}, got {os.environ.get(name)!r}") from None
