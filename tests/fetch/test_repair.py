"""What GitHub sent and nobody got is found, and brought in."""

from typing import Any

import pytest

from bot.fetch import backfill
from bot.fetch.missed_deliveries import Repair
from store.engine.transaction import Tx
from store.inbox import missed_deliveries
from tests.support.mirror_oracle import (
    of_github,
    of_mirror,
    relations_of_github,
    relations_of_mirror,
)
from tests.support.story import Town

HOUR = 3600


@pytest.fixture
def store_url(own_url: str) -> str:
    """A database of its own: what concerns the App as a whole belongs to no installation."""
    return own_url


@pytest.fixture
async def town(town: Town) -> Town:
    """One whose mirror is whole."""
    await town.begin_backfill()
    await town.settle()
    return town


def repair_of(town: Town, *, fetches: bool = False) -> Repair:
    here = town.dispatcher
    return Repair(
        here.store, town.sender.github, keys=here.shared.keys, fetches=fetches, every_s=300
    )


async def mended(town: Town, repair: Repair, hours: float = 1) -> None:
    """Let it work until nothing is lost, or the time is over."""
    until = town.clock.at + hours * HOUR * 1_000_000
    while town.clock.at < until:
        town.clock.forward(await repair.step())
        await town.settle()
        if not await town.store.read(missed_deliveries.count) and repair._survey is None:
            return


def busy(town: Town, n: int) -> None:
    for each in range(n):
        issue = town.person.open_issue(town.repository, f"Issue {each}", labels=["bug"])
        comment = town.person.comment(issue, "First")
        town.person.edit_comment(comment, "Second")
        town.person.close(issue)
        town.clock.forward(7)


async def whole(town: Town) -> bool:
    same = await of_mirror(town, town.repository) == of_github(town.repository)
    return same and await relations_of_mirror(town) == relations_of_github(town.github)


async def behind(town: Town) -> dict[str, Any]:
    agent = await town.agent("a")
    return await agent.call("list_tasks")


async def test_deliveries_that_failed_are_asked_for_again(town: Town) -> None:
    town.github.lose_deliveries(0.4, seed=1)
    busy(town, 20)
    await town.settle()
    town.github.lose_deliveries(0)
    assert not await whole(town)
    town.clock.forward(60)
    await mended(town, repair_of(town))
    assert await whole(town)


async def test_what_fails_again_and_again_is_fetched(town: Town) -> None:
    town.github.app.webhook_url = "http://127.0.0.1:9/nobody"
    issue = town.person.open_issue(town.repository, "Unheard of")
    town.person.close(issue)
    await town.settle()
    town.clock.forward(60)
    await mended(town, repair_of(town))
    assert await whole(town)
    log = [r for r in town.github.requests if r.route.startswith("/app/hook/deliveries/")]
    asked = [r for r in log if r.path.endswith("/attempts")]
    assert (len(asked), len(log) - len(asked)) == (4, 2)


async def test_a_mirror_that_misses_deliveries_says_so(town: Town) -> None:
    repair = repair_of(town)
    await mended(town, repair)
    fresh = await behind(town)
    assert (fresh["behind"], fresh["stale_s"]) == ([], 0)
    town.github.lose_deliveries(1)
    town.person.open_issue(town.repository, "Unheard of")
    await town.settle()
    town.clock.forward(400)
    await repair.step()
    stale = await behind(town)
    assert stale["behind"] == ["acme/rocket: 1 delivery lost, being fetched"]
    assert 300 < stale["stale_s"] < 500
    town.github.lose_deliveries(0)
    await mended(town, repair)
    assert (await behind(town))["behind"] == []


async def test_what_github_has_forgotten_is_read_by_its_time_of_change(town: Town) -> None:
    issue = await town.task("Before")
    repair = repair_of(town)
    await mended(town, repair)
    town.github.hold_deliveries()
    town.person.edit_issue(issue, title="After")
    town.person.comment(issue, "Unheard")
    town.github.held_deliveries.clear()
    town.github.release_deliveries()
    town.clock.forward(5 * 24 * HOUR)
    await mended(town, repair)
    await town.settle()
    assert await whole(town)


async def test_nothing_is_asked_for_that_arrived(town: Town) -> None:
    busy(town, 5)
    await town.settle()
    town.clock.forward(60)
    await mended(town, repair_of(town))
    asked = [r for r in town.github.requests if r.path.endswith("/attempts")]
    assert asked == []


