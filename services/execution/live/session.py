"""One broker's account: take in what happened, move orders on, work toward the mandates, compare with the broker."""

from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid5

from services.contracts.messages import CHLOE_NAMESPACE
from services.execution.brokers.protocol import Ambiguous, Broker, BrokerError, Instrument, Rejected
from services.execution.live import desk
from services.execution.live.ledger import LiveLedger
from services.execution.live.memory import Memory
from services.execution.live.reconcile import (
    CASH_MISMATCH,
    DOWN,
    MISMATCH,
    STUCK,
    Told,
    differences,
    opening_objections,
    revived,
)
from services.execution.live.settings import LiveSettings, account
from services.execution.live.state import IN_DOUBT, Account, Change, DeskOrder, Flag, Mandate, StoredCharge, StoredFill
from services.execution.live.work import Bench, advance, unprotected
from services.kernel.logging import get
from services.kernel.provider_errors import (
    BadKey,
    BadReply,
    BadRequest,
    Blocked,
    BudgetSpent,
    FeedError,
    NotEntitled,
    RateLimited,
    SymbolNotOffered,
)

NOT_CARRIED_OUT = (RateLimited, BadKey, NotEntitled, Blocked, BudgetSpent)
"""Errors of a submission that say that nothing reached the book; all others leave it in doubt."""

OF_ONE_ASSET = (SymbolNotOffered, BadRequest, BadReply, BrokerError)
"""Errors that may concern one asset alone; the others are tended all the same."""

STUCK_AFTER = 3
"""Reductions in a row that come to nothing before a person is told."""


