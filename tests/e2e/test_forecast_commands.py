"""``chloe evaluate``, ``chloe features`` and ``chloe models`` as they are typed."""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from quick_folder import START, quick_folder

from services.cli import main
from services.inference import store
from services.inference.registry import TrainedModel, digest
from services.kernel.database import connect_pool
from services.kernel.migrate import migrate
from services.standalone import servers

HOURS = 50 * 24


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that trains quickly on few days."""
    return quick_folder(tmp_path, monkeypatch, days=HOURS // 24, retrain_days=10)


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["chloe", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    if ended.value.code not in {0, None}:
        raise AssertionError(str(ended.value.code))


def test_evaluate_prints_the_verdict_and_writes_the_page_and_the_json(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "evaluate", "--from", "candles", "--html", "out/page.html", "--json", "out/report.json")
    said = capsys.readouterr().out
    report = json.loads((place / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["verdict"] in said
    assert "replayed" in said
    assert [one["symbol"] for one in report["verdicts"]] == ["BTC/USDT", "ETH/USDT"]
    assert {one["model"] for one in report["models"]} == {"ensemble", "lightgbm"}
    assert all(one["rmse_random_walk"] > 0.0 for one in report["models"])
    assert report["cost_bps"] == {"BTC/USDT": 24.0, "ETH/USDT": 24.0}
    page = (place / "out" / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "a quick model on a few days" in page


def test_evaluate_keeps_to_the_asset_and_the_span_that_are_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "evaluate", "--from", "candles", "--json", "whole.json")
    since = ("--since", "2024-02-05", "--until", "2024-02-15")
    typed(monkeypatch, "evaluate", "eth-usdt", "--from", "candles", *since, "--json", "part.json")
    whole, part = (json.loads((place / name).read_text(encoding="utf-8")) for name in ("whole.json", "part.json"))
    assert [one["symbol"] for one in part["verdicts"]] == ["ETH/USDT"]
    assert part["since"].startswith("2024-02-05")
    (score,) = [one for one in part["models"] if one["model"] == "lightgbm"]
    # Outcomes after the span are known from the candles, so that every slice of it counts.
    assert score["n"] == 240
    (all_of_eth,) = [one for one in whole["models"] if (one["symbol"], one["model"]) == ("ETH/USDT", "lightgbm")]
    assert all_of_eth["n"] > 400


def test_evaluate_refuses_what_is_not_there_in_one_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssertionError, match="chloe: no candles of SOL/USDT; there are those of BTC/USDT, ETH/USDT"):
        typed(monkeypatch, "evaluate", "SOL/USDT", "--from", "candles")
    with pytest.raises(AssertionError, match="no such file"):
        typed(monkeypatch, "evaluate", "--from", "candles", "--trades", "absent.jsonl")


def test_features_lists_every_feature_with_its_formula(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "features", "--json")
    found = json.loads(capsys.readouterr().out)
    assert len(found) >= 60
    assert set(found[0]) == {"name", "formula", "source", "bars", "unit"}
    typed(monkeypatch, "features")
    printed = capsys.readouterr().out
    assert "return_24" in printed
    assert "close[t" in printed, "square brackets are no markup"


def test_models_lists_what_is_configured_and_what_a_platform_has_registered(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, "models", "--json", "--data", "none")
    alone = json.loads(capsys.readouterr().out)
    assert {one["model"] for one in alone["configured"]} == {"random_walk", "lightgbm"}
    assert alone["registered"] == []

    started = servers.start(place / "d")
    try:
        migrate(started.database_url)
        asyncio.run(register(started.database_url))
        typed(monkeypatch, "models", "--json", "--data", str(place / "d"))
        (row,) = json.loads(capsys.readouterr().out)["registered"]
        typed(monkeypatch, "models", "--data", str(place / "d"))
        printed = capsys.readouterr().out
    finally:
        started.stop()
    assert (row["symbol"], row["model"], row["version"], row["versions"]) == ("BTC/USDT", "lightgbm", "second", 2)
    assert row["metrics"] == {"rows": 5}
    assert "second" in printed


async def register(database_url: str) -> None:
    pool = await connect_pool(database_url, size=1)
    try:
        async with pool.acquire() as conn, conn.transaction():
            await store.save_models(conn, [trained("first", 0), trained("second", 10)])
    finally:
        await pool.close()


def trained(version: str, day: int) -> TrainedModel:
    begins = START + timedelta(days=day)
    return TrainedModel(
        model="lightgbm",
        version=version,
        symbol="BTC/USDT",
        asset_class="crypto",
        horizon_hours=12,
        trained_from=begins,
        trained_through=begins + timedelta(days=8),
        valid_from=begins + timedelta(days=9),
        valid_until=None,
        features_hash="any",
        params={},
        metrics={"rows": 5},
        artefact=version.encode(),
        artefact_sha256=digest(version.encode()),
    )
