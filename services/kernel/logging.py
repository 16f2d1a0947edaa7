"""Structured logs: one JSON line an event in containers, readable lines on a terminal; secrets are scrubbed."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import stamina
import structlog

SECRET_WORD = r"(?:passw(?:or)?d|passphrase|token|secret|api[_-]?key|private[_-]?key|authorization|credential)"
SECRET_KEY = re.compile(SECRET_WORD, re.IGNORECASE)
SECRET_IN_TEXT = re.compile(
    rf"(?i)({SECRET_WORD}[\w-]*[\"']?\s*[=:]\s*[\"']?(?:(?:bearer|basic|token)\s+)?|\b(?:bearer|basic)\s+)([^\s&\"',;]+)"
    r"|(://[^:/\s]*:)([^@\s]+)(@)"
)


def scrub(text: str) -> str:
    """Replace what looks like a secret (``api_key=…``, ``://user:password@``) with stars."""

    def stars(found: re.Match[str]) -> str:
        return f"{found[1]}***" if found[1] else f"{found[3]}***{found[5]}"

    return SECRET_IN_TEXT.sub(stars, text)


def _scrub_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = _clean(key, value)
    return event


def _clean(key: str, value: Any) -> Any:
    """Scrub a value whatever its type, for renderers would write the rest out with ``repr``."""
    if value is None or isinstance(value, bool | int | float):
        return "***" if value is not None and SECRET_KEY.search(key) else value
    if SECRET_KEY.search(key):
        return "***"
    if isinstance(value, Mapping):
        return {str(inner): _clean(str(inner), content) for inner, content in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(key, content) for content in value]
    return scrub(value if isinstance(value, str) else str(value))


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
        # Looked up for each logger: whoever captured standard error at the time of this call may be gone.
        logger_factory=lambda *_: structlog.PrintLogger(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    # While the database is away asyncpg writes tracebacks of its own; the loops say in one line that they try again.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    # Each retry would be a line; what is said once the retries are used up names the source and the error.
    stamina.instrumentation.set_on_retry_hooks([])


def get(name: str) -> Any:
    """Return a logger that carries the component's name."""
    return structlog.get_logger().bind(component=name)
