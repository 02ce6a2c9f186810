"""Two servers on one database: what is written is written once, whichever of them dies."""

from pathlib import Path
from typing import Any

from store.engine.migrate import upgrade
from tests.benchmarks.senders import contend

WRITES = 12
# A successor waits for four times as long and 5 seconds.
HASTE = {"HUBBUB_GITHUB_TIMEOUT_S": "1"}


async def test_two_servers_that_contend_and_die_write_all_once_on_mysql(
    mariadb: Any, tmp_path: Path
) -> None:
    """That servers on several machines share; a SQLite file they could not."""
    url = mariadb.create()
    upgrade(url)
    found = await contend(url, tmp_path, WRITES, kills=1, seed=7, **HASTE)
    assert found.effects == [1] * WRITES
    assert found.states == ["sent"] * WRITES
    assert found.limits == []
    assert found.takeovers == 2
