"""The console's files hang together: what the script names is on the page and in the API, and text stays text."""

import re
from typing import Any

import pytest

from services.gateway import operations
from services.gateway.api import create_app
from services.gateway.settings import Info
from services.gateway.tokens import Tokens

PAGE = (operations.WEB / "index.html").read_text(encoding="utf-8")
SCRIPT = (operations.WEB / "app.js").read_text(encoding="utf-8")
STYLE = (operations.WEB / "style.css").read_text(encoding="utf-8")


def routes() -> set[str]:
    nothing: Any = None
    schema = create_app(nothing, nothing, Tokens({}), Info()).openapi()
    return {path for path, methods in schema["paths"].items() if "get" in methods}


def test_every_element_that_the_script_names_is_on_the_page() -> None:
    named = set(re.findall(r'\$\("([\w-]+)"\)', SCRIPT))
    assert {"rollout", "flags", "ladder"} <= named
    assert named <= set(re.findall(r'id="([\w-]+)"', PAGE))


def test_every_path_that_the_script_asks_is_a_route() -> None:
    asked = {path.partition("?")[0] for path in re.findall(r'"(/[a-z][\w/]*(?:\?[^"]*)?)"', SCRIPT)}
    assert {"/rollout", "/flags", "/phases/readiness"} <= asked
    assert asked <= routes()


@pytest.mark.parametrize(
    "way", ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "srcdoc"]
)
def test_nothing_is_put_in_as_html(way: str) -> None:
    assert way not in SCRIPT


def test_the_page_keeps_to_the_policy_that_the_guard_sends() -> None:
    """No script, style or handler stands in the page, and nothing comes from elsewhere."""
    assert re.findall(r"<(?:script|link)[^>]*(?:src|href)=\"(?!/web/|data:,)", PAGE) == []
    assert re.search(r"<script[^>]*>[^<]", PAGE) is None
    assert re.search(r"<style|\son\w+=|\sstyle=", PAGE) is None
    assert "@import" not in STYLE
    assert "url(" not in STYLE


def test_every_section_has_a_heading_that_names_it() -> None:
    headed = re.findall(r'<section[^>]*aria-labelledby="([\w-]+)"', PAGE)
    assert len(headed) == PAGE.count("<section")
    assert set(headed) <= set(re.findall(r'<h2 id="([\w-]+)"', PAGE))
