"""The time of a MySQL server, as a process keeps it between two looks."""

import time

import pytest

from store.engine.mysql_clock import KEPT_S, PARTED_S, Look, ServerClock

LOOK = Look(server=1_000_000_000, steady=50.0, wall=1_700_000_000.0)


def test_time_that_passed_here_is_added_to_the_servers() -> None:
    assert LOOK.now(51.5, LOOK.wall + 1.5) == LOOK.server + 1_500_000


@pytest.mark.parametrize(
    ("steady", "wall"),
    [(KEPT_S + 0.1, KEPT_S + 0.1), (0.1, 0.2 + PARTED_S), (0.1, 3600), (0.1, -3600)],
    ids=["too old", "the machine slept", "its time was set ahead", "its time was set back"],
)
def test_the_server_is_asked_again(steady: float, wall: float) -> None:
    assert LOOK.now(LOOK.steady + steady, LOOK.wall + wall) is None


async def test_the_server_is_asked_once_for_many_transactions() -> None:
    asked = []

    async def ask() -> int:
        asked.append(time.time_ns() // 1000 + 3_600_000_000)
        return asked[-1]

    clock = ServerClock()
    times = [await clock.now(ask) for _ in range(100)]
    assert len(asked) == 1
    assert times == sorted(times)
    assert abs(times[-1] - (time.time_ns() // 1000 + 3_600_000_000)) < 1_000_000


async def test_a_late_answer_is_not_kept() -> None:
    asked = []

    async def ask() -> int:
        began = time.monotonic()
        while time.monotonic() - began < 0.03:
            pass
        asked.append(1)
        return 7

    clock = ServerClock()
    assert [await clock.now(ask) for _ in range(3)] == [7, 7, 7]
    assert len(asked) == 3
