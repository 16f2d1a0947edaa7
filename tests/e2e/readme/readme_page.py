"""What the README tells people to type, as text: shell lines, SQL, commands and routes inside sentences and tables."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
TYPED = re.compile(r"(chloe|make|docker|curl|psql|python|GET|POST|PUT|DELETE) \S")


def blocks(language: str, text: str = README) -> list[str]:
    """Return the fenced blocks of one language."""
    return [content for name, content in FENCE.findall(text) if name == language]


def shell_lines(text: str = README) -> list[str]:
    """Return the lines of all sh blocks, without comments."""
    lines = (line.strip() for block in blocks("sh", text) for line in block.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def spans(text: str = README) -> list[str]:
    """Return what stands between backticks outside of fences."""
    return SPAN.findall(FENCE.sub("", text))


def commands(text: str = README) -> list[str]:
    """Return every command and route that a reader might type, each once, in order."""
    inline = (span for span in spans(text) if TYPED.match(span))
    queries = (line for block in blocks("sql", text) for line in block.splitlines() if line.strip())
    return list(dict.fromkeys([*shell_lines(text), *queries, *inline]))


def paths(text: str = README) -> list[str]:
    """Return the files and folders of the repository that are named or linked."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    top = {entry.name for entry in ROOT.iterdir()} - {"reports", "var"}
    named = (span for span in spans(text) if "/" in span and span.split("/")[0] in top and " " not in span)
    return list(dict.fromkeys([*links, *named]))
