"""What GitHub sent and nobody got is found, and brought in."""

from typing import Any

import pytest

from bot.fetch import backfill
from bot.fetch.missed_deliveries import Repair
from store.engine.transaction import Tx
from store.inbox import missed_deliveries
from tests.support.engines import OWN_ON_SQLITE
from tests.support.mirror_oracle import (
    of_github,
    of_mirror,
    relations_of_github,
    relations_of_mirror,
)
from tests.support.story import Workspace

HOUR = 3600


@pytest.fixture
def store_url(own_url: str) -> str:
    """A database of its own: what concerns the App as a whole belongs to no installation."""
    return own_url


@pytest.fixture
async def workspace(workspace: Workspace) -> Workspace:
    """One whose mirror is whole."""
    await workspace.begin_backfill()
    await workspace.settle()
    return workspace


def repair_of(workspace: Workspace, *, fetches: bool = False) -> Repair:
    here = workspace.dispatcher
    return Repair(
        here.store, workspace.sender.github, keys=here.shared.keys, fetches=fetches, every_s=300
    )


async def run_repair(workspace: Workspace, repair: Repair, hours: float = 1) -> None:
    """Let it work until nothing is lost, or the time is over."""
    until = workspace.clock.at + hours * HOUR * 1_000_000
    while workspace.clock.at < until:
        workspace.clock.forward(await repair.step())
        await workspace.settle()
        if not await workspace.store.read(missed_deliveries.count) and repair._survey is None:
            return


def busy(workspace: Workspace, n: int) -> None:
    for each in range(n):
        issue = workspace.person.open_issue(workspace.repository, f"Issue {each}", labels=["bug"])
        comment = workspace.person.comment(issue, "First")
        workspace.person.edit_comment(comment, "Second")
        workspace.person.close(issue)
        workspace.clock.forward(7)


async def whole(workspace: Workspace) -> bool:
    same = await of_mirror(workspace, workspace.repository) == of_github(workspace.repository)
    return same and await relations_of_mirror(workspace) == relations_of_github(workspace.github)


async def behind(workspace: Workspace) -> dict[str, Any]:
    agent = await workspace.agent("a")
    return await agent.call("list_tasks")


async def test_deliveries_that_failed_are_asked_for_again(workspace: Workspace) -> None:
    workspace.github.lose_deliveries(0.4, seed=1)
    busy(workspace, 20)
    await workspace.settle()
    workspace.github.lose_deliveries(0)
    assert not await whole(workspace)
    workspace.clock.forward(60)
    await run_repair(workspace, repair_of(workspace))
    assert await whole(workspace)


async def test_what_fails_again_and_again_is_fetched(workspace: Workspace) -> None:
    workspace.github.app.webhook_url = "http://127.0.0.1:9/nobody"
    issue = workspace.person.open_issue(workspace.repository, "Unheard of")
    workspace.person.close(issue)
    await workspace.settle()
    workspace.clock.forward(60)
    await run_repair(workspace, repair_of(workspace))
    assert await whole(workspace)
    log = [r for r in workspace.github.requests if r.route.startswith("/app/hook/deliveries/")]
    asked = [r for r in log if r.path.endswith("/attempts")]
    assert (len(asked), len(log) - len(asked)) == (4, 2)


LOG = "/app/hook/deliveries"


@OWN_ON_SQLITE
@pytest.mark.parametrize("fault", ["close", "primary_403"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "^/app$"),
        ("GET", "^/app/installations$"),
        ("GET", f"^{LOG}$"),
        ("POST", rf"^{LOG}/\d+/attempts$"),
        ("GET", rf"^{LOG}/\d+$"),
    ],
)
async def test_whatever_github_refuses_once_nothing_stays_lost(
    workspace: Workspace, method: str, path: str, fault: str
) -> None:
    workspace.github.app.webhook_url = "http://127.0.0.1:9/nobody"
    issue = workspace.person.open_issue(workspace.repository, "Unheard of")
    workspace.person.close(issue)
    await workspace.settle()
    workspace.clock.forward(60)
    # aiohttp sends a GET again by itself.
    workspace.github.fault(method, path, fault, times=2)
    await run_repair(workspace, repair_of(workspace), hours=3)
    assert await whole(workspace)


