"""No read is asked for ever: it gets its answer, or it is given up and listed.

On SQLite only, because the tables of steps decide; other tests try the queue on both engines.
"""

import pytest

from bot.fetch import backfill, given_up
from bot.fetch.answers import boards
from bot.mirror import reads
from store.fetch import backfills
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

LABELS = r"/labels$"
DAY = 24 * 3600


pytestmark = ON_SQLITE


async def queue(workspace: Workspace, kind: str) -> None:
    i, read = workspace.installation.id, reads.repository(kind, workspace.repository.id)
    await workspace.store.write(lambda tx: reads.queue(tx, i, read))


async def pass_days(workspace: Workspace, days: float) -> None:
    end = workspace.clock() + int(days * DAY * 1e6)
    while workspace.clock() < end:
        wait = await workspace.sender.step(workspace.installation.id)
        if wait is None:
            workspace.clock.at = min(end, await next_due(workspace))
        else:
            workspace.clock.forward(wait)


async def next_due(workspace: Workspace) -> int:
    rows = await workspace.rows(
        "SELECT not_before FROM pending_reads WHERE installation_id = :i AND state = 'queued' "
        "UNION SELECT not_before FROM backfills WHERE installation_id = :i AND state = 'queued'"
    )
    return min([row["not_before"] for row in rows], default=2**62)


def requests(workspace: Workspace, path: str) -> int:
    return sum(each.path.endswith(path) for each in workspace.github.requests)


async def test_an_empty_repository_has_no_branches(workspace: Workspace) -> None:
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await workspace.settle()
    workspace.github.fault("GET", "/git/matching-refs/heads", "409_empty", times=1000)
    await queue(workspace, "refs")
    await pass_days(workspace, 2)
    assert requests(workspace, "/git/matching-refs/heads") == 2  # the second confirms the first
    names = "SELECT name FROM refs WHERE installation_id = :i AND sha IS NOT NULL"
    assert await workspace.rows(names) == []
    assert (await workspace.store.read(given_up.of)).reads == []


@pytest.mark.parametrize(
    ("fault", "most"), [("451", 1), ("422", 5), ("403", 5), ("409", 5), ("500", 18)]
)
async def test_a_read_that_never_gets_an_answer_is_asked_ever_less(
    workspace: Workspace, fault: str, most: int
) -> None:
    workspace.github.fault("GET", LABELS, fault, times=1000)
    await queue(workspace, "labels")
    await pass_days(workspace, 2)
    asked = requests(workspace, "/labels")
    assert 1 <= asked <= most
    await pass_days(workspace, 15)
    assert requests(workspace, "/labels") - asked <= 15
    (listed,) = (await workspace.store.read(given_up.of)).reads
    assert (listed.what, listed.where) == ("labels", "acme/rocket")
    assert listed.why.startswith(fault[:3])
    # GitHub is asked again as soon as something new happens.
    workspace.github.clear_faults()
    await queue(workspace, "labels")
    await workspace.settle()
    assert (await workspace.store.read(given_up.of)).reads == []


async def test_nothing_is_asked_for_a_suspended_installation(workspace: Workspace) -> None:
    board = workspace.person.create_project("acme", "Work")
    await workspace.settle()
    workspace.github.suspend(workspace.installation)
    await workspace.settle()
    workspace.clock.forward(2 * 3600)  # the token has expired
    i, parts = workspace.installation.id, (f"{boards.ITEMS}{board.number}",)
    await workspace.store.write(lambda tx: backfills.begin(tx, i, 0, parts))
    here = (i, workspace.repository.id)
    await workspace.store.write(lambda tx: backfill.begin(tx, *here))
    before = len(workspace.github.requests)
    await pass_days(workspace, 2)
    assert len(workspace.github.requests) == before


async def test_an_ip_allow_list_without_this_server_ends_no_backfill_and_no_read(
    workspace: Workspace,
) -> None:
    workspace.github.fault("GET", "/repos/acme/rocket/", "allow_list", times=1000)
    here = (workspace.installation.id, workspace.repository.id)
    await workspace.store.write(lambda tx: backfill.begin(tx, *here))
    await queue(workspace, "labels")
    await pass_days(workspace, 2)
    assert 0 < requests(workspace, "/rocket/labels") < 100
    workspace.github.clear_faults()
    await pass_days(workspace, 2)
    states = "SELECT DISTINCT state FROM backfills WHERE installation_id = :i"
    assert await workspace.rows(states) == [{"state": "done"}]
    assert (await workspace.store.read(given_up.of)).reads == []


@pytest.mark.parametrize("fault", ["451", "500"])
async def test_a_backfill_that_never_gets_an_answer_ends(workspace: Workspace, fault: str) -> None:
    workspace.github.fault("GET", r"/pulls$", fault, times=1000)
    here = (workspace.installation.id, workspace.repository.id)
    await workspace.store.write(lambda tx: backfill.begin(tx, *here))
    await pass_days(workspace, 15)
    (listed,) = (await workspace.store.read(given_up.of)).parts
    assert (listed.what, listed.where) == ("pulls", "acme/rocket")
    assert requests(workspace, "/pulls") <= 24 + 1
