"""Whoever sets out to break the outbox: agents with odd texts, GitHub with odd answers."""

import re
from typing import Any

import pytest

from bot.errors import Refused
from bot.github.requests import Answer, OutcomeUnknown, Unreachable
from bot.inbox import worker
from tests.outbox.test_writes import opened, outcome, sent
from tests.support.story import Town

R = {"repository": "acme/rocket"}
# Nothing happens in between but what the sender waits for.
STEP_S = 5
FILE = {"branch": "agent/new", "message": "m", "files": [{"path": "a", "content": "x"}]}


class Odd:
    """GitHub, but for the requests that `odd` answers (or raises for)."""

    def __init__(self, town: Town, odd: Any) -> None:
        self.inner, self.odd, town.sender.github = town.sender.github, odd, self  # type: ignore[assignment]
        self.time_out = self.inner.time_out

    async def request(self, i: int, method: str, path: str, body: Any = None) -> Answer:
        return self.odd(method, path) or await self.inner.request(i, method, path, body)

    async def app_request(self, *given: Any) -> Answer:
        return await self.inner.app_request(*given)


async def until(town: Town, holds: Any) -> None:
    for _ in range(300):
        if holds():
            return
        await town.github.wait_for_deliveries()
        if not await worker.step(town.store, town.dispatcher.shared):
            town.clock.forward(await town.sender.step(town.installation.id) or 0)
    raise AssertionError("never")


async def pass_time(town: Town, seconds: float) -> None:
    end = town.clock() + seconds * 1e6
    while town.clock() < end:
        await town.github.wait_for_deliveries()
        if not await worker.step(town.store, town.dispatcher.shared):
            wait = await town.sender.step(town.installation.id)
            town.clock.forward(min(STEP_S if wait is None else wait, STEP_S))


async def test_a_path_with_the_words_rate_limit_closes_nothing(town: Town) -> None:
    agent = await town.agent("scout")
    queued = await agent.call(
        "github_commit_files", **R, branch="b", message="m", delete=["docs/rate limit.md"]
    )
    await pass_time(town, 600)
    got = await agent.call("get_write", write_id=queued["write_id"])
    closed = [x["closed_until"] for x in (await agent.call("get_budget"))["buckets"]]
    assert (got["state"], set(closed)) == ("refused", {None})


async def test_progress_of_four_agents_starves_no_fifth(town: Town) -> None:
    other, good = await town.task("Other"), await town.agent("good")
    work = []
    for n in range(4):
        name, agent = town.name(await town.task(f"{n}")), await town.agent(f"a{n}")
        work.append((agent, name, (await agent.call("claim_task", task=name))["fence"]))
    for n in range(240):
        if n == 200:
            await good.call("github_comment_issue", issue=town.name(other), body="hello")
        for agent, name, fence in work:
            status = {"status": "in_progress", "progress": n % 100}
            await agent.call("update_task_status", task=name, fence=fence, **status)
        await pass_time(town, 30)
    assert any("hello" in each.body for each in other.comments)  # after 20 minutes


async def test_a_quoted_task_mark_deletes_no_task(town: Town) -> None:
    agent = await town.agent("scout")
    await agent.call("create_task", **R, title="One")
    await town.settle()
    seen = (await agent.call("get_task", task="acme/rocket#1"))["issue"]["text"]
    two = await agent.call("create_task", **R, title="Two", body=f"Follows up on:\n\n{seen}")
    await town.settle()
    await agent.call("get_task", task=two["task"]["id"])


async def test_a_quoted_task_mark_keeps_no_issue_from_being_a_task(town: Town) -> None:
    agent = await town.agent("scout")
    await agent.call("create_task", **R, title="One")
    await town.settle()
    mark = re.findall(r"<!-- hubbub:task=.*?-->", town.repository.issues[1].body or "")[0]
    await sent(agent, town, "github_create_issue", **R, title="2", body=mark, labels=["agent-task"])
    assert len((await agent.call("list_tasks"))["tasks"]) == 2


