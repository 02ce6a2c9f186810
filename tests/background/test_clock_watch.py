"""A clock that was ahead for a while holds nothing up once it is right again."""

import pytest

from bot.background.clock_watch import ClockWatch
from store.clock import TIMES
from store.engine import key_values
from store.mirror.freshness import SURVEYED
from store.tables import TABLES
from tests.support.story import Workspace

DAY = 24 * 3600


@pytest.fixture
def store_url(own_url: str) -> str:
    """A database of its own: the watch looks at all installations."""
    return own_url


async def test_work_goes_on_after_a_clock_that_was_a_day_ahead(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    workspace.clock.forward(DAY)
    await agent.call("claim_task", task=workspace.name(issue), lease_s=600)
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="sent ahead")
    await workspace.settle()
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="queued ahead")
    workspace.person.comment(issue, "/status")
    await workspace.github.wait_for_deliveries()
    # The process that sent is gone, and its lease seems to last for a day.
    q = "UPDATE senders SET holder = 'gone' WHERE installation_id = :i"
    await workspace.store.write(lambda tx: tx.run(q, i=workspace.installation.id))
    workspace.clock.forward(-DAY)
    await ClockWatch(workspace.store).step()
    now = workspace.clock()
    (lease,) = await workspace.rows("SELECT * FROM leases WHERE installation_id = :i")
    assert now < lease["expires_at"] <= now + 600_000_000
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="queued now")
    await workspace.settle()
    assert workspace.clock() - now < 300_000_000
    written = "\n".join(each.body for each in issue.comments)
    for each in ("sent ahead", "queued ahead", "queued now", "This task is"):
        assert each in written


async def test_a_clock_that_is_set_back_while_the_server_runs_is_noticed(
    workspace: Workspace,
) -> None:
    watch = ClockWatch(workspace.store)
    await watch.step()
    workspace.clock.forward(DAY)
    await watch.step()
    await workspace.store.write(lambda tx: key_values.put(tx, SURVEYED, str(workspace.clock())))
    workspace.clock.forward(-DAY)
    await watch.step()
    surveyed = await workspace.store.read(lambda tx: key_values.get(tx, SURVEYED))
    assert int(surveyed or 0) < workspace.clock()


async def test_times_within_their_window_stay(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    await agent.call("claim_task", task=workspace.name(issue), lease_s=600)
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="hello")
    await workspace.settle()
    tables = sorted({each.table for each in TIMES})

    async def stored() -> dict[str, list[object]]:
        return {
            name: [tuple(row.values()) for row in await workspace.rows(f"SELECT * FROM {name}")]
            for name in tables
        }

    before = await stored()
    await ClockWatch(workspace.store).step()
    assert await stored() == before


def test_every_wait_and_lease_has_a_window() -> None:
    waits = ("not_before", "visible_at", "lease_until", "blocked_until", "full_at")
    stored = {
        (table.name, column)
        for table in TABLES.values()
        for column in table.names
        if column in waits
    }
    assert stored <= {(each.table, each.column) for each in TIMES}
