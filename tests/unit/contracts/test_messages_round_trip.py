"""Every message reads back as it was written, byte for byte; what is not known is refused by name."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts import messages as m
from services.contracts.messages import AnyMessage, decode, encode

MESSAGES: tuple[type[m.Message], ...] = get_args(AnyMessage)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    bool: st.booleans(),
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    Decimal: st.decimals("-99999999999", "99999999999", places=8),
    UUID: st.uuids(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    NoneType: st.none(),
}


def strategy(hint: Any) -> st.SearchStrategy[Any]:
    """Make values of a field's type: ours are built of few forms."""
    if hint in PLAIN:
        return PLAIN[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        least = [meta.ge for meta in args[1:] if getattr(meta, "ge", None) is not None]
        return st.integers(least[0], 2**53) if least else strategy(args[0])
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, UnionType):
        return st.one_of(*(strategy(arg) for arg in args))
    if origin is tuple:
        return st.lists(strategy(args[0]), max_size=2).map(tuple)
    return of(hint)


def of(kind: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{name: strategy(hints[name]) for name in kind.__struct_fields__})


def keys_of(message: m.Message) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode(message))
    return found


any_message = st.one_of(*(of(kind) for kind in MESSAGES))
EXAMPLE = m.FeedAdvanced(ts=datetime(2024, 1, 1, tzinfo=UTC), source="replay", timeframe="1h")


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_message_reads_back_equal_and_writes_the_same_bytes(kind: type[m.Message], data: st.DataObject) -> None:
    message = data.draw(of(kind))
    written = encode(message)
    back = decode(written)
    assert back == message
    assert type(back) is kind
    assert encode(back) == written
    assert decode(written.decode()) == message


@settings(max_examples=60, deadline=None)
@given(any_message)
def test_json_names_its_type_and_writes_money_as_text(message: m.Message) -> None:
    content = keys_of(message)
    assert content["type"] == type(message).__name__
    if isinstance(message, m.PortfolioSettled):
        assert isinstance(content["cash"], str)
        assert Decimal(content["cash"]) == message.cash


@settings(max_examples=60, deadline=None)
@given(any_message)
def test_unknown_fields_are_refused_by_name(message: m.Message) -> None:
    content = keys_of(message) | {"surprise": 1}
    with pytest.raises(msgspec.ValidationError, match="unknown field `surprise`"):
        decode(json.dumps(content))


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_missing_field_is_refused_by_name(kind: type[m.Message], data: st.DataObject) -> None:
    content = keys_of(data.draw(of(kind)))
    required = [f.name for f in msgspec.structs.fields(kind) if f.required]
    left_out = data.draw(st.sampled_from(required))
    del content[left_out]
    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{left_out}`"):
        decode(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ts": "2024-01-01T00:00:00"}, "datetime` with a timezone component - at `\\$.ts`"),
        ({"ts": "yesterday"}, "at `\\$.ts`"),
        ({"source": 5}, "Expected `str`, got `int` - at `\\$.source`"),
        ({"ended": "yes"}, "at `\\$.ended`"),
        ({"type": "Nonsense"}, "Invalid value 'Nonsense' - at `\\$.type`"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(change: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        decode(json.dumps(keys_of(EXAMPLE) | change))


def test_a_wrong_part_deep_inside_is_refused_with_its_path() -> None:
    closed = m.SliceClosed(EXAMPLE.ts, "1h", (m.Bar("BTC/USDT", "crypto", 1.0, 1.0, 1.0, 1.0, 1.0),))
    content = keys_of(closed)
    content["bars"][0]["low"] = "cheap"
    with pytest.raises(msgspec.ValidationError, match=r"Expected `float`, got `str` - at `\$\.bars\[0\]\.low`"):
        decode(json.dumps(content))


def test_a_slice_without_splits_or_doubts_is_written_as_before_they_were_known() -> None:
    old = b'{"type":"SliceClosed","ts":"2024-01-01T00:00:00Z","timeframe":"1h","bars":[],"missing":[]}'
    plain = m.SliceClosed(EXAMPLE.ts, "1h", ())
    assert decode(old) == plain
    assert keys_of(plain).keys() == {"type", "ts", "timeframe", "bars"}
    doubted = m.SliceClosed(EXAMPLE.ts, "1h", (), (), (m.Split("NVDA", 10, 1),), (m.Missing("NVDA", "a 1 and b 2"),))
    assert decode(encode(doubted)) == doubted


@pytest.mark.parametrize("split", [{"new": 0, "old": 1}, {"new": 1, "old": 0}, {"new": 1.5, "old": 1}])
def test_a_split_into_nothing_or_by_a_fraction_is_refused(split: dict[str, Any]) -> None:
    content = keys_of(m.SliceClosed(EXAMPLE.ts, "1h", (), (), (m.Split("NVDA", 10, 1),)))
    content["splits"] = [{"symbol": "NVDA", **split}]
    with pytest.raises(msgspec.ValidationError, match=r"at `\$\.splits\[0\]"):
        decode(json.dumps(content))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', '{"type": "FeedAdvanced"', "\udcff"])
def test_what_is_no_message_at_all_is_refused(text: str) -> None:
    with pytest.raises((msgspec.DecodeError, ValueError)):
        decode(text)


def test_messages_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        EXAMPLE.source = "other"  # type: ignore[misc]


@given(st.datetimes(timezones=st.just(UTC)), TEXT, TEXT)
def test_a_decision_has_one_name_for_each_slice_stage_and_subject(ts: datetime, stage: str, subject: str) -> None:
    assert m.decision_id(ts, stage, subject) == m.decision_id(ts, stage, subject)
    assert m.decision_id(ts, stage, subject) != m.decision_id(ts, stage, subject + "x")
    assert m.decision_id(ts, stage, "a") != m.decision_id(ts, stage + "y", "a")


def test_every_declared_message_can_be_read() -> None:
    declared = {
        kind
        for kind in vars(m).values()
        if isinstance(kind, type) and issubclass(kind, m.Message) and kind != m.Message
    }
    assert set(MESSAGES) == declared