@OWN_ON_SQLITE
@pytest.mark.parametrize("kind", ["404", "422"])
async def test_what_the_log_has_and_does_not_give_is_read_by_its_time_of_change(
    workspace: Workspace, kind: str
) -> None:
    workspace.github.app.webhook_url = "http://127.0.0.1:9/nobody"
    issue = workspace.person.open_issue(workspace.repository, "Unheard of")
    workspace.person.close(issue)
    await workspace.settle()
    workspace.clock.forward(60)
    workspace.github.fault("POST", f"{LOG}/", kind, times=99)
    workspace.github.fault("GET", f"{LOG}/", kind, times=99)
    await run_repair(workspace, repair_of(workspace), hours=3)
    await workspace.settle()
    assert await whole(workspace)


async def test_a_mirror_that_misses_deliveries_says_so(workspace: Workspace) -> None:
    repair = repair_of(workspace)
    await run_repair(workspace, repair)
    fresh = await behind(workspace)
    assert (fresh["behind"], fresh["stale_s"]) == ([], 0)
    workspace.github.lose_deliveries(1)
    workspace.person.open_issue(workspace.repository, "Unheard of")
    await workspace.settle()
    workspace.clock.forward(400)
    await repair.step()
    stale = await behind(workspace)
    assert stale["behind"] == ["acme/rocket: 1 delivery lost, being fetched"]
    assert 300 < stale["stale_s"] < 500
    workspace.github.lose_deliveries(0)
    await run_repair(workspace, repair)
    assert (await behind(workspace))["behind"] == []


async def test_what_github_has_forgotten_is_read_by_its_time_of_change(
    workspace: Workspace,
) -> None:
    issue = await workspace.task("Before")
    repair = repair_of(workspace)
    await run_repair(workspace, repair)
    workspace.github.hold_deliveries()
    workspace.person.edit_issue(issue, title="After")
    workspace.person.comment(issue, "Unheard")
    workspace.github.held_deliveries.clear()
    workspace.github.release_deliveries()
    workspace.clock.forward(5 * 24 * HOUR)
    await run_repair(workspace, repair)
    await workspace.settle()
    assert await whole(workspace)


async def test_nothing_is_asked_for_that_arrived(workspace: Workspace) -> None:
    busy(workspace, 5)
    await workspace.settle()
    workspace.clock.forward(60)
    await run_repair(workspace, repair_of(workspace))
    asked = [r for r in workspace.github.requests if r.path.endswith("/attempts")]
    assert asked == []


@OWN_ON_SQLITE
@pytest.mark.parametrize("deliveries", [3, 250])
async def test_behind_a_firewall_every_delivery_is_fetched(
    workspace: Workspace, deliveries: int
) -> None:
    workspace.github.lose_deliveries(1)
    repair = repair_of(workspace, fetches=True)
    busy(workspace, deliveries // 4 + 1)
    await workspace.settle()
    await run_repair(workspace, repair)
    assert await whole(workspace)
    for _ in range(3):
        await repair.step()
    workspace.clock.forward(300)
    asked = len(workspace.github.requests)
    await repair.step()
    # Nothing new: one look at the newest page.
    assert len(workspace.github.requests) == asked + 1


async def test_two_processes_do_not_ask_twice(workspace: Workspace) -> None:
    workspace.github.lose_deliveries(0.5, seed=3)
    busy(workspace, 5)
    await workspace.settle()
    workspace.github.lose_deliveries(0)
    workspace.clock.forward(60)
    one, two = repair_of(workspace), repair_of(workspace)
    for _ in range(200):
        workspace.clock.forward(min(await one.step(), 1))
        workspace.clock.forward(min(await two.step(), 1))
    await workspace.settle()
    assert await whole(workspace)
    asked = [r.path for r in workspace.github.requests if r.path.endswith("/attempts")]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(("every_s", "looks"), [(10, 360), (60, 60)])
@OWN_ON_SQLITE
async def test_an_hour_of_pulling_costs_a_call_a_look_and_a_call_a_delivery(
    workspace: Workspace, every_s: int, looks: int
) -> None:
    workspace.github.lose_deliveries(1)
    repair = repair_of(workspace, fetches=True)
    repair.every_s = every_s
    await run_repair(workspace, repair)
    issue = workspace.person.open_issue(workspace.repository, "Talked about")
    asked, until = len(workspace.github.requests), workspace.clock.at + HOUR * 1_000_000
    said = 0
    while workspace.clock.at < until:
        if said < (HOUR * 1_000_000 - (until - workspace.clock.at)) // 36_000_000:
            workspace.person.comment(issue, f"Comment {said}")
            said += 1
        workspace.clock.forward(await repair.step())
        await workspace.github.wait_for_deliveries()
    spent = workspace.github.requests[asked:]
    fetched = [r for r in spent if r.route == "/app/hook/deliveries/{delivery_id}"]
    looked = [r for r in spent if r.route == "/app/hook/deliveries"]
    assert len(fetched) + len(looked) == len(spent)
    assert abs(len(fetched) - (said + 1)) <= 2  # some are still to come
    assert looks * 0.9 < len(looked) <= looks * 1.05


async def test_an_installation_that_went_unheard_is_found_gone(workspace: Workspace) -> None:
    issue = await workspace.task()
    agent = await workspace.agent("a")
    workspace.github.lose_deliveries(1)
    workspace.github.uninstall(workspace.installation)
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="Still there?")
    workspace.person.comment(issue, "Nobody hears this")
    q = "UPDATE pending_reads SET state = 'queued' WHERE installation_id = :i"
    await workspace.store.write(lambda tx: tx.run(q, i=workspace.installation.id))
    await workspace.settle()
    assert (await agent.call("list_tasks", state="any"))["tasks"] == []