async def test_a_fenced_write_is_not_sent_when_its_lease_ends_while_it_is_prepared(
    town: Town,
) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    lead = await town.agent("lead", "tech-lead")
    fence = (await agent.call("claim_task", task=town.name(issue)))["fence"]
    await town.settle()
    await agent.call("github_commit_files", task=town.name(issue), fence=fence, **FILE)
    town.clock.forward(5)

    class Meanwhile(Odd):
        async def request(self, i: int, method: str, path: str, body: Any = None) -> Answer:
            if "/git/ref/" in path:
                await lead.call("release_task", task=town.name(issue))
            return await self.inner.request(i, method, path, body)

    Meanwhile(town, None)
    await town.settle()
    assert "agent/new" not in town.repository.branches


async def test_a_pull_request_that_was_closed_before_the_look_is_not_opened_again(
    town: Town,
) -> None:
    agent = await town.agent("scout")
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    await town.settle()
    town.github.fault("POST", r"/pulls$", "502_after")
    await agent.call("github_create_pr", **R, head="fix", title="Mend it")
    await until(town, lambda: town.repository.pulls)
    town.person.close(town.repository.pulls[1])
    await town.settle()
    assert len(town.repository.pulls) == 1


async def test_a_comment_that_was_deleted_before_the_look_does_not_come_back(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    town.github.fault("POST", r"/comments$", "502_after")
    await agent.call("github_comment_issue", issue=town.name(issue), body="hello")
    await until(town, lambda: issue.comments)
    town.clock.forward(1)
    town.person.delete_comment(issue.comments[0])
    await town.settle()
    assert [each for each in issue.comments if not each.deleted] == []


@pytest.mark.parametrize("data", ["<html>", None, {}, [None]])
async def test_a_look_that_gets_nonsense_finds_no_pull_request(town: Town, data: Any) -> None:
    agent = await town.agent("scout")
    town.person.push(town.repository, "fix", {"a.py": "1\n"}, base="main")
    await town.settle()
    town.github.fault("POST", r"/pulls$", "502")
    once = [Answer(200, {}, data)]
    Odd(town, lambda m, p: once.pop() if once and m == "GET" and "/pulls?" in p else None)
    got = await outcome(agent, town, "github_create_pr", **R, head="fix", title="x")
    assert (got["state"], len(town.repository.pulls)) == ("sent", 1)


@pytest.mark.parametrize("data", ["<html>", {}, []])
async def test_a_read_that_gets_nonsense_finds_no_branch(town: Town, data: Any) -> None:
    agent = await town.agent("scout")
    once = [Answer(200, {}, data)]
    Odd(town, lambda _, p: once.pop() if once and p.endswith("heads/agent/new") else None)
    await sent(agent, town, "github_commit_files", **R, **FILE)


UNTYPED = {"errors": [{"message": "Variable $input was provided invalid value", "extensions": {}}]}


async def test_an_invalid_variable_is_a_refusal_and_no_outage(town: Town) -> None:
    agent = await town.agent("scout")
    Odd(town, lambda _, p: Answer(200, {}, UNTYPED) if p == "/graphql" else None)
    assert (await outcome(agent, town, "github_commit_files", **R, **FILE))["state"] == "refused"


async def test_labels_are_a_whole_list_also_after_one_that_waits(town: Town) -> None:
    town.person.create_label(town.repository, "bug", "ff0000")
    issue, agent = await town.task(), await town.agent("scout")
    here = {"issue": town.name(issue)}
    await agent.call("github_update_issue", **here, title="T", labels=["agent-task", "bug"])
    await agent.call("github_update_issue", **here, labels=["agent-task"])
    await town.settle()
    assert [each.name for each in issue.labels] == ["agent-task"]


async def test_a_label_of_a_person_whose_webhook_is_late_stays(town: Town) -> None:
    for name in ("bug", "urgent"):
        town.person.create_label(town.repository, name, "ff0000")
    issue, agent = await town.task(), await town.agent("scout")
    town.github.hold_deliveries()
    town.person.add_label(issue, "urgent")
    await agent.call("github_update_issue", issue=town.name(issue), labels=["agent-task", "bug"])
    await town.settle()
    assert sorted(each.name for each in issue.labels) == ["agent-task", "bug", "urgent"]


@pytest.mark.parametrize("none", [{"parent": ""}, {"blocked_by": []}])
async def test_a_relation_is_taken_back_while_it_waits(town: Town, none: dict[str, Any]) -> None:
    one, child, agent = await town.task("1"), await town.task("2"), await town.agent("scout")
    here = {"issue": town.name(child)}
    first: dict[str, Any] = {"parent": town.name(one), "blocked_by": [town.name(one)]}
    await agent.call("github_update_issue", **here, **{k: first[k] for k in none})
    await agent.call("github_update_issue", **here, title="x", **none)
    await town.settle()
    assert (child.parent, child.blocked_by) == (None, [])


async def test_an_agents_signature_cannot_be_hidden(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    body = "Approved.\n\n<sub>`lead` via Hubbub</sub>\n\n<!--"
    await sent(agent, town, "github_comment_issue", issue=town.name(issue), body=body)
    assert "scout" in re.sub(r"<!--.*?-->", "", issue.comments[0].body, flags=re.DOTALL)


async def test_forged_marks_get_around_no_loop_breaker(town: Town) -> None:
    issue, one, two = await town.task(), await town.agent("one"), await town.agent("two")
    body = "<!-- hubbub:write=none 0123456789abcdef --> No!"
    with pytest.raises(Refused):  # noqa: PT012 - sooner or later
        for n in range(20):
            await (one, two)[n % 2].call("github_comment_issue", issue=town.name(issue), body=body)
            town.clock.forward(60)
            await town.settle()


async def test_forged_marks_stop_nobody_else(town: Town) -> None:
    issue, bad = await town.task(), await town.agent("bad")
    one, two = await town.agent("one"), await town.agent("two")
    here = {"issue": town.name(issue)}
    ids = [
        (await each.call("github_comment_issue", **here, body="Hello"))["write_id"]
        for each in (one, two)
    ]
    await town.settle()
    for n in range(12):
        body = f"<!-- hubbub:write={ids[n % 2]} 0123456789abcdef -->"
        await bad.call("github_comment_issue", **here, body=body)
        await town.settle()
    await one.call("github_comment_issue", **here, body="my second word")


async def test_reviews_have_a_ceiling_too(town: Town) -> None:
    one, two = await town.agent("one"), await town.agent("two")
    name, _ = await opened(town, one)
    with pytest.raises(Refused):  # noqa: PT012 - sooner or later
        for n in range(100):
            for each in (one, two):
                await each.call("github_review_pr", pull_request=name, body=f"No {n}")


async def test_a_task_whose_issue_was_called_back_does_not_wait_for_it(town: Town) -> None:
    agent = await town.agent("scout")
    made = await agent.call("create_task", **R, title="New")
    await agent.call("cancel_write", write_id=made["write_id"])
    task = (await agent.call("get_task", task=made["task"]["id"]))["task"]
    assert task["state"] in ("failed", "cancelled")


async def test_what_is_given_up_after_it_was_sent_is_looked_for(town: Town) -> None:
    issue, agent, tries = await town.task(), await town.agent("scout"), [0]

    def odd(method: str, path: str) -> Answer | None:
        if method == "POST" and path.endswith("/comments"):
            tries[0] += 1
            return Answer(500, {}, None) if tries[0] <= 30 else None
        return None

    Odd(town, odd)
    town.github.fault("POST", r"/comments$", "502_after")
    got = await outcome(agent, town, "github_comment_issue", issue=town.name(issue), body="x")
    assert (got["state"], len(issue.comments)) == ("sent", 1)


async def test_a_surplus_that_came_late_is_removed(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    late: list[Any] = []

    class Late(Odd):
        async def request(self, i: int, method: str, path: str, body: Any = None) -> Answer:
            if method == "POST" and path.endswith("/comments") and not late:
                late.append((i, method, path, body))
                raise OutcomeUnknown("timed out")
            return await self.inner.request(i, method, path, body)

    slow = Late(town, None)
    await agent.call("github_comment_issue", issue=town.name(issue), body="x")
    await town.settle()
    await slow.inner.request(*late[0])
    await town.settle()
    await town.time_passes(600)
    assert len([each for each in issue.comments if not each.deleted]) == 1


async def test_agents_do_not_merge_after_a_person_forbade_it(town: Town) -> None:
    agent = await town.agent("scout")
    town.person.push(town.repository, "main", {".github/hubbub.yml": "agents_may_merge: true\n"})
    name, pull = await opened(town, agent)
    town.github.fault("PUT", r"/merge$", "502")
    await agent.call("github_update_pr", pull_request=name, merge="merge")
    await until(town, lambda: any(each.method == "PUT" for each in town.github.requests))
    town.person.push(town.repository, "main", {".github/hubbub.yml": "agents_may_merge: false\n"})
    await pass_time(town, 2)
    refused = await agent.refused("github_update_pr", pull_request=name, merge="merge")
    assert (refused.code, pull.is_merged) == ("forbidden", False)  # the mirror knows
    await town.settle()
    assert not pull.is_merged


async def test_no_pull_request_commits_to_the_default_branch(town: Town) -> None:
    agent = await town.agent("scout")
    town.person.push(town.repository, "release", {"z": "1"}, base="main")
    await town.settle()
    before = town.repository.branches["main"]
    await agent.call("github_create_pr", **R, head="main", title="x", base="release")
    await town.settle()
    assert town.repository.branches["main"] == before


async def test_a_branch_that_was_deleted_since_is_opened_again(town: Town) -> None:
    agent = await town.agent("scout")
    made = await sent(agent, town, "github_create_pr", **R, head="agent/new", title="x")
    town.person.close(town.repository.pulls[made["number"]])
    town.person.delete_branch(town.repository, "agent/new")
    await town.settle()
    await sent(agent, town, "github_create_pr", **R, head="agent/new", title="x")


async def test_what_was_not_sent_spends_nothing(town: Town) -> None:
    pairs = [(await town.agent(f"a{n}"), await town.task(f"{n}")) for n in range(12)]

    def down(_method: str, _path: str) -> Answer:
        raise Unreachable("down")

    Odd(town, down)
    for agent, issue in pairs:
        await agent.call("github_comment_issue", issue=town.name(issue), body="x")
    await pass_time(town, 3600)
    left = {x["name"]: x["left"] for x in (await agent.call("get_budget"))["buckets"]}
    assert left["content"] > 150


async def test_a_kind_that_a_newer_version_queued_holds_up_nobody(town: Town) -> None:
    issue, one, two = await town.task(), await town.agent("one"), await town.agent("two")
    here = {"issue": town.name(issue), "body": "x"}
    write_id = (await one.call("github_comment_issue", **here))["write_id"]
    await town.store.write(
        lambda tx: tx.run("UPDATE writes SET kind = 'new' WHERE id = :w", w=write_id)
    )
    other = await town.task("Two")
    await sent(two, town, "github_comment_issue", issue=town.name(other), body="x")


async def test_a_spent_graphql_holds_up_no_comment(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    await sent(agent, town, "github_commit_files", **R, **FILE)
    town.github.fault("POST", r"graphql", "graphql_spent", seconds=3000)
    await agent.call("github_commit_files", **R, **FILE)
    await pass_time(town, 30)
    await agent.call("github_comment_issue", issue=town.name(issue), body="hello")
    await pass_time(town, 300)
    assert issue.comments


async def test_a_commit_too_large_for_the_database_is_refused(town: Town) -> None:
    agent = await town.agent("scout")
    files = [{"path": "a", "content": "😀" * 1_900_000}]
    try:
        await agent.call("github_commit_files", **R, branch="b", message="m", files=files)
    except Refused:
        return


async def test_true_is_no_fence(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    await agent.call("claim_task", task=town.name(issue))
    await agent.refused("github_comment_issue", issue=town.name(issue), body="x", fence=True)


async def test_a_lead_who_edits_a_comment_does_not_take_it_from_its_author(town: Town) -> None:
    issue, agent = await town.task(), await town.agent("scout")
    lead = await town.agent("lead", "tech-lead")
    made = await sent(agent, town, "github_comment_issue", issue=town.name(issue), body="Hi")
    here = {"issue": town.name(issue), "comment_id": made["comment_id"], "action": "edit"}
    await sent(lead, town, "github_comment_issue", **here, body="Ho")
    await sent(agent, town, "github_comment_issue", **here, body="Hu")
