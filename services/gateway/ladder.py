"""``GET /rollout``: where every asset stands on the ladder, its next step, and what that waits for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, Response
from pydantic import Field

from services.contracts.messages import AssetStanding, Requirement
from services.gateway import shown, store
from services.gateway.views import RequirementView, View
from services.kernel.database import Connection

PROVING_GROUND, NO_TIER, OTHER_CLASSES = "proving ground", "no tier", "other classes"
GROUPS = (PROVING_GROUND, "tier 1", "tier 2", "tier 3", NO_TIER, OTHER_CLASSES)
RESEARCH_ONLY_TIER = 3


class StandingView(View):
    """One asset on its ladder."""

    group: str = Field(description=", ".join(GROUPS), examples=["tier 1"])
    symbol: str = Field(examples=["AVAX/USDT"])
    name: str
    asset_class: str
    phase: str
    phase_active: bool
    level: Literal["off", "observed", "full"] = Field(description="observed: entered at half its size")
    since: datetime | None = Field(description="When the level last changed; None: since the start")
    tier: int | None = Field(description="Of the crypto rollout, as research last left it")
    live: bool = Field(description="Its live phase is active; a real order needs more than that: GET /live")
    step: Literal["enabled", "restored", "live_enabled"] | None = Field(description="The next step up; None: none now")
    ready: bool = Field(description="Whether that step's gate is met")
    requirements: list[RequirementView] = Field(description="Of that step")
    evidence: Literal["weak", "fair", "strong"] | None
    evidence_why: str
    waits_for: str = Field(description="What it waits for, or why it stands lower than it did")


class RolloutView(View):
    """The whole ladder of assets, in its order."""

    mode: str = Field(examples=["replay"])
    simulated: bool
    evaluated_at: datetime | None = Field(description="When phases last judged; None before the first full day")
    items: list[StandingView]


def rollout(rows: Sequence[Mapping[str, Any]], said: store.Evaluation | None) -> list[dict[str, Any]]:
    """Show every asset of the registry as phases last judged it, in the ladder's order."""
    judged = {} if said is None else {one.symbol: one for one in said.assets}
    declared = {symbol: n for n, symbol in enumerate(judged)}
    items = [standing(row, judged.get(row["symbol"])) for row in rows]
    last = len(declared)
    return sorted(items, key=lambda item: (GROUPS.index(item["group"]), declared.get(item["symbol"], last)))


def standing(row: Mapping[str, Any], judged: AssetStanding | None) -> dict[str, Any]:
    """Show one asset; what phases has not judged yet is as the registry has it."""
    known = {name: row[name] for name in ("symbol", "name", "asset_class", "phase", "phase_active")}
    if judged is None:
        judged = AssetStanding(
            row["symbol"], row["asset_class"], row["level"], row["tier"], row["live_enabled"],
            why=row["waits_for"] or shown.NOT_EVALUATED, since=row["level_since"],
        )  # fmt: skip
        known["evidence"] = None
    told = msgspec.structs.asdict(judged) | known
    told["requirements"] = [msgspec.structs.asdict(line) for line in judged.requirements]
    return {**told, "group": group(row, judged.tier), "waits_for": told.pop("why")}


def group(row: Mapping[str, Any], tier: int | None) -> str:
    """Name the part of the ladder that an asset is on."""
    if row["phase_order"] != 0:
        return OTHER_CLASSES
    if row["config"]["enabled_with_phase"]:
        return PROVING_GROUND
    return NO_TIER if tier is None else f"tier {tier}"


def order_refused(item: Mapping[str, Any]) -> str | None:
    """Say why no order can enable the asset, whoever gives it; None where phases decides."""
    if item["tier"] == RESEARCH_ONLY_TIER:
        return f"{item['symbol']} is in tier 3: no order can enable it, only research by finding an edge"
    return None


def gate_of(item: Mapping[str, Any], *, live: bool) -> tuple[Requirement, ...]:
    """Return the gate of the step that is asked for, where it is the next one."""
    if item["step"] is None or (item["step"] == "live_enabled") != live:
        return ()
    return tuple(Requirement(**line) for line in item["requirements"])


async def read(conn: Connection, symbol: str | None = None) -> tuple[datetime | None, list[dict[str, Any]]]:
    """Read when phases last judged, and every asset's standing (or one's)."""
    said = await store.last_evaluation(conn)
    return None if said is None else said.ts, rollout(await store.assets(conn, symbol), said)


def add_route(router: APIRouter, conn_of: Any) -> None:
    """Add the route to the reading ones."""

    @router.get("/rollout", response_model=RolloutView, tags=["phases"])
    async def rollout_of_all_assets(conn: Connection = conn_of) -> Any:
        """Show where every asset stands, its next step, and each requirement of it with what is missing."""
        evaluated_at, items = await read(conn)
        run = await store.run(conn)
        answer = {**shown.run_of(run["mode"] if run else None), "evaluated_at": evaluated_at, "items": items}
        # Asked for often and long: encoded as it is instead of being validated once more.
        return Response(msgspec.json.encode(answer), media_type="application/json")
