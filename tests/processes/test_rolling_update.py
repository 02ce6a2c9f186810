"""Two servers behind a balancer, each replaced in turn under steady calls."""

from pathlib import Path
from typing import Any

from store.engine.migrate import upgrade
from tests.support.rolling import How, play


async def test_a_rolling_update_with_a_stop_and_a_kill_is_not_noticed_on_mysql(
    mariadb: Any, tmp_path: Path
) -> None:
    """Several servers share a MySQL. `make bench BENCH=rolling` plays more rounds."""
    url = mariadb.create()
    upgrade(url)
    steps: list[tuple[str, How]] = [("one", "stop"), ("two", "kill")]
    found = await play(tmp_path, url, steps, calls_between=60, clients=4, pause_s=0.1)
    assert found.calls > 180
    assert found.failures == []
    assert (found.doubled, found.lost) == (0, 0)
