"""What records the requests of the sources."""

import pytest
from recording import Recorder


@pytest.fixture
def recorder() -> Recorder:
    """A recorder whose requests go over the network; give ``recorder.http`` to ``connect``."""
    return Recorder()
