"""Who is asking: bearer tokens as FastAPI dependencies."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.gateway.tokens import Scope, Tokens, allows

BEARER = HTTPBearer(auto_error=False, description="A token from CHLOE_TOKENS_FILE; live includes operate includes read")
NOT_A_NAME = re.compile(r"[^\w .@+-]")

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
Operator = Annotated[
    str | None, Header(alias="X-Operator", max_length=200, description="Who asks, for the record", examples=["kim"])
]


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller; ``by`` is what the record keeps."""

    scope: Scope
    by: str


def require(tokens: Tokens, needed: Scope) -> Callable[..., Awaitable[Caller]]:
    """Make the dependency that lets only tokens of a scope pass: 401 without a known token, 403 with a lesser one."""

    async def caller(credentials: Credentials, operator: Operator = None) -> Caller:
        scope = tokens.scope_of(credentials.credentials) if credentials is not None else None
        if scope is None:
            words = "a token is needed: Authorization: Bearer …" if credentials is None else "the token is not known"
            raise HTTPException(401, words, {"WWW-Authenticate": "Bearer"})
        if not allows(scope, needed):
            raise HTTPException(403, f"this needs a token of scope '{needed}', yours has '{scope}'")
        return Caller(scope, signed(scope, operator))

    return caller


def signed(scope: Scope, operator: str | None) -> str:
    """Name the caller for the record: the scope, and who they say they are, stripped of anything but a name."""
    name = NOT_A_NAME.sub("", operator or "").strip()[:64]
    return f"{scope} ({name})" if name else scope