class Session:
    """Works one account; holds nothing that the stored rows do not say, but for when it last looked."""

    def __init__(self, broker: Broker, memory: Memory, settings: LiveSettings, *, entering: bool) -> None:
        self.broker = broker
        self.entering = entering
        """False where a switch is off: what is held is guarded and left, nothing is entered or taken over."""
        self.memory = memory
        self.settings = settings
        self.log = get("live").bind(account=self.name)
        self.instruments: dict[str, Instrument] = {}
        self.reconciled_at: datetime | None = None
        self.doubts: dict[str, tuple[int, str]] = {}
        """What differed when last compared, and in how many comparisons in a row."""
        self._next_comparison: datetime | None = None
        self._next_fills: datetime | None = None
        self._away_until: datetime | None = None
        self._failures = 0
        self._down_since: datetime | None = None

    @property
    def name(self) -> str:
        """The account's name."""
        return account(self.broker.name, self.broker.environment)

    async def tend(self, now: datetime) -> None:
        """Do one round; a broker that fails is left alone for a while, and everything stays as it is stored."""
        if self._away_until is not None and now < self._away_until:
            return
        try:
            await self._round(now)
        except (FeedError, BrokerError) as error:
            await self._failed(error, now)
            return
        if self._failures:
            self.log.info("the broker answers again", after_failures=self._failures)
            self._failures, self._away_until, self._down_since = 0, None, None
        if (DOWN, self.name) in self.memory.flags:
            await self.memory.commit(Change(flags=(Flag(DOWN, self.name, None),)), now)

    def objections(self, symbol: str) -> tuple[str, ...]:
        """Return what differs in an asset or in the whole account, confirmed or not, and other flags of ours."""
        found = [words for subject, (_, words) in self.doubts.items() if subject in (symbol, self.name)]
        flags = self.memory.flags.items()
        found += [words for (_, subject), words in flags if subject in (symbol, self.name) and words not in found]
        return tuple(found)

    async def instrument(self, symbol: str) -> Instrument:
        """Return a symbol's rules, asked for once a process."""
        if symbol not in self.instruments:
            self.instruments[symbol] = await self.broker.instrument(symbol)
        return self.instruments[symbol]

    async def _round(self, now: datetime) -> None:
        ledger = self.memory.ledgers.get(self.name)
        if ledger is None:
            if self.entering and self._due(now):
                await self._take_over(now)
            return
        active = any(o.purpose != "stop" for o in self.memory.open_orders(self.name))
        idle = self._next_fills is None or now >= self._next_fills
        if self._due(now):
            await self._compare(ledger, now)
        elif active or idle:
            await self._take_in(ledger, now)
        failed: list[FeedError | BrokerError] = []
        for order in self.memory.open_orders(self.name):
            if idle or order.purpose != "stop" or order.status != "acked" or order.cancel_wanted:
                await _isolated(self._move(order, now), failed)  # stops at rest are looked at less often
        for mandate in list(self.memory.mandates.values()):
            if mandate.broker == self.name:
                await _isolated(self._work(mandate.symbol, ledger, now), failed)
        if failed:
            raise failed[0]

    # -- what happened -----------------------------------------------------------------------------------------------

    async def _take_in(self, ledger: LiveLedger, now: datetime) -> None:
        """Store executions and charges that are new, each under the broker's own id, with the orders they belong to."""
        timing = self.settings.timing
        since = self._since(ledger)
        known, changed, fills = ledger.fills, dict[object, DeskOrder](), list[StoredFill]()
        for fill in {f.id: f for f in await self.broker.fills(since)}.values():
            if fill.id in known:
                continue
            order = changed.get(fill.client_id) or self._ours(fill.client_id)
            fills.append(StoredFill(self.name, fill, order.id if order else None))
            if order is not None:
                changed[order.id] = desk.booked(order, fill.quantity, now)
        charges = [
            StoredCharge(self.name, c) for c in await self.broker.charges(since) if c.id not in ledger.charges
        ]  # fmt: skip
        if self._next_fills is None or now >= self._next_fills:
            self._next_fills = now + timedelta(seconds=timing.idle_poll_seconds)
        if fills or charges:
            await self.memory.commit(
                Change(orders=tuple(changed.values()), fills=tuple(fills), charges=tuple(charges)), now
            )
            for one in fills:
                self.log.info("filled", symbol=one.fill.symbol, side=one.fill.side, quantity=str(one.fill.quantity),
                              price=str(one.fill.price), ours=one.order_id is not None)  # fmt: skip

    def _since(self, ledger: LiveLedger) -> datetime:
        """Ask from well before the newest known execution, and from before the oldest order that is still open."""
        overlap = timedelta(seconds=self.settings.timing.fills_overlap_seconds)
        newest = max((f.fill.at for f in ledger.fills.values()), default=ledger.account.opened_at)
        oldest = min((o.decided_at for o in self.memory.open_orders(self.name)), default=newest)
        return max(min(newest, oldest) - overlap, ledger.account.opened_at)

    def _ours(self, client_id: object) -> DeskOrder | None:
        order = self.memory.orders.get(client_id)  # type: ignore[call-overload]
        return order if order is not None and order.broker == self.name else None

    # -- orders ------------------------------------------------------------------------------------------------------

    async def _move(self, order: DeskOrder, now: datetime) -> None:
        """Bring one order to its next state."""
        if order.status == "decided":
            entry = order.purpose in ("entry", "increase")
            if order.cancel_wanted or (entry and self._late(order, now)):
                await self._store(desk.given_up(order, order.detail or "not sent", now), now)
            elif not entry or not self._uncompared(order.symbol, now):
                await self._submit(order, now)
            return
        order = await self._ask(order, now)
        if order.open and order.cancel_wanted and order.status not in IN_DOUBT:
            await self.broker.cancel(order.id)

    def _late(self, order: DeskOrder, now: datetime) -> bool:
        """Whether an entry that has not reached the broker is not to be sent any more."""
        fresh = timedelta(seconds=self.settings.timing.entry_fresh_seconds)
        return not self.entering or desk.expired(order, now) or now - order.decided_at > fresh

    async def _submit(self, order: DeskOrder, now: datetime) -> None:
        """Store that the broker is being called, call it once, store what it said."""
        order = desk.submitting(order, now)
        await self._store(order, now)
        try:
            ack = await self.broker.submit(order.request)
        except (Rejected, SymbolNotOffered) as error:
            await self._rejected(order, str(error), now)
        except NOT_CARRIED_OUT as error:
            await self._store(desk.not_sent(order, str(error), now), now)
            raise
        except (Ambiguous, FeedError, OSError, TimeoutError) as error:
            await self._store(desk.in_doubt(order, str(error) or type(error).__name__, now), now)
        else:
            await self._store(desk.acknowledged(order, ack.broker_id, now), now)

    async def _rejected(self, order: DeskOrder, reason: str, now: datetime) -> None:
        """Believe a refusal, unless an earlier call of the same order may have got through."""
        if order.attempts > 1 and await self.broker.order(order.id) is not None:
            await self._store(desk.in_doubt(order, reason, now), now)
            return
        over = desk.refused(order, reason, now)
        mandate = unprotected(self.memory.mandates[order.symbol], over)
        self.log.warning("refused", symbol=order.symbol, purpose=order.purpose, reason=reason)
        await self.memory.commit(Change(orders=(over,), mandates=(mandate,)), now)

    async def _ask(self, order: DeskOrder, now: datetime) -> DeskOrder:
        found = await self.broker.order(order.id)
        in_flight = timedelta(seconds=self.settings.timing.in_flight_seconds)
        changed = desk.seen(order, found, now, unique_ids=self.broker.unique_ids, in_flight=in_flight)
        if changed != order:
            mandate = unprotected(self.memory.mandates[order.symbol], changed)
            await self.memory.commit(Change(orders=(changed,), mandates=(mandate,)), now)
        return changed

    async def _store(self, order: DeskOrder, now: datetime) -> None:
        await self.memory.commit(Change(orders=(order,)), now)

    def _uncompared(self, symbol: str, now: datetime) -> bool:
        """Whether books and broker are not known to agree: then nothing is entered."""
        within = timedelta(seconds=self.settings.timing.reconciled_within_seconds)
        return self.reconciled_at is None or now - self.reconciled_at > within or bool(self.objections(symbol))

    # -- mandates ----------------------------------------------------------------------------------------------------

    async def _work(self, symbol: str, ledger: LiveLedger, now: datetime) -> None:
        """Make or cancel what brings an asset to its mandate, and send it at once."""
        mandate = self.memory.mandates[symbol]
        orders = [o for o in self.memory.open_orders(self.name) if o.symbol == symbol]
        held = ledger.held(symbol)
        if not orders and not held and not mandate.wanted and not mandate.tries:
            return
        timing = self.settings.timing
        bench = Bench(mandate, held, orders, await self.instrument(symbol), ledger.account, now,
                      timedelta(seconds=timing.retry_seconds),
                      timedelta(seconds=timing.retry_longest_seconds))  # fmt: skip
        worked, changed = advance(bench)
        flags = self._stuck(worked)
        if worked == mandate and not changed and not flags:
            return
        await self.memory.commit(Change(orders=tuple(changed), mandates=(worked,), flags=flags), now)
        for order in changed:
            await self._move(self.memory.orders[order.id], now)

    def _stuck(self, mandate: Mandate) -> tuple[Flag, ...]:
        up = (STUCK, mandate.symbol) in self.memory.flags
        if mandate.tries >= STUCK_AFTER and not up:
            words = f"{mandate.tries} orders in a row did not reduce it to what is wanted; it is tried again"
            return (Flag(STUCK, mandate.symbol, words),)
        return (Flag(STUCK, mandate.symbol, None),) if up and not mandate.tries else ()

    # -- books against broker ----------------------------------------------------------------------------------------

    def _due(self, now: datetime) -> bool:
        return self._next_comparison is None or now >= self._next_comparison

    async def _take_over(self, now: datetime) -> None:
        """Open the books on an account, which must be flat: what is in it then is not the desk's."""
        told = await self._told()
        await self._note(opening_objections(told), now)
        if self.doubts:
            self.log.error("the account is not taken over", because={s: w for s, (_, w) in self.doubts.items()})
            return
        cash = told.cash
        key = uuid5(CHLOE_NAMESPACE, f"live|{self.name}|{now.isoformat()}")
        opened = Account(key, self.name, self.broker.environment, cash.currency, cash.basis,
                          Decimal(cash.amount), now)  # fmt: skip
        await self.memory.commit(Change(account=opened), now)
        self.log.info("account taken over", cash=str(cash.amount), currency=cash.currency, basis=cash.basis)
        self._next_comparison = now

    async def _compare(self, ledger: LiveLedger, now: datetime) -> None:
        """Compare all there is; a difference must show twice before it becomes a flag, but blocks entries at once."""
        await self._take_in(ledger, now)
        told = await self._told()
        late = revived(self.memory.orders, told.orders)
        if late:
            await self.memory.commit(Change(orders=tuple(late)), now)
        await self._note(differences(ledger, self.memory.orders, told, self.settings.cash_tolerance), now)
        self.reconciled_at = now

    async def _told(self) -> Told:
        return Told(await self.broker.open_orders(), await self.broker.positions(), await self.broker.cash())

    async def _note(self, found: Mapping[str, str], now: datetime) -> None:
        """Count what differs, flag what has differed often enough, and take down what agrees again."""
        timing, needed = self.settings.timing, self.settings.mismatch_checks
        before = self.doubts
        named = {self._subject(name): words for name, words in found.items()}
        doubts = {subject: (before.get(subject, (0, ""))[0] + 1, words) for subject, words in named.items()}
        flags = []
        for subject, (times_seen, words) in doubts.items():
            name = CASH_MISMATCH if subject == self.name else MISMATCH
            if times_seen >= needed and self.memory.flags.get((name, subject)) != words:
                flags.append(Flag(name, subject, words))
                self.log.error("books and broker differ", subject=subject, difference=words)
        for name, subject in list(self.memory.flags):
            if name in (MISMATCH, CASH_MISMATCH) and subject not in named and self._watches(subject):
                flags.append(Flag(name, subject, None))
                self.log.info("books and broker agree again", subject=subject)
        if flags:
            await self.memory.commit(Change(flags=tuple(flags)), now)
        self.doubts = doubts
        unsure = any(times_seen < needed for times_seen, _ in doubts.values())
        pause = timing.poll_seconds if unsure else timing.reconcile_seconds
        self._next_comparison = now + timedelta(seconds=pause)

    def _subject(self, name: str) -> str:
        """Name what differs: the account, an asset that is traded here, or something else that is found in it."""
        ours = self.settings.account_of(self.memory.classes.get(name, "")) == self.name
        return name if ours or name == self.name else f"{self.name} {name}"

    def _watches(self, subject: str) -> bool:
        """Whether a flag is this account's to take down."""
        return self._subject(subject) == subject or subject.startswith(f"{self.name} ")

    async def _failed(self, error: Exception, now: datetime) -> None:
        """Wait longer after each failure; say so once, and raise a flag when entries have become impossible."""
        timing = self.settings.timing
        if not self._failures:
            self.log.warning("the broker fails; everything stays as stored", error=str(error) or type(error).__name__)
            self._down_since = now
        pause = min(timing.poll_seconds * 2 ** min(self._failures, 16), timing.reconcile_seconds)
        self._failures += 1
        self._away_until = now + timedelta(seconds=pause)
        long = self._down_since is not None and now - self._down_since >= timedelta(seconds=timing.reconcile_seconds)
        if long and (DOWN, self.name) not in self.memory.flags:
            words = f"no usable answer since {self._down_since:%H:%M:%S}: {error}"
            await self.memory.commit(Change(flags=(Flag(DOWN, self.name, words),)), now)


async def _isolated(step: Awaitable[None], failed: list[FeedError | BrokerError]) -> None:
    """Do a step of one asset; what may be wrong with it alone is kept for later."""
    try:
        await step
    except OF_ONE_ASSET as error:
        failed.append(error)
