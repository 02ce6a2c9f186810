"""A foreign tracker that fails: what people are told, and how it goes on."""

from dataclasses import replace

import pytest

from bot.identity.keyring import Keys
from bot.trackers import mirroring
from tests.support.engines import ON_SQLITE
from tests.support.gitlab import Fault
from tests.support.trackers import PAGES, Tracked

pytestmark = ON_SQLITE


async def health(both: Tracked) -> tuple[str, str | None]:
    seen = await both.seen()
    return seen["health"], seen.get("why")


@pytest.mark.parametrize(
    ("status", "first", "later"),
    [
        # Waiting does not help: people are told at once.
        (401, "failing", "the token is not accepted, or may not do this; set another one"),
        (403, "failing", "the token is not accepted, or may not do this; set another one"),
        # It may pass: only after three times.
        (500, "connected", "it answered 500"),
        (404, "connected", "it answered 404"),
        (
            200,
            "connected",
            "its answer is not GitLab's: it answered with something that is no list",
        ),
    ],
)
async def test_a_tracker_that_fails_says_why_until_it_answers_again(
    both: Tracked, status: int, first: str, later: str
) -> None:
    await both.add()
    await both.rest(60)
    both.gitlab.broken = {"/issues?": status}
    await both.rest(40, 20)
    assert (await health(both))[0] == first
    await both.rest(600, 60)
    assert await health(both) == ("failing", later)
    both.gitlab.broken = {}
    there = both.gitlab.open()
    await both.rest(1000, 100)
    assert await health(both) == ("connected", None)
    assert await both.state(there) == "pending"


async def test_while_a_tracker_fails_it_is_asked_less_and_less_often(both: Tracked) -> None:
    await both.add()
    await both.rest(60)
    both.gitlab.requests.clear()
    both.gitlab.broken = {"/issues?": 500}
    # Waits of 10, 30, 90, 300 and then 900 seconds.
    await both.rest(1200, 5)
    assert len(both.gitlab.requests) == 5


@pytest.mark.parametrize("fault", ["used up", "429"])
async def test_nothing_is_asked_until_a_limit_is_whole_again(both: Tracked, fault: Fault) -> None:
    await both.add()
    await both.rest(60)
    both.gitlab.faults = [fault]
    there = both.gitlab.open()
    await both.rest(120, 2)
    assert both.gitlab.while_limited == 0
    assert await health(both) == ("connected", None)
    assert await both.state(there) == "pending"


async def test_a_tracker_that_cannot_be_reached_says_so(both: Tracked) -> None:
    await both.add()
    await both.rest(60)
    # aiohttp asks once more by itself.
    both.gitlab.faults = ["lost"] * 6
    await both.rest(100, 10)
    state, why = await health(both)
    assert state == "failing"
    assert "disconnected" in (why or "").lower()


async def test_a_token_that_another_secret_sealed_has_to_be_set_again(both: Tracked) -> None:
    await both.add()
    w = both.workspace
    usual = w.dispatcher.shared
    w.dispatcher.shared = replace(usual, keys=Keys("another secret of this server"))
    both.gitlab.requests.clear()
    await both.turn()
    w.dispatcher.shared = usual
    assert await health(both) == ("failing", "the token cannot be decrypted; set it again")
    assert both.gitlab.requests == []


async def test_each_due_tracker_has_its_turn_though_another_one_fails(both: Tracked) -> None:
    w = both.workspace
    there = both.gitlab.open()
    for name in ("acme", "other"):
        await both.add(name, **({"url": f"{both.gitlab.url}/"} if name == "other" else {}))
    # Its sealed token is no text at all, which no code expects.
    await w.store.write(
        lambda tx: tx.run(
            "UPDATE trackers SET rules = NULL, sealed = :x WHERE installation_id = :i "
            "AND name = 'other'",
            x="",
            i=w.installation.id,
        )
    )
    for _ in range(3):
        await mirroring.step(w.store, w.dispatcher.shared, PAGES)
        await w.settle()
        w.clock.forward(10)
    assert await both.state(there) == "pending"


async def test_no_more_issues_than_the_settings_say_wait_for_github(both: Tracked) -> None:
    w = both.workspace
    files = {".github/hubbub.yml": "mirror: {most_waiting: 2}\n"}
    w.person.push(w.repository, "main", files)
    await w.settle()
    for _ in range(5):
        both.gitlab.open()
    await both.add()
    for _ in range(3):
        while await both.turn():
            pass
        w.clock.forward(10)
    counts = (await both.seen())["issues"]
    assert (counts["linked"], counts["waiting"]) == (2, 3)
    await both.rest(60)
    assert len(both.issues()) == 5
