"""What a slice of the paper books means for the live positions: sizes, shares, refusals."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import msgspec
from desk_world import START, decided, fill, order, settled

from services.contracts.books import Rate
from services.contracts.messages import Order, OrdersDecided, PortfolioSettled
from services.execution.brokers.protocol import Instrument
from services.execution.live.mirror import Market, Mirrored, Situation, Slice, mirror
from services.execution.live.state import Account, Followed, Led, Mandate

ACCOUNT = Account(uuid4(), "bybit/testnet", "testnet", "USDT", "cash", Decimal(1000), START)
STEP = Instrument("BTC/USDT", Decimal("0.01"), Decimal("0.001"), Decimal("0.001"), Decimal(5), shortable=True)
MARKET = Market(ACCOUNT, STEP, Decimal(100))
DESK = Situation(
    now=START + timedelta(seconds=30),
    mandates={},
    held={},
    busy=frozenset(),
    markets={"BTC/USDT": MARKET},
    left_today=Decimal(500),
    fresh=timedelta(minutes=10),
    mirror_exploration=False,
)
ENTRY = order(START, "BTC/USDT", "buy", Decimal(30), "entry", Decimal(20), Decimal(19))
HELD = Mandate("BTC/USDT", "bybit/testnet", "crypto", wanted=Decimal("5.000"), paper_order_id=ENTRY.id, made=1)
HOLDING = msgspec.structs.replace(HELD, stop_price=Decimal(19))


def after(
    *orders: Order, desk: Situation = DESK, books: PortfolioSettled | None = None, followed: Followed | None = None
) -> Mirrored:
    word: OrdersDecided = decided(START, orders)
    return mirror(followed or Followed(), Slice(books or settled(START, {}), word), desk)


def with_position(paper: str, *orders: Order, **books: object) -> Mirrored:
    desk = changed(mandates={"BTC/USDT": HOLDING}, held={"BTC/USDT": Decimal("5.000")})
    followed = books.pop("followed", None)
    word = settled(START, {"BTC/USDT": Decimal(paper)}, **books)  # type: ignore[arg-type]
    return after(*orders, desk=desk, books=word, followed=followed)  # type: ignore[arg-type]


def changed(**fields: object) -> Situation:
    values = {name: getattr(DESK, name) for name in Situation.__dataclass_fields__} | fields
    return Situation(**values)


def refusal(entry: Order, desk: Situation = DESK) -> str:
    out = after(entry, desk=desk)
    assert out.orders == []
    assert out.mandates == dict(desk.mandates)
    return out.said["BTC/USDT"]


def test_an_approved_entry_becomes_a_live_order_of_the_live_size() -> None:
    out = after(ENTRY)
    (one,) = out.orders
    assert (one.side, one.kind, one.quantity, one.purpose) == ("buy", "market", Decimal("5.000"), "entry")
    assert one.paper_order_id == ENTRY.id
    mandate = out.mandates["BTC/USDT"]
    assert (mandate.wanted, mandate.stop_price, mandate.made) == (Decimal(5), Decimal(19), 1)
    assert out.left_today == Decimal(400)


def test_a_paper_order_smaller_than_the_live_limit_is_mirrored_in_its_own_size() -> None:
    (one,) = after(msgspec.structs.replace(ENTRY, quantity=Decimal("2.0005"))).orders
    assert one.quantity == Decimal("2.000"), "rounded down to the broker's step"


def test_a_short_is_mirrored_as_a_short() -> None:
    out = after(msgspec.structs.replace(ENTRY, side="sell", stop_price=Decimal(21)))
    assert out.mandates["BTC/USDT"].wanted == Decimal(-5)


def test_an_increase_fills_up_to_the_limit_of_the_position_only() -> None:
    more = msgspec.structs.replace(ENTRY, reason="increase")
    small = changed(mandates={"BTC/USDT": msgspec.structs.replace(HOLDING, wanted=Decimal(4))},
                    held={"BTC/USDT": Decimal(4)})  # fmt: skip
    out = after(more, desk=small, books=settled(START, {"BTC/USDT": Decimal(30)}))
    assert [o.quantity for o in out.orders] == [Decimal(1)]
    assert out.mandates["BTC/USDT"].wanted == Decimal(5)


def test_every_refused_entry_says_why() -> None:
    explores = msgspec.structs.replace(ENTRY, explores=True)
    assert "paper explores" in refusal(explores)
    assert after(explores, desk=changed(mirror_exploration=True)).orders
    assert "too old" in refusal(ENTRY, changed(now=START + timedelta(minutes=11)))
    assert "its live phase" in refusal(ENTRY, changed(markets={"BTC/USDT": "its live phase is not active"}))
    assert "no broker takes" in refusal(ENTRY, changed(markets={}))
    assert "limits leave" in refusal(ENTRY, changed(left_today=Decimal(4)))
    assert "under way" in refusal(ENTRY, changed(busy=frozenset({"BTC/USDT"})))
    assert "still being reduced" in refusal(ENTRY, changed(held={"BTC/USDT": Decimal(1)}))
    assert "no stop" in refusal(msgspec.structs.replace(ENTRY, stop_price=None))
    assert "only market entries" in refusal(msgspec.structs.replace(ENTRY, kind="limit", limit_price=Decimal(19)))
    suspended = msgspec.structs.replace(STEP, tradable=False, shortable=False)
    assert "suspended" in refusal(ENTRY, changed(markets={"BTC/USDT": Market(ACCOUNT, suspended, Decimal(100))}))
    lent = msgspec.structs.replace(STEP, shortable=False)
    short = msgspec.structs.replace(ENTRY, side="sell")
    assert "does not lend" in refusal(short, changed(markets={"BTC/USDT": Market(ACCOUNT, lent, Decimal(100))}))


def test_a_halt_refuses_entries_and_lets_reductions_pass() -> None:
    word = msgspec.structs.replace(decided(START, (ENTRY,)), halted="by a person")
    assert "halted: by a person" in mirror(Followed(), Slice(settled(START, {}), word), DESK).said["BTC/USDT"]
    exit_order = order(START, "BTC/USDT", "sell", Decimal(30), "flatten", Decimal(20), None)
    word = msgspec.structs.replace(decided(START, (exit_order,)), halted="by a person")
    desk = changed(mandates={"BTC/USDT": HOLDING}, now=START + timedelta(days=3))
    out = mirror(Followed(), Slice(settled(START, {"BTC/USDT": Decimal(30)}), word), desk)
    assert out.mandates["BTC/USDT"].wanted == 0, "whatever its age"


def test_a_reduction_takes_the_same_share_of_the_live_position_when_it_is_decided() -> None:
    third = order(START, "BTC/USDT", "sell", Decimal(10), "reduce", Decimal(20), None)
    out = with_position("30", third)
    assert out.mandates["BTC/USDT"].wanted == Decimal("3.33333333")
    assert out.followed.led == {"BTC/USDT": Led(third.id, Decimal(10))}


def test_a_reduction_that_was_led_is_not_taken_twice_when_paper_fills_it() -> None:
    led = Followed(START - timedelta(hours=1), {"BTC/USDT": Led(uuid4(), Decimal(10))})
    done = fill(START, "BTC/USDT", "sell", Decimal(10), uuid4())
    out = with_position("20", fills=(done,), followed=led)
    assert out.mandates["BTC/USDT"].wanted == Decimal(5)
    assert out.followed.led == {}


def test_what_papers_venue_stops_out_of_leaves_the_same_share_live() -> None:
    out = with_position("15", fills=(fill(START, "BTC/USDT", "sell", Decimal(15), None),))
    assert out.mandates["BTC/USDT"].wanted == Decimal("2.5")


def test_a_stop_that_trails_on_paper_trails_live() -> None:
    books = settled(START, {"BTC/USDT": Decimal(30)})
    for trail, stop in ((Decimal("0.05"), Decimal("19.5")), (None, HOLDING.stop_price)):
        position = msgspec.structs.replace(books.positions[0], stop_price=Decimal("19.5"), trail=trail)
        moved = msgspec.structs.replace(books, positions=(position,))
        out = after(desk=changed(mandates={"BTC/USDT": HOLDING}), books=moved)
        assert (out.mandates["BTC/USDT"].stop_price, out.mandates["BTC/USDT"].wanted) == (stop, Decimal(5))


def test_where_paper_is_flat_or_turned_live_is_to_be_flat() -> None:
    assert with_position("0").mandates["BTC/USDT"].wanted == 0
    assert with_position("-3").mandates["BTC/USDT"].wanted == 0
    assert with_position("0", working=(ENTRY.id,)).mandates["BTC/USDT"].wanted == 5, "its entry still waits on paper"


def test_a_slice_that_was_followed_changes_nothing_when_it_comes_again() -> None:
    first = after(ENTRY)
    again = after(ENTRY, followed=first.followed)
    assert (again.orders, again.followed) == ([], first.followed)


def test_a_price_in_another_currency_is_sized_in_the_accounts() -> None:
    pounds = msgspec.structs.replace(ENTRY, symbol="GBP/JPY", reference_price=Decimal(200), quantity=Decimal(1000))
    rule = Instrument("GBP/JPY", Decimal("0.001"), Decimal(1), Decimal(1), Decimal(0), shortable=True)
    books = settled(START, {})
    books = msgspec.structs.replace(books, rates=(Rate("JPY", Decimal("0.0065"), START),))
    desk = changed(markets={"GBP/JPY": Market(ACCOUNT, rule, Decimal(100))})
    (one,) = mirror(Followed(), Slice(books, decided(START, (pounds,))), desk).orders
    assert one.quantity == Decimal(76), "100 / (200 * 0.0065) = 76.9"
