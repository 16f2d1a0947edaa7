"""Live is off unless every single condition holds; each missing one is named."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from desk_world import ASSETS, DELIVERED, START

from services.execution.live import __main__ as wiring
from services.execution.live.permission import LiveFacts, may_trade_live
from services.execution.live.settings import LIVE_FILE, LiveSettings
from services.kernel import process
from services.kernel.config import load
from services.kernel.errors import ConfigError, StartRefused
from services.kernel.settings import Settings

ALL = LiveFacts(
    now=START,
    symbol="BTC/USDT",
    run_mode="live",
    switch_in_config=True,
    switch_in_environment=True,
    broker="bybit/testnet",
    missing_keys=(),
    phase_active=True,
    trading_enabled=True,
    live_enabled=True,
    audit_at=START - timedelta(days=1),
    audit_ready=True,
    audit_valid=timedelta(days=7),
    max_notional=Decimal(50),
    reconciled_at=START - timedelta(seconds=30),
    reconciled_within=timedelta(seconds=180),
)

LACKING: list[tuple[dict[str, object], str]] = [
    ({"run_mode": "replay"}, "replay mode"),
    ({"run_mode": None}, "not live"),
    ({"switch_in_config": False}, "enabled: false"),
    ({"switch_in_environment": False}, "CHLOE_LIVE"),
    ({"broker": None}, "no broker takes"),
    ({"missing_keys": ("BYBIT_API_KEY",)}, "BYBIT_API_KEY not set"),
    ({"phase_active": False}, "its phase is not active"),
    ({"trading_enabled": False}, "not even on paper"),
    ({"live_enabled": False}, "live phase is not active"),
    ({"audit_at": None}, "not been audited"),
    ({"audit_ready": False}, "says not ready"),
    ({"audit_at": START - timedelta(days=8)}, "older than 7 days"),
    ({"max_notional": None}, "max_notional"),
    ({"max_notional": Decimal(0)}, "max_notional"),
    ({"reconciled_at": None}, "have not been compared"),
    ({"reconciled_at": START - timedelta(seconds=181)}, "last found equal"),
    ({"flags": ("books_broken: differ",)}, "open flag: books_broken: differ"),
]


def test_an_asset_with_everything_may_trade_live() -> None:
    assert may_trade_live(ALL) == ()


@pytest.mark.parametrize(("change", "words"), LACKING, ids=[words for _, words in LACKING])
def test_one_missing_condition_is_enough_to_refuse_and_is_named(change: dict[str, object], words: str) -> None:
    (reason,) = may_trade_live(msgspec.structs.replace(ALL, **change))
    assert words in reason


def test_as_delivered_live_is_off_and_no_asset_has_a_size() -> None:
    assert not DELIVERED.enabled
    assert DELIVERED.max_notional == {}
    assert {one.environment for one in DELIVERED.brokers.values()} <= {"testnet", "paper", "practice"}
    assert {c for one in DELIVERED.brokers.values() for c in one.classes} == set(ASSETS.classes)


async def nothing(_: object) -> None:
    raise AssertionError("must not be reached")


def test_a_replay_is_refused_before_anything_is_connected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "connect_pool", nothing)
    monkeypatch.setenv("CHLOE_LIVE", "yes")
    with pytest.raises(SystemExit, match="a replay never trades live"):
        process.main(wiring.serve, lambda: Settings(source="replay"))


def test_accounts_without_keys_are_named_and_not_connected() -> None:
    brokers, missing = wiring.connect(DELIVERED, ASSETS, {})
    assert brokers == []
    assert set(missing) == {"bybit/testnet", "alpaca/paper", "oanda/practice"}
    assert "OANDA_TOKEN" in missing["oanda/practice"]


def test_real_money_needs_the_switch_in_the_environment_even_to_connect() -> None:
    live = DELIVERED.model_copy(
        update={"brokers": {"alpaca": DELIVERED.brokers["alpaca"].model_copy(update={"environment": "live"})}}
    )
    keys = {"ALPACA_API_KEY_ID": "k" * 20, "ALPACA_API_SECRET_KEY": "s" * 40}
    with pytest.raises(StartRefused, match="CHLOE_LIVE=yes"):
        wiring.connect(live, ASSETS, keys)


def test_a_broker_that_there_is_not_is_refused_by_name() -> None:
    unknown = DELIVERED.model_copy(update={"brokers": {"nobody": DELIVERED.brokers["alpaca"]}})
    with pytest.raises(ConfigError, match="nobody"):
        wiring.connect(unknown, ASSETS, {})


def test_an_unknown_key_in_the_file_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("config")
    (folder / LIVE_FILE).write_text("enable: true\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"live\.yaml: (unknown )?key"):
        load(LiveSettings, LIVE_FILE, folder)
