"""A report takes effect once there, whatever fails in between."""

from typing import Any, cast

import pytest

from bot.trackers import mirroring
from store.engine.transaction import Store
from tests.support.agent_endpoints import lead
from tests.support.engines import ON_SQLITE
from tests.support.gitlab import PERSON, Fault, GitLabIssue
from tests.support.repeating_store import RepeatingStore
from tests.support.trackers import PAGES, Tracked

pytestmark = ON_SQLITE


async def begun(both: Tracked, **mirror: Any) -> GitLabIssue:
    """An issue there that an agent works on here. `mirror`: its settings."""
    if mirror:
        rules = "".join(f"  {name}: {value}\n" for name, value in mirror.items())
        files = {".github/hubbub.yml": f"mirror:\n{rules}"}
        both.workspace.person.push(both.workspace.repository, "main", files)
    there = both.gitlab.open()
    await both.add()
    await both.rest(60)
    agent = await both.workspace.agent("ada")
    await agent.call("claim_task", task=both.workspace.name(await both.issue_of(there)))
    return there


async def claimed(both: Tracked) -> GitLabIssue:
    """As soon as the report of the claim waits."""
    there = await begun(both)
    await until_queued(both)
    return there


async def completed(both: Tracked) -> GitLabIssue:
    """As soon as the close waits, the only thing that is reported."""
    there = await begun(both, closes="true", reports="[]")
    await both.rest(60)
    agent, name = await both.workspace.agent("ada"), both.workspace.name(await both.issue_of(there))
    fence = (await agent.call("get_task", task=name))["task"]["fence"]
    await agent.call("update_task_status", task=name, status="completed", fence=fence)
    await until_queued(both)
    return there


async def until_queued(both: Tracked) -> None:
    """Turns until a report waits. The next request is its own."""
    for _ in range(20):
        await both.workspace.settle()
        if any(row["state"] == "queued" for row in await reports(both)):
            both.gitlab.requests.clear()
            return
        await both.turn()
        both.workspace.clock.forward(2)
    raise AssertionError("no report was queued")


async def reports(both: Tracked) -> list[dict[str, Any]]:
    q = "SELECT * FROM tracker_reports WHERE installation_id = :i ORDER BY created_at, id"
    return await both.workspace.rows(q)


async def ends(both: Tracked) -> list[tuple[str, str | None]]:
    return [(row["state"], row["error"]) for row in await reports(both)]


async def test_events_are_followed_though_their_transaction_was_tried_again(both: Tracked) -> None:
    await begun(both)
    w, (tracker,) = both.workspace, await rows_of_trackers(both)
    w.clock.forward(60)
    store = cast("Store", RepeatingStore(w.store))
    await mirroring.serve(store, w.dispatcher.shared, PAGES, w.installation.id, tracker["id"])
    (after,) = await rows_of_trackers(both)
    assert after["seq"] > tracker["seq"]


async def rows_of_trackers(both: Tracked) -> list[dict[str, Any]]:
    return await both.workspace.rows("SELECT id, seq FROM trackers WHERE installation_id = :i")


def asked(both: Tracked) -> list[str]:
    """The methods of the requests about comments and about the one issue."""
    return [method for method, path in both.gitlab.requests if "/issues/" in path]


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        # It took effect, and the look finds it.
        ("lost after", ["POST", "GET"]),
        ("502 after", ["POST", "GET"]),
        # It had none: two looks do not find it.
        ("lost", ["POST", "GET", "GET", "POST"]),
        ("500", ["POST", "GET", "GET", "POST"]),
        # GitLab says that it did nothing.
        ("429", ["POST", "POST"]),
    ],
)
async def test_a_report_is_there_once(both: Tracked, fault: Fault, requests: list[str]) -> None:
    there = await claimed(both)
    both.gitlab.faults = [fault]
    await both.rest(200)
    assert [each["body"].split(" as ")[0] for each in there.notes] == ["An agent works on this"]
    assert asked(both) == requests
    assert both.gitlab.while_limited == 0
    assert [state for state, _ in await ends(both)] == ["sent"]


