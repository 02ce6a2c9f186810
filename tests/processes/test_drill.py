"""The drill of a disaster, made small: real processes, and a restore into the other engine."""

from pathlib import Path

import pytest

from tests.support.drill import GIVEN, run_drill
from tests.support.swarm import Plan

PLAN = Plan(servers=1, agents=3, tasks=4, seconds=1.5, kill_every_s=0, pause_s=0.1, given=GIVEN)


async def test_after_a_restore_from_sqlite_into_mysql_hubbub_and_github_agree_again(
    request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path
) -> None:
    """The benchmark plays both directions."""
    empty = request.getfixturevalue("mariadb").copy(request.getfixturevalue("migrated_mysql"))
    found = await run_drill(tmp_path, sqlite_url, empty, PLAN)
    assert found.problems == []
    assert found.lost_calls > 0
