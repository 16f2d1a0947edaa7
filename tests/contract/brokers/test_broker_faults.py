"""What a broker does on a bad day, the same for each: refusals are told from silence, and nothing is sent twice.

The answers are made by hand.
"""

import asyncio
import logging
import traceback
from typing import Any

import pytest
from broker_cases import MODULES, NOW, Ask, bybit_says, changes, healthy, questions
from broker_wire import Asked, Line, Told, line
from recording import keys_of

from services.execution.brokers.protocol import Ambiguous, Rejected
from services.execution.brokers.wire import ATTEMPTS
from services.kernel.errors import ChloeError
from services.kernel.provider_errors import (
    BadKey,
    BadReply,
    BadRequest,
    Blocked,
    FeedError,
    RateLimited,
    SourceDown,
    SymbolNotOffered,
)

PAGE = b"<!DOCTYPE html><html><body>Something happened</body></html>"
ANSWER = b'{"retCode": 0, "result": {"list": [{"orderId": "1", "id": "2", "orders": []}]}}'
REFUSALS: dict[int, type[FeedError]] = {
    400: BadRequest,
    401: BadKey,
    403: Blocked,
    404: SymbolNotOffered,
    409: BadRequest,
    422: BadRequest,
    429: RateLimited,
}
SILENCE: dict[str, tuple[Told, set[type[FeedError]]]] = {
    "500": (Told(PAGE, 500), {SourceDown}),
    "503": (Told(PAGE, 503), {SourceDown}),
    "time-out": (Told(how="hang"), {SourceDown}),
    "connection lost": (Told(how="drop"), {SourceDown}),
    "half a body": (Told(ANSWER, how="half"), {BadReply}),
    "a web page": (Told(PAGE, headers={"Content-Type": "text/html"}), {BadReply}),
    "garbage": (Told(b"\xff\xfe{"), {BadReply}),
    "empty": (Told(b""), {BadReply}),
    "null": (Told(None), {BadReply}),
    "a list of nothing": (Told([None]), {BadReply}),
    "another object": (Told({"hello": "there"}), {BadReply}),
}
CHANGES = [(name, call) for name in MODULES for call in changes(name)]
QUESTIONS = [(name, call) for name in MODULES for call in questions(name)]
CHANGE = pytest.mark.parametrize(("name", "call"), CHANGES)
QUESTION = pytest.mark.parametrize(("name", "call"), QUESTIONS)


def outcome(name: str, ask: Ask, fault: Told, *, changing: bool) -> tuple[Any, Line]:
    """What an adapter makes of a fault in all questions, or in what it asks to be done."""

    def respond(asked: Asked) -> Told:
        return fault if asked.changes == changing else healthy(name)(asked)

    async def run() -> tuple[Any, Line]:
        # ccxt waits in earnest, and only where nothing is answered.
        patience = {"timeout_s": 0.1 if fault.how == "hang" else 10.0} if name == "bybit" else {}
        async with line(MODULES[name], respond, clock=lambda: NOW, **patience) as opened:
            try:
                return await ask(opened.broker), opened
            except ChloeError as error:
                return error, opened

    return asyncio.run(run())


@CHANGE
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refused_change_is_definite_and_sent_once(name: str, call: str, status: int) -> None:
    answer, opened = outcome(name, changes(name)[call], Told(PAGE, status), changing=True)
    kind = REFUSALS[status]
    assert type(answer) is (Rejected if kind is BadRequest else kind)
    assert len(opened.sent) == 1


@CHANGE
@pytest.mark.parametrize("fault", SILENCE)
def test_a_change_without_a_clear_answer_is_ambiguous_and_sent_once(name: str, call: str, fault: str) -> None:
    if call == "cancel" and fault not in ("500", "503", "time-out", "connection lost") and name != "bybit":
        # What HTTP calls a success is one: the body of a cancellation says nothing that is needed.
        return
    answer, opened = outcome(name, changes(name)[call], SILENCE[fault][0], changing=True)
    assert type(answer) is Ambiguous
    assert "\n" not in str(answer)
    assert len(opened.sent) == 1
    assert opened.sent[0].method in str(answer)


@pytest.mark.parametrize("name", ["alpaca", "bybit"])
@pytest.mark.parametrize("fault", SILENCE)
def test_a_cancellation_whose_order_cannot_be_found_out_about_is_ambiguous(name: str, fault: str) -> None:
    answer, opened = outcome(name, changes(name)["cancel"], SILENCE[fault][0], changing=False)
    assert type(answer) is Ambiguous
    assert opened.sent == []


