"""The page: the verdict first, the yardstick beside it, nothing fetched, nothing broken."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
from evaluation_cases import asset

from services.research.evaluation import evaluate
from services.research.report_page import as_html
from services.research.report_svg import ticks

VOID = {"meta", "circle", "path", "rect", "br"}


class Nesting(HTMLParser):
    """Fails on a tag that is closed in the wrong order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def page(symbol: str = "BTC/USDT") -> str:
    rows = asset(n=1_600)
    report = evaluate([replace(rows, symbol=symbol), asset("ETH/USDT", n=1_600, seed=2)], source="made-up prices")
    return as_html(report)


def test_the_verdict_comes_first_and_the_yardstick_stands_beside_it() -> None:
    text = page()
    assert text.index("<h1>No evidence of skill at 12 h on any of 2 assets.</h1>") < text.index("The yardstick")
    assert text.index("The yardstick") < text.index("Every asset beside the random walk")
    assert "replayed: every forecast by walk-forward, nothing was traded" in text[: text.index("<h1>")]


def test_it_holds_every_plot() -> None:
    labels = re.findall(r'<svg class="chart"[^>]*aria-label="([^"]+)"', page())
    assert labels[:5] == [
        "Ratio to the random walk by month and model, 12 hours ahead",
        "Reliability of p_up, all assets",
        "Coverage of the 80\u00a0% interval",
        "Edge after costs by confidence bucket, all assets",
        "Value of one unit, all assets",
    ]


def test_it_is_one_file_that_needs_nothing_else() -> None:
    text = page()
    assert not re.search(r"<script|<link|@import|url\(|https?://|src=", text)
    assert "prefers-color-scheme: dark" in text


def test_its_tags_are_closed_in_order() -> None:
    parser = Nesting()
    parser.feed(page())
    assert parser.open == []


def test_no_number_is_missing_or_infinite() -> None:
    text = page()
    assert "nan" not in re.sub(r"<[^>]+>", " ", text).lower().split()
    assert not re.search(r'[ "]-?(nan|inf)\b', text, re.IGNORECASE)


def test_names_from_outside_are_escaped() -> None:
    text = page(symbol="<b>X</b>")
    assert "<b>X</b>" not in text
    assert "&lt;b&gt;X" in text


def test_forecasts_without_probability_or_interval_are_said_to_have_none() -> None:
    nothing = np.full(1_600, np.nan)
    report = evaluate([replace(asset(n=1_600), p_up=nothing, low=nothing)], source="made-up prices")
    text = as_html(report)
    assert "No probability of a rise was given." in text
    assert "No interval was given." in text


def test_an_empty_report_is_a_page_too() -> None:
    assert "<h1>Nothing to judge.</h1>" in as_html(evaluate([], source="an empty folder"))


def test_ticks_are_round_and_inside() -> None:
    assert ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-37.0, 12.0) == [-30.0, -20.0, -10.0, 0.0, 10.0]
    assert ticks(0.9931, 1.0042) == [0.994, 0.996, 0.998, 1.0, 1.002, 1.004]
