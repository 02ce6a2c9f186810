"""Two servers behind a balancer, each replaced in turn under steady calls."""

from pathlib import Path

from tests.support.engines import OWN_ON_MYSQL
from tests.support.rolling import How, play


@OWN_ON_MYSQL
async def test_a_rolling_update_with_a_stop_and_a_kill_is_not_noticed_on_mysql(
    own_url: str, tmp_path: Path
) -> None:
    """Several servers share a MySQL. `make bench BENCH=rolling` plays more rounds."""
    steps: list[tuple[str, How]] = [("one", "stop"), ("two", "kill")]
    found = await play(tmp_path, own_url, steps, calls_between=60, clients=4, pause_s=0.1)
    assert found.calls > 180
    assert found.failures == []
    assert (found.doubled, found.lost) == (0, 0)