@QUESTION
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refused_question_becomes_its_error(name: str, call: str, status: int) -> None:
    answer, opened = outcome(name, questions(name)[call], Told(PAGE, status), changing=False)
    assert type(answer) is REFUSALS[status]
    assert str(answer).startswith(f"{name} GET ")
    assert opened.sent == []
    assert len(opened.asked) == (ATTEMPTS if status == 429 else 1)


@QUESTION
@pytest.mark.parametrize("fault", SILENCE)
def test_a_question_without_an_answer_is_asked_again_and_then_given_up(name: str, call: str, fault: str) -> None:
    told, kinds = SILENCE[fault]
    answer, opened = outcome(name, questions(name)[call], told, changing=False)
    assert type(answer) in kinds
    assert "\n" not in str(answer)
    assert str(answer).startswith(f"{name} GET ")
    assert opened.sent == []
    # JSON may be found wrong by its reader, who does not ask again; aiohttp asks twice where a connection is lost.
    read = {key: {1, ATTEMPTS} for key in ("null", "a list of nothing", "another object")}
    usual = read | {"connection lost": {ATTEMPTS, 2 * ATTEMPTS}}
    assert len(opened.asked) in usual.get(fault, {ATTEMPTS})


@QUESTION
@pytest.mark.parametrize("body", [{}, [], [{}], {"result": {}}, {"retCode": 0, "result": {"list": [{}]}}, 7, "text"])
def test_nonsense_is_an_error_and_never_an_empty_account(name: str, call: str, body: Any) -> None:
    answer, _ = outcome(name, questions(name)[call], Told(body), changing=False)
    if body == [] and name == "alpaca" and call not in ("order", "cash", "instrument"):
        # An empty list is how Alpaca says that there is nothing.
        assert answer == []
        return
    assert isinstance(answer, FeedError)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("call", ["order", "open_orders", "fills", "charges", "positions", "cash", "instrument"])
def test_a_number_that_somebody_made_a_float_is_refused_not_believed(name: str, call: str) -> None:
    def floating(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: floating(one) for key, one in value.items()}
        if isinstance(value, list):
            return [floating(one) for one in value]
        text = isinstance(value, str) and value.replace(".", "", 1).lstrip("-").isdigit()
        return float(value) if text else value

    async def run() -> Any:
        def respond(asked: Asked) -> Told:
            return Told(floating(healthy(name)(asked).body))

        async with line(MODULES[name], respond, clock=lambda: NOW) as opened:
            return await questions(name)[call](opened.broker)

    if (name, call) == ("alpaca", "instrument"):
        # Shares carry no numbers in their rules.
        assert asyncio.run(run()).tradable
        return
    with pytest.raises(BadReply, match="missing or unreadable"):
        asyncio.run(run())


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("call", ["submit", "cancel", "order", "fills", "cash"])
def test_planted_keys_come_out_nowhere(
    name: str, call: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for logger in ("ccxt", "httpx", "httpcore", "aiohttp"):
        logging.getLogger(logger).setLevel(logging.NOTSET)
    keys = keys_of(MODULES[name].NEEDS).values()
    said = " ".join(keys)
    body: dict[str, Any] = {"message": f"your key {said}", "errorMessage": said, "retCode": 10003, "retMsg": said}
    body |= {"code": 40310000, "errorCode": said, "orderRejectTransaction": {"rejectReason": said}, "id": said}
    told = [Told(body, status) for status in (200, 201, 400, 401, 403, 404, 422, 429, 500)]
    told += [Told(PAGE + said.encode(), status) for status in (200, 400, 403, 500)]
    told += [bybit_says({"list": [{"orderLinkId": said}]}), bybit_says(None, 170131, f"no money, {said}")]
    told += [Told(how="drop"), Told(b"", 302, {"Location": f"https://elsewhere.example/?k={said}"})]
    ask = (changes(name) | questions(name))[call]
    used = ""
    for fault in told:
        for changing in (True, False):
            answer, opened = outcome(name, ask, fault, changing=changing)
            shown = f"{answer!r} {opened.broker!r} {vars(opened.broker).keys()} {caplog.text}" + "".join(
                capfd.readouterr()
            )
            if isinstance(answer, ChloeError):
                shown += "".join(traceback.format_exception(answer))
                assert "\n" not in str(answer)
            assert not [key for key in keys if key in shown], fault
            used += "".join(f"{asked.path} {asked.headers}" for asked in opened.asked)
    assert [key for key in keys if key in used], "the keys were not even used"


@pytest.mark.parametrize("name", MODULES)
def test_a_redirect_is_not_followed_with_an_order_in_hand(name: str) -> None:
    elsewhere = Told(b"", 307, {"Location": "/elsewhere"})
    answer, opened = outcome(name, changes(name)["submit"], elsewhere, changing=True)
    assert type(answer) is Ambiguous
    assert len(opened.asked) == 1