async def test_a_report_whose_process_died_is_looked_for(both: Tracked) -> None:
    there = await claimed(both)
    (row,) = await reports(both)
    await both.workspace.store.write(
        lambda tx: tx.run(
            "UPDATE tracker_reports SET state = 'sending', attempts = 1 "
            "WHERE installation_id = :i AND id = :id",
            i=row["installation_id"],
            id=row["id"],
        )
    )
    await both.rest(120)
    assert asked(both) == ["GET", "GET", "POST"]
    assert len(there.notes) == 1


async def test_a_report_is_found_among_many_comments_of_others(both: Tracked) -> None:
    there = await claimed(both)
    both.gitlab.faults = ["lost after"]
    await both.turn()
    (mine,) = there.notes
    # The same text by somebody else counts for nothing.
    others = {"author": PERSON, "system": False, "body": mine["body"]}
    there.notes += [{"id": n, **others} for n in range(2, 150)]
    await both.rest(100)
    assert asked(both) == ["POST", "GET", "GET"]
    assert [each["id"] for each in there.notes if each["author"] != PERSON] == [1]
    assert await ends(both) == [("sent", None)]


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        # The issue is gone, or nobody may comment on it.
        (404, ("dropped", "it answered 404")),
        (410, ("dropped", "it answered 410")),
        (422, ("dead", "it answered 422")),
    ],
)
async def test_a_report_that_is_refused_is_given_up_and_said_to_have_failed(
    both: Tracked, status: int, ending: tuple[str, str]
) -> None:
    await claimed(both)
    both.gitlab.broken = {"/notes": status}
    await both.rest(60)
    assert await ends(both) == [ending]
    assert (await both.seen())["health"] == "connected"


async def test_a_report_that_always_fails_is_given_up_after_six_attempts(both: Tracked) -> None:
    await claimed(both)
    both.gitlab.broken = {"/notes": 429}
    await both.rest(3000, 100)
    assert asked(both) == ["POST"] * 6
    assert await ends(both) == [("dead", "it answered 429")]


async def test_while_the_token_is_refused_reports_wait_and_people_are_told(both: Tracked) -> None:
    there = await claimed(both)
    both.gitlab.broken = {"/notes": 403}
    await both.rest(30)
    seen = await both.seen()
    assert (seen["health"], seen["why"]) == (
        "failing",
        "the token is not accepted, or may not do this; set another one",
    )
    both.gitlab.broken = {}
    await both.rest(300)
    assert len(there.notes) == 1
    assert (await both.seen())["health"] == "connected"


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        (404, ("dropped", "it answered 404")),
        # Nobody knows: it looks again, and says why.
        (500, ("unknown", "it answered 500")),
    ],
)
async def test_a_look_that_fails_sends_nothing_again(
    both: Tracked, status: int, ending: tuple[str, str]
) -> None:
    await claimed(both)
    both.gitlab.faults = ["lost after"]
    await both.turn()
    both.gitlab.broken = {"/notes": status}
    await both.rest(60)
    assert await ends(both) == [ending]
    assert set(asked(both)[1:]) == {"GET"}


@pytest.mark.parametrize(
    ("faults", "requests"),
    [
        ([], ["PUT"]),
        # aiohttp sends a PUT again once. Then the issue says whether it was closed.
        (["lost after", "lost after"], ["PUT", "PUT", "GET"]),
        (["lost", "lost"], ["PUT", "PUT", "GET", "GET", "PUT"]),
    ],
)
async def test_a_completed_task_closes_its_issue_there_where_the_settings_say_so(
    both: Tracked, faults: list[Fault | None], requests: list[str]
) -> None:
    there = await completed(both)
    both.gitlab.faults = faults
    await both.rest(120)
    assert asked(both) == requests
    assert (there.state, there.notes) == ("closed", [])
    assert await both.state(there) == "completed"


async def test_an_issue_that_is_gone_is_not_closed(both: Tracked) -> None:
    there = await completed(both)
    both.gitlab.faults = ["lost", "lost"]
    await both.turn()
    there.is_deleted = True
    await both.rest(60)
    assert await ends(both) == [("dropped", "it answered 404")]


async def test_reports_of_a_paused_tracker_wait(both: Tracked) -> None:
    there = await claimed(both)
    person = lead(both.workspace)
    await person.call("manage_tracker", tracker="acme", action="pause")
    await both.rest(120)
    assert (asked(both), there.notes) == ([], [])
    await person.call("manage_tracker", tracker="acme", action="resume")
    await both.rest(120)
    assert len(there.notes) == 1
