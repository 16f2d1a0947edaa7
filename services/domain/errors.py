"""One error base: what a person sees is the message, in one line, naming the value, the place and what to do."""


class ChloeError(Exception):
    """Something Chloe can name; the CLI prints it as one line and exits with 1."""


class ConfigError(ChloeError):
    """A configuration file is missing, unreadable or says something unknown."""


class DataError(ChloeError):
    """Input data is not what it claims to be: a truncated file, a bad row."""


class BadSymbol(ChloeError):
    """A symbol that no asset in ``assets_config.yaml`` has."""


class StartRefused(ChloeError):
    """A service will not start as it is configured."""


class BooksBroken(ChloeError):
    """Cash, positions and fees do not add up to equity."""


class StreamCorrupt(ChloeError):
    """Too many messages of a stream could not be read."""