@pytest.mark.parametrize("deliveries", [3, 250])
async def test_behind_a_firewall_every_delivery_is_fetched(town: Town, deliveries: int) -> None:
    town.github.lose_deliveries(1)
    repair = repair_of(town, fetches=True)
    busy(town, deliveries // 4 + 1)
    await town.settle()
    await mended(town, repair)
    assert await whole(town)
    for _ in range(3):
        await repair.step()
    town.clock.forward(300)
    asked = len(town.github.requests)
    await repair.step()
    # Nothing new: one look at the newest page.
    assert len(town.github.requests) == asked + 1


async def test_two_processes_do_not_ask_twice(town: Town) -> None:
    town.github.lose_deliveries(0.5, seed=3)
    busy(town, 5)
    await town.settle()
    town.github.lose_deliveries(0)
    town.clock.forward(60)
    one, two = repair_of(town), repair_of(town)
    for _ in range(200):
        town.clock.forward(min(await one.step(), 1))
        town.clock.forward(min(await two.step(), 1))
    await town.settle()
    assert await whole(town)
    asked = [r.path for r in town.github.requests if r.path.endswith("/attempts")]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(("every_s", "looks"), [(10, 360), (60, 60)])
async def test_an_hour_of_pulling_costs_a_call_a_look_and_a_call_a_delivery(
    town: Town, every_s: int, looks: int
) -> None:
    town.github.lose_deliveries(1)
    repair = repair_of(town, fetches=True)
    repair.every_s = every_s
    await mended(town, repair)
    issue = town.person.open_issue(town.repository, "Talked about")
    asked, until = len(town.github.requests), town.clock.at + HOUR * 1_000_000
    said = 0
    while town.clock.at < until:
        if said < (HOUR * 1_000_000 - (until - town.clock.at)) // 36_000_000:
            town.person.comment(issue, f"Comment {said}")
            said += 1
        town.clock.forward(await repair.step())
        await town.github.wait_for_deliveries()
    spent = town.github.requests[asked:]
    fetched = [r for r in spent if r.route == "/app/hook/deliveries/{delivery_id}"]
    looked = [r for r in spent if r.route == "/app/hook/deliveries"]
    assert len(fetched) + len(looked) == len(spent)
    assert abs(len(fetched) - (said + 1)) <= 2  # some are still to come
    assert looks * 0.9 < len(looked) <= looks * 1.05


async def test_an_installation_that_went_unheard_is_found_gone(town: Town) -> None:
    issue = await town.task()
    agent = await town.agent("a")
    town.github.lose_deliveries(1)
    town.github.uninstall(town.installation)
    await agent.call("github_comment_issue", issue=town.name(issue), body="Still there?")
    town.person.comment(issue, "Nobody hears this")
    q = "UPDATE pending_reads SET state = 'queued' WHERE installation_id = :i"
    await town.store.write(lambda tx: tx.run(q, i=town.installation.id))
    await town.settle()
    assert (await agent.call("list_tasks", state="any"))["tasks"] == []


async def test_a_look_that_was_cut_short_loses_nothing(town: Town) -> None:
    repair = repair_of(town, fetches=True)
    await mended(town, repair)
    town.github.lose_deliveries(1)
    busy(town, 60)
    await town.settle()
    town.clock.forward(300)
    while repair._survey is None or "cursor" not in (repair._survey.next_page or ""):
        await repair.step()
    # Killed after the newest page: another goes on.
    await repair.release()
    await mended(town, repair_of(town, fetches=True))
    assert await whole(town)


async def test_where_no_webhook_gets_in_a_log_that_cannot_be_read_makes_it_stale(
    town: Town,
) -> None:
    repair = repair_of(town, fetches=True)
    await mended(town, repair)
    assert (await behind(town))["behind"] == []
    town.clock.forward(HOUR)
    stale = await behind(town)
    assert stale["stale_s"] > HOUR - 400
    assert stale["behind"] == [
        "GitHub's log of deliveries cannot be read, and webhooks cannot reach Hubbub"
    ]
    town.github.fault("GET", "/app/hook/deliveries", "500")
    await repair.step()
    assert repair.trouble is not None
    await mended(town, repair)
    assert (await behind(town))["behind"] == []


async def test_a_first_backfill_is_not_cut_short_by_a_later_loss(town: Town) -> None:
    i, r = town.installation.id, town.repository.id
    town.github.seed(town.repository, issues=150)
    await town.store.write(lambda tx: backfill.begin(tx, i, r))
    await town.store.write(lambda tx: backfill.begin(tx, i, r, town.clock.at - 1))
    await town.settle()
    assert len(await town.mirrored("issues")) == 150


async def test_an_installation_that_no_delivery_names_is_found_at_start(town: Town) -> None:
    async def forget(tx: Tx) -> None:
        for table in ("installations", "repositories", "backfills", "deliveries"):
            q = f"DELETE FROM {table} WHERE installation_id = :i"
            await tx.run(q, i=town.installation.id)

    await town.store.write(forget)
    for each in town.github.deliveries:
        each.delivered_at = "2020-01-01T00:00:00Z"
    await mended(town, repair_of(town))
    await town.settle()
    await town.begin_backfill()
    await town.settle()
    assert await whole(town)
