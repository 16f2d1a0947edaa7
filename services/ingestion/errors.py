"""The errors of sources, for adapters; they are declared in :mod:`services.kernel.provider_errors`."""

from services.kernel.provider_errors import (
    RETRYABLE,
    BadKey,
    BadReply,
    BadRequest,
    Blocked,
    BudgetSpent,
    FeedError,
    NotEntitled,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)

LIMITS = (RateLimited, BudgetSpent)
"""The errors that count as a limit in a feed's health."""

__all__ = [
    "LIMITS",
    "RETRYABLE",
    "BadKey",
    "BadReply",
    "BadRequest",
    "Blocked",
    "BudgetSpent",
    "FeedError",
    "NotEntitled",
    "RateLimited",
    "SourceDown",
    "SymbolNotOffered",
]
