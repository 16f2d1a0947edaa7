"""A loopback exchange and the sources that must all behave alike."""

from collections.abc import Iterator

import pytest
from fake_exchange import FakeExchange


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    fake = FakeExchange()
    yield fake
    fake.close()
