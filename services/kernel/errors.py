"""The errors a person may see, for services; they are declared in :mod:`services.domain.errors`."""

from services.domain.errors import (
    BadSymbol,
    BooksBroken,
    ChloeError,
    ConfigError,
    DataError,
    StartRefused,
    StreamCorrupt,
)

__all__ = ["BadSymbol", "BooksBroken", "ChloeError", "ConfigError", "DataError", "StartRefused", "StreamCorrupt"]