@OWN_ON_SQLITE
async def test_a_look_that_was_cut_short_loses_nothing(workspace: Workspace) -> None:
    repair = repair_of(workspace, fetches=True)
    await run_repair(workspace, repair)
    workspace.github.lose_deliveries(1)
    busy(workspace, 60)
    await workspace.settle()
    workspace.clock.forward(300)
    while repair._survey is None or "cursor" not in (repair._survey.next_page or ""):
        await repair.step()
    # Killed after the newest page: another goes on.
    await repair.release()
    await run_repair(workspace, repair_of(workspace, fetches=True))
    assert await whole(workspace)


async def test_where_no_webhook_gets_in_a_log_that_cannot_be_read_makes_it_stale(
    workspace: Workspace,
) -> None:
    repair = repair_of(workspace, fetches=True)
    await run_repair(workspace, repair)
    assert (await behind(workspace))["behind"] == []
    workspace.clock.forward(HOUR)
    stale = await behind(workspace)
    assert stale["stale_s"] > HOUR - 400
    assert stale["behind"] == [
        "GitHub's log of deliveries cannot be read, and webhooks cannot reach Hubbub"
    ]
    workspace.github.fault("GET", "/app/hook/deliveries", "500")
    await repair.step()
    assert repair.trouble is not None
    await run_repair(workspace, repair)
    assert (await behind(workspace))["behind"] == []


async def test_a_log_that_github_refuses_is_asked_for_ever_more_rarely(
    workspace: Workspace,
) -> None:
    repair = repair_of(workspace)
    await run_repair(workspace, repair)
    workspace.github.fault("GET", "/app/hook/deliveries", "404", times=1000)
    end = workspace.clock() + 24 * HOUR * 1_000_000
    before = len(workspace.github.requests)
    while workspace.clock() < end:
        workspace.clock.forward(await repair.step())
    assert len(workspace.github.requests) - before <= 24 + 7
    workspace.github.clear_faults()
    await run_repair(workspace, repair)
    assert repair.trouble is None


async def test_a_first_backfill_is_not_cut_short_by_a_later_loss(workspace: Workspace) -> None:
    i, r = workspace.installation.id, workspace.repository.id
    workspace.github.seed(workspace.repository, issues=150)
    await workspace.store.write(lambda tx: backfill.begin(tx, i, r))
    await workspace.store.write(lambda tx: backfill.begin(tx, i, r, workspace.clock.at - 1))
    await workspace.settle()
    assert len(await workspace.mirror_content("issues")) == 150


async def test_an_installation_that_no_delivery_names_is_found_at_start(
    workspace: Workspace,
) -> None:
    async def forget(tx: Tx) -> None:
        for table in ("installations", "repositories", "backfills", "deliveries"):
            q = f"DELETE FROM {table} WHERE installation_id = :i"
            await tx.run(q, i=workspace.installation.id)

    await workspace.store.write(forget)
    for each in workspace.github.deliveries:
        each.delivered_at = "2020-01-01T00:00:00Z"
    await run_repair(workspace, repair_of(workspace))
    await workspace.settle()
    await workspace.begin_backfill()
    await workspace.settle()
    assert await whole(workspace)
