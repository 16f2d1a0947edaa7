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

__all__ = [
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
