"""One answer for all browsers that look at the same time."""

import asyncio

import pytest

from webhooks.page.shared_answers import LatestAnswer


async def test_all_who_heard_of_the_same_change_share_an_answer() -> None:
    latest, made = LatestAnswer(), list[int]()

    async def make() -> int:
        made.append(len(made))
        await asyncio.sleep(0)
        return made[-1]

    found = await asyncio.gather(*(latest.get(7, make) for _ in range(100)))
    assert found == [0] * 100
    assert await latest.get(6, make) == 0, "an older browser gets the newer answer"
    assert await latest.get(8, make) == 1, "nobody gets an answer from before the change"
    waiting = await asyncio.gather(*(latest.get(9 + n, make) for n in range(50)))
    assert set(waiting) == {2}, "one more for all who came while it was waited for"


async def test_a_failure_is_not_kept() -> None:
    latest = LatestAnswer()

    async def fail() -> int:
        raise ValueError

    async def make() -> int:
        return 5

    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        await latest.get(1, fail)
    assert await latest.get(1, make) == 5
