"""Two servers on one database: what is written is written once, whichever of them dies."""

from pathlib import Path

from tests.benchmarks.senders import contend
from tests.support.engines import OWN_ON_MYSQL

# One a second: GitHub asks for that. Each kind of write is among them, before and after a kill.
WRITES = 9
# A successor waits for four times as long and 5 seconds.
HASTE = {"HUBBUB_GITHUB_TIMEOUT_S": "1"}


@OWN_ON_MYSQL
async def test_two_servers_that_contend_and_die_write_all_once_on_mysql(
    own_url: str, tmp_path: Path
) -> None:
    """That servers on several machines share; a SQLite file they could not."""
    found = await contend(own_url, tmp_path, WRITES, kills=1, seed=7, **HASTE)
    assert found.effects == [1] * WRITES
    assert found.states == ["sent"] * WRITES
    assert found.limits == []
    assert found.takeovers == 2
