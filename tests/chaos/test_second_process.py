"""Two processes of the same service on one database: the second is refused, and nothing is doubled."""

import subprocess
import sys
from pathlib import Path

import ledgers
import psycopg
import pytest
import redis as redis_sync
from processes import KINDS, ROOT, wait_until
from replays import Progress, prepared, services, undisturbed

from services.standalone.servers import Servers

REFUSED = 3


@pytest.mark.slow
def test_second_process_of_each_service_is_refused_and_nothing_is_doubled(
    servers: Servers, template: str, tmp_path: Path
) -> None:
    expected = undisturbed(servers.database_url, template, servers.redis_url)
    with prepared(servers.database_url, template) as url:
        progress = Progress(url)
        with services(tmp_path, url, servers.redis_url, patience_seconds=0.3) as running:
            running.start(*KINDS)
            wait_until(lambda: progress.look()[0] >= 24, what="the first day")
            seconds = {f"{kind}#2" for kind in KINDS}
            running.start(*sorted(seconds))
            refused: dict[str, int] = {}

            def all_over() -> bool:
                refused.update(running.ended())
                return progress.ended() and seconds <= refused.keys()

            wait_until(all_over, what="the replay and the refusals")
            told = running.told()
        progress.close()
        ledgers.assert_equal(ledgers.read(url), expected, "two processes of each service")
    refused.pop("source", None)
    assert refused == dict.fromkeys(seconds, REFUSED), told
    for name in {"ingestion-crypto", *KINDS} - {"source"}:
        assert f"StartRefused: '{name}': another process is running it on this database; stop one of them" in told


def test_second_user_of_a_data_folder_leaves_its_servers_running(servers: Servers) -> None:
    folder = servers._redis_socket.parent
    joining = (
        "import sys, pathlib; from services.standalone import servers; servers.start(pathlib.Path(sys.argv[1])).stop()"
    )
    subprocess.run([sys.executable, "-c", joining, str(folder)], cwd=ROOT, check=True)
    assert redis_sync.Redis.from_url(servers.redis_url).ping()
    with psycopg.connect(servers.database_url) as conn:
        assert conn.execute("select 1").fetchone() == (1,)
