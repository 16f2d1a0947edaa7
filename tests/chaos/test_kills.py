"""SIGKILL at random moments, and Redis wiped: the ledger is the one of the undisturbed run."""

import os
import random
import time
from collections import Counter
from pathlib import Path

import ledgers
import pytest
import redis as redis_sync
from processes import KINDS, LOOK_SECONDS, Services, wait_until
from replays import Progress, assert_equals_backtest, prepared, services, told, undisturbed

from services.standalone.servers import Servers

KILLS = 210
"""The suite promises at least 200."""
KILLS_OF_EACH = 12
ROUNDS = 10
LONGEST_PAUSE_SECONDS = 0.08
LONGEST_ROUND_SECONDS = 120.0
SEED = int(os.environ.get("CHLOE_CHAOS_SEED", "20241120"))


def test_undisturbed_processes_write_the_ledger_of_the_backtest(servers: Servers, template: str) -> None:
    assert_equals_backtest(undisturbed(servers.database_url, template, servers.redis_url))


@pytest.mark.slow
def test_ledger_survives_200_kills_and_two_wipes_of_redis_in_every_round(
    servers: Servers, template: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = undisturbed(servers.database_url, template, servers.redis_url)
    kills: Counter[str] = Counter()
    for number in range(ROUNDS):
        seed = SEED + number
        where = f"round {number + 1}, CHLOE_CHAOS_SEED={seed}"
        with prepared(servers.database_url, template) as url:
            with services(tmp_path / str(number), url, servers.redis_url) as running:
                redis = redis_sync.Redis.from_url(servers.redis_url, decode_responses=True)
                disturb(running, Progress(url), random.Random(seed), redis, where)
                kills.update(running.kills)
            ledgers.assert_equal(ledgers.read(url), expected, where)
        with capsys.disabled():
            print(f"\n  {where}: {dict(running.kills)}, {kills.total()} kills so far", end="")  # noqa: T201
        if kills.total() >= KILLS and min(kills.values()) >= KILLS_OF_EACH:
            break
    assert kills.total() >= KILLS, kills
    assert min(kills[kind] for kind in KINDS) >= KILLS_OF_EACH, kills


def disturb(running: Services, progress: Progress, rng: random.Random, redis: "redis_sync.Redis", where: str) -> None:
    """Kill and restart until the replay is over; at a third Redis is wiped, at two thirds together with a kill."""
    wipes = [told().recorded.slices // 3, told().recorded.slices * 2 // 3]
    deadline = time.monotonic() + LONGEST_ROUND_SECONDS
    running.start(*KINDS)
    settled, ended = progress.look()
    while not ended:
        assert time.monotonic() < deadline, f"{where}: stuck after {settled} slices\n{running.told()}"
        settled, ended = _pause(progress, rng, settled)
        running.check()
        name = rng.choice(sorted(running.running))
        if wipes and settled >= wipes[0]:
            wipes.pop(0)
            redis.flushall()
            if wipes:  # the first wipe comes alone, the second with a kill
                continue
        running.kill(name)
        running.start(name)
    assert not wipes, f"{where}: the replay ended before Redis was wiped"
    # The last slice's orders and the last day's word wait for a slice that never comes.
    what = f"{where}: every other stream entry acknowledged, for trimming stops below the rest"
    wait_until(lambda: all(count == 1 for count in pending(redis).values()), what=what)
    assert not redis.keys("dead.*"), f"{where}: messages were called unreadable"
    progress.close()


def pending(redis: redis_sync.Redis) -> dict[tuple[str, str], int]:
    """Return how many entries each stream's groups have read and not acknowledged, where there are any."""
    streams = [str(key) for key in redis.scan_iter(_type="stream")]
    groups = {(stream, str(g["name"])): int(g["pending"]) for stream in streams for g in redis.xinfo_groups(stream)}
    return {name: count for name, count in groups.items() if count}


def _pause(progress: Progress, rng: random.Random, before: int) -> tuple[int, bool]:
    """Wait until a few slices have settled or a short time has passed, whichever comes first.

    To kill at a random moment is the point of this test, so here it has to wait; both bounds come from the seed.
    """
    slices, until = rng.randint(0, 3), time.monotonic() + rng.uniform(0, LONGEST_PAUSE_SECONDS)
    settled, ended = progress.look()
    while not ended and settled < before + slices and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        settled, ended = progress.look()
    return settled, ended
