"""Put measured figures into a page between two marks, so that nobody types them in."""

from pathlib import Path

from services.kernel.errors import DataError


def put(text: str, document: Path, begin: str, end: str) -> None:
    """Replace what stands between the marks; raises DataError where there are none or it cannot be read."""
    try:
        before, found, rest = document.read_text(encoding="utf-8").partition(begin)
    except OSError as error:
        raise DataError(f"{document}: cannot be read: {error.strerror}") from None
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise DataError(f"{document}: has no place for the figures between {begin} and {end}")
    document.write_text(f"{before}{begin}\n{text}{end}{after}", encoding="utf-8")
