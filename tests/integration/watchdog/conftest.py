"""Both servers' addresses as one fixture, and a port that nobody listens on."""

import socket

import pytest


@pytest.fixture
def urls(database_url: str, redis_url: str) -> tuple[str, str]:
    """PostgreSQL and Redis, both empty but for the schema and the registries."""
    return database_url, redis_url


@pytest.fixture
def unused_tcp_port() -> int:
    """A port of this machine that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port
