"""The risk stage: joins targets and books of the same slice with phases' word and operators' commands."""

from decimal import Decimal
from pathlib import Path

import msgspec

from services.contracts.messages import (
    CommandGiven,
    DayEvaluated,
    Message,
    OrdersDecided,
    PortfolioSettled,
    TargetsSet,
    encode,
)
from services.contracts.topics import ACTIVATIONS, COMMANDS, ORDERS, PORTFOLIO, TARGETS, Topic
from services.domain.assets import ASSETS_FILE, AssetsConfig
from services.domain.lockstep import due, required_evaluation, satisfied
from services.kernel import metrics
from services.kernel.config import load
from services.kernel.database import Connection
from services.kernel.errors import StreamCorrupt
from services.kernel.inbox import Inbox, pop_as
from services.risk import store
from services.risk.decide import decide
from services.risk.settings import RiskSettings
from services.risk.state import RiskEvent, RiskParams, RiskState

OURS = frozenset({"halt", "resume", "flatten", "block", "unblock"})


class RiskStage:
    """See :class:`services.kernel.stage.Stage`."""

    name = "risk"
    inputs: tuple[Topic, ...] = (TARGETS, PORTFOLIO, ACTIVATIONS, COMMANDS)
    output = ORDERS

    def __init__(self, params: RiskParams) -> None:
        self.params = params
        self.state = RiskState(enabled=(), classes=())

    def take(self, inbox: Inbox) -> list[RiskEvent]:
        """Take one slice, once its targets, its books and the day's evaluation are all there."""
        targets, portfolio = inbox.peek(TARGETS.name, TargetsSet), inbox.peek(PORTFOLIO.name, PortfolioSettled)
        if targets is None or portfolio is None:
            return []
        if targets.ts != portfolio.ts:
            raise StreamCorrupt(f"risk: targets of {targets.ts} meet books of {portfolio.ts}")
        waiting = inbox.waiting(ACTIVATIONS.name, DayEvaluated)
        taking = list(waiting)[: due(targets.ts, waiting)]
        if not satisfied(required_evaluation(targets.ts, self.state.first_slice), self.state.evaluated, taking):
            return []
        for _ in taking:
            inbox.pop(ACTIVATIONS.name)
        commands = []
        while inbox.peek(COMMANDS.name, CommandGiven) is not None:
            commands.append(pop_as(inbox, COMMANDS.name, CommandGiven))
        inbox.pop(TARGETS.name)
        inbox.pop(PORTFOLIO.name)
        return [RiskEvent(targets, portfolio, tuple(taking), tuple(c for c in commands if c.name in OURS))]

    async def handle(self, conn: Connection, events: list[RiskEvent]) -> list[Message]:
        """Decide and store the orders of the slice."""
        decided: list[Message] = []
        state = self.state
        for event in events:
            before = state.stop
            state, orders = decide(state, event, self.params)
            await store.save(conn, orders, before)
            for command in event.commands:
                await store.finish_command(conn, command.id, _outcome(command, orders))
            metrics.ORDERS.labels("approved").inc(len(orders.orders))
            metrics.ORDERS.labels("refused").inc(len(orders.refused))
            metrics.HALTED.set(orders.halted is not None)
            decided.append(orders)
        self.state = state
        return decided

    def dump(self) -> str:
        """Return the state as JSON."""
        return encode(self.state).decode()

    async def restore(self, conn: Connection, state: str | None) -> None:
        """Take the stored state back, or begin with what the registry enables."""
        if state is None:
            enabled, classes = await store.enablement(conn)
            self.state = RiskState(enabled=enabled, classes=classes)
        else:
            self.state = msgspec.json.decode(state, type=RiskState)


def _outcome(command: CommandGiven, orders: OrdersDecided) -> str:
    """Say from when on a command is in force, and what still halts where it asked to go on."""
    said = f"in force from slice {orders.ts.isoformat()}"
    return f"{said}; still halted: {orders.halted}" if command.name == "resume" and orders.halted else said


def load_stage(folder: Path | None = None) -> RiskStage:
    """Read this service's configuration; raises ConfigError."""
    assets = load(AssetsConfig, ASSETS_FILE, folder)
    class_weights = {name: Decimal(str(c.max_weight)) for name, c in assets.classes.items()}
    order_hours = {name: c.order_valid_hours for name, c in assets.classes.items()}
    size = Decimal(str(assets.observation_size))
    settings = load(RiskSettings, "risk.yaml", folder)
    return RiskStage(RiskParams(settings, assets.assets, class_weights, order_hours, size))
