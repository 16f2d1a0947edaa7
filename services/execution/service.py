"""The execution stage: settles each slice with the orders that were decided at the slice before."""

from decimal import Decimal
from pathlib import Path

import msgspec

from services.contracts.messages import Message, OrdersDecided, SliceClosed, encode
from services.contracts.topics import ORDERS, PORTFOLIO, SLICES, Topic
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.execution import store
from services.execution.book import Book, open_book
from services.execution.brokers.paper import PaperVenue
from services.execution.decide import Settle, settle
from services.execution.settings import ExecutionSettings
from services.execution.venue import Venue
from services.kernel import metrics
from services.kernel.config import load
from services.kernel.database import Connection
from services.kernel.errors import StreamCorrupt
from services.kernel.inbox import Inbox, pop_as
from services.kernel.logging import get


class ExecutionStage:
    """See :class:`services.kernel.stage.Stage`."""

    name = "execution"
    inputs: tuple[Topic, ...] = (SLICES, ORDERS)
    output = PORTFOLIO

    def __init__(self, venue: Venue, starting_cash: Decimal) -> None:
        self.venue = venue
        self.starting_cash = starting_cash
        self.book = open_book(starting_cash)

    def take(self, inbox: Inbox) -> list[Settle]:
        """Take one slice, once the orders of the slice before are there."""
        closed = inbox.peek(SLICES.name, SliceClosed)
        if closed is None:
            return []
        orders: OrdersDecided | None = None
        if self.book.last_slice is not None:
            orders = inbox.peek(ORDERS.name, OrdersDecided)
            if orders is None:
                return []
            if orders.ts != self.book.last_slice:
                raise StreamCorrupt(f"execution: orders of {orders.ts} after the books of {self.book.last_slice}")
            inbox.pop(ORDERS.name)
        return [Settle(pop_as(inbox, SLICES.name, SliceClosed), orders)]

    async def handle(self, conn: Connection, events: list[Settle]) -> list[Message]:
        """Settle and store the books."""
        settled: list[Message] = []
        book = self.book
        for event in events:
            for split in event.slice.splits:
                if split.symbol in book.positions or split.symbol in book.working:
                    get(self.name).info(
                        "split", symbol=split.symbol, ratio=f"{split.new}:{split.old}", slice=event.slice.ts
                    )
            had_positions = bool(book.positions)
            book, portfolio = settle(book, event, self.venue)
            await store.save(conn, portfolio, had_positions)
            for outcome in portfolio.outcomes:
                metrics.ORDERS.labels(outcome.status).inc()
            metrics.EQUITY.set(float(portfolio.equity))
            metrics.CASH.set(float(portfolio.cash))
            settled.append(portfolio)
        self.book = book
        return settled

    def dump(self) -> str:
        """Return the books as JSON."""
        return encode(self.book).decode()

    async def restore(self, conn: Connection, state: str | None) -> None:
        """Take the stored books back, or open an account."""
        self.book = open_book(self.starting_cash) if state is None else msgspec.json.decode(state, type=Book)


def load_stage(folder: Path | None = None) -> ExecutionStage:
    """Read this service's configuration; raises ConfigError."""
    assets = load(AssetsConfig, ASSETS_FILE, folder)
    paper = load(ExecutionSettings, "execution.yaml", folder).paper
    return ExecutionStage(PaperVenue(paper, assets.classes, assets.assets), paper.starting_cash)
