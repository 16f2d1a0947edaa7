"""Quiet: a thousand runs log a great deal."""

import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def only_errors(logging_as_before: None) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
