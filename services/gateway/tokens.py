"""API tokens: who may read, operate, and go beyond what has been earned (live)."""

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import yaml

from services.kernel.errors import StartRefused

Scope = Literal["read", "operate", "live"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""From least to most; each includes those before it."""

MIN_LENGTH = 24
MIN_DISTINCT = 8
WEAK = re.compile(r"change.?me|password|default|example|secret|token|chloe|admin|qwerty|letmein", re.IGNORECASE)
TOKEN_TEXT = re.compile(r"[A-Za-z0-9._~+/=-]+")


class Tokens:
    """The known tokens, kept as digests only, so that no log, error or dump can show one."""

    def __init__(self, by_scope: Mapping[Scope, str]) -> None:
        self._digests: tuple[tuple[Scope, bytes], ...] = tuple(
            (scope, _digest(by_scope[scope])) for scope in SCOPES if scope in by_scope
        )

    def scope_of(self, token: str) -> Scope | None:
        """Return the scope that a token gives, None if it is unknown; takes equally long for any token."""
        asked, found = _digest(token), None
        for scope, digest in self._digests:
            if hmac.compare_digest(asked, digest):
                found = scope
        return found

    def __repr__(self) -> str:
        return f"Tokens({', '.join(scope for scope, _ in self._digests)})"


def allows(scope: Scope, needed: Scope) -> bool:
    """Say whether a token of ``scope`` may do what ``needed`` asks for."""
    return SCOPES.index(scope) >= SCOPES.index(needed)


def load_tokens(path: Path | None) -> Tokens:
    """Read ``{read: …, operate: …, live: …}`` from a YAML file; raises StartRefused for a missing or weak token."""
    if path is None:
        raise StartRefused(
            "CHLOE_TOKENS_FILE is not set: it names the file with the API's tokens ('make up' makes one)"
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StartRefused(f"{path}: the tokens cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        # The parser's words may quote the file, and with it a token.
        raise StartRefused(f"{path}: is not a YAML mapping of read, operate and live to tokens") from None
    if not isinstance(content, dict) or set(content) != set(SCOPES):
        raise StartRefused(f"{path}: expected exactly the keys {', '.join(SCOPES)}")
    for scope in SCOPES:
        problem = _weakness(content[scope])
        if problem:
            raise StartRefused(f"{path}: key '{scope}': {problem}; generate one with 'openssl rand -hex 32'")
    if len(set(content.values())) < len(SCOPES):
        raise StartRefused(f"{path}: two scopes share a token; each needs its own")
    return Tokens(content)


def create_tokens_file(path: Path) -> Tokens:
    """Write fresh random tokens for all scopes where no file is, readable by its owner only, and load what is there.

    The file appears whole or not at all, so a process may be killed in the middle of this.
    """
    content = "".join(f'{scope}: "{secrets.token_hex(32)}"\n' for scope in SCOPES)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return load_tokens(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    with contextlib.suppress(FileExistsError):  # another process was first: its tokens stand
        os.link(draft, path)
    draft.unlink()
    return load_tokens(path)


def _weakness(token: object) -> str | None:
    if not isinstance(token, str):
        return "the token must be a text in quotes"
    if len(token) < MIN_LENGTH:
        return f"the token has {len(token)} characters, at least {MIN_LENGTH} are needed"
    if not TOKEN_TEXT.fullmatch(token):
        return "the token has characters that an HTTP header cannot carry"
    if len(set(token)) < MIN_DISTINCT or WEAK.search(token):
        return "the token is easy to guess"
    return None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
