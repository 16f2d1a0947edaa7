"""Structured logs: one JSON line an event in containers, readable lines on a terminal; secrets are scrubbed."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_KEY = re.compile(r"(password|token|secret|api_?key|authorization)", re.IGNORECASE)
SECRET_IN_TEXT = re.compile(
    r"(?i)((?:password|token|secret|api_?key|authorization)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+)?)([^\s&\"',;]+)|(://[^:/\s]*:)([^@\s]+)(@)"
)


def scrub(text: str) -> str:
    """Replace what looks like a secret (``api_key=…``, ``://user:password@``) with stars."""

    def stars(found: re.Match[str]) -> str:
        return f"{found[1]}***" if found[1] else f"{found[3]}***{found[5]}"

    return SECRET_IN_TEXT.sub(stars, text)


def _scrub_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if SECRET_KEY.search(key):
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = scrub(value)
    return event


def configure(level: str = "INFO", *, readable: bool | None = None) -> None:
    """Set up logging once a process; ``readable`` None means: readable if standard error is a terminal."""
    if readable is None:
        readable = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer(colors=False) if readable else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _scrub_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def get(name: str) -> Any:
    """Return a logger that carries the component's name."""
    return structlog.get_logger().bind(component=name)
