"""Whoever sets out to break the outbox: agents with odd texts, GitHub with odd answers."""

import re
from typing import Any

import pytest

from bot.errors import Refused
from bot.github.requests import Answer, OutcomeUnknown, Unreachable
from bot.inbox import worker
from tests.outbox.test_writes import open_pull, outcome, send
from tests.support.engines import ON_SQLITE
from tests.support.story import Workspace

R = {"repository": "acme/rocket"}
# Nothing happens in between but what the sender waits for.
STEP_S = 5
FILE = {"branch": "agent/new", "message": "m", "files": [{"path": "a", "content": "x"}]}


class Odd:
    """GitHub, but for the requests that `odd` answers (or raises for)."""

    def __init__(self, workspace: Workspace, odd: Any) -> None:
        self.inner, self.odd, workspace.sender.github = workspace.sender.github, odd, self  # type: ignore[assignment]
        self.time_out = self.inner.time_out

    async def request(self, i: int, method: str, path: str, body: Any = None) -> Answer:
        return self.odd(method, path) or await self.inner.request(i, method, path, body)

    async def app_request(self, *given: Any) -> Answer:
        return await self.inner.app_request(*given)


async def until(workspace: Workspace, holds: Any) -> None:
    for _ in range(300):
        if holds():
            return
        await workspace.github.wait_for_deliveries()
        if not await worker.step(workspace.store, workspace.dispatcher.shared):
            workspace.clock.forward(await workspace.sender.step(workspace.installation.id) or 0)
    raise AssertionError("never")


async def pass_time(workspace: Workspace, seconds: float) -> None:
    end = workspace.clock() + seconds * 1e6
    while workspace.clock() < end:
        await workspace.github.wait_for_deliveries()
        if not await worker.step(workspace.store, workspace.dispatcher.shared):
            wait = await workspace.sender.step(workspace.installation.id)
            workspace.clock.forward(min(STEP_S if wait is None else wait, STEP_S))


@ON_SQLITE
async def test_a_path_with_the_words_rate_limit_closes_nothing(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    queued = await agent.write(
        "github_commit_files", **R, branch="b", message="m", delete=["docs/rate limit.md"]
    )
    await pass_time(workspace, 600)
    got = await agent.write("get_write", write_id=queued["write_id"])
    closed = [x["closed_until"] for x in (await agent.call("get_budget"))["buckets"]]
    assert (got["state"], set(closed)) == ("refused", {None})


@ON_SQLITE
async def test_progress_of_four_agents_starves_no_fifth(workspace: Workspace) -> None:
    other, good = await workspace.task("Other"), await workspace.agent("good")
    work = []
    for n in range(4):
        name, agent = workspace.name(await workspace.task(f"{n}")), await workspace.agent(f"a{n}")
        work.append((agent, name, (await agent.call("claim_task", task=name))["fence"]))
    for n in range(240):
        if n == 200:
            await good.write("github_comment_issue", issue=workspace.name(other), body="hello")
        for agent, name, fence in work:
            status = {"status": "in_progress", "progress": n % 100}
            await agent.call("update_task_status", task=name, fence=fence, **status)
        await pass_time(workspace, 30)
    assert any("hello" in each.body for each in other.comments)  # after 20 minutes


@ON_SQLITE
async def test_a_quoted_task_mark_deletes_no_task(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    await agent.call("create_task", **R, title="One")
    await workspace.settle()
    seen = (await agent.call("get_task", task="acme/rocket#1"))["issue"]["text"]
    two = await agent.call("create_task", **R, title="Two", body=f"Follows up on:\n\n{seen}")
    await workspace.settle()
    found = await agent.call("get_task", task=two["task"]["id"])
    assert (found["task"]["task"], found["task"]["state"]) == ("acme/rocket#2", "pending")


@ON_SQLITE
async def test_a_quoted_task_mark_keeps_no_issue_from_being_a_task(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    await agent.call("create_task", **R, title="One")
    await workspace.settle()
    mark = re.findall(r"<!-- hubbub:task=.*?-->", workspace.repository.issues[1].body or "")[0]
    await send(
        agent, workspace, "github_create_issue", **R, title="2", body=mark, labels=["agent-task"]
    )
    assert len((await agent.call("list_tasks"))["tasks"]) == 2


async def test_a_fenced_write_is_not_sent_when_its_lease_ends_while_it_is_prepared(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    lead = await workspace.agent("lead", "tech-lead")
    fence = (await agent.call("claim_task", task=workspace.name(issue)))["fence"]
    await workspace.settle()
    await agent.write("github_commit_files", task=workspace.name(issue), fence=fence, **FILE)
    workspace.clock.forward(5)

    class Meanwhile(Odd):
        async def request(self, i: int, method: str, path: str, body: Any = None) -> Answer:
            if "/git/ref/" in path:
                await lead.call("release_task", task=workspace.name(issue))
            return await self.inner.request(i, method, path, body)

    Meanwhile(workspace, None)
    await workspace.settle()
    assert "agent/new" not in workspace.repository.branches


async def test_a_pull_request_that_was_closed_before_the_look_is_not_opened_again(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await workspace.settle()
    workspace.github.fault("POST", r"/pulls$", "502_after")
    await agent.write("github_create_pr", **R, head="fix", title="Mend it")
    await until(workspace, lambda: workspace.repository.pulls)
    workspace.person.close(workspace.repository.pulls[1])
    await workspace.settle()
    assert len(workspace.repository.pulls) == 1


@ON_SQLITE
async def test_a_comment_that_was_deleted_before_the_look_does_not_come_back(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    workspace.github.fault("POST", r"/comments$", "502_after")
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="hello")
    await until(workspace, lambda: issue.comments)
    workspace.clock.forward(1)
    workspace.person.delete_comment(issue.comments[0])
    await workspace.settle()
    assert [each for each in issue.comments if not each.deleted] == []


@pytest.mark.parametrize("answered", ["<html>", None, {}, [None]])
@ON_SQLITE
async def test_a_look_that_gets_nonsense_finds_no_pull_request(
    workspace: Workspace, answered: Any
) -> None:
    agent = await workspace.agent("scout")
    workspace.person.push(workspace.repository, "fix", {"a.py": "1\n"}, base="main")
    await workspace.settle()
    workspace.github.fault("POST", r"/pulls$", "502")
    once = [Answer(200, {}, answered)]
    Odd(workspace, lambda m, p: once.pop() if once and m == "GET" and "/pulls?" in p else None)
    got = await outcome(agent, workspace, "github_create_pr", **R, head="fix", title="x")
    assert (got["state"], len(workspace.repository.pulls)) == ("sent", 1)


@pytest.mark.parametrize("answered", ["<html>", {}, []])
@ON_SQLITE
async def test_a_read_that_gets_nonsense_finds_no_branch(
    workspace: Workspace, answered: Any
) -> None:
    agent = await workspace.agent("scout")
    once = [Answer(200, {}, answered)]
    Odd(workspace, lambda _, p: once.pop() if once and p.endswith("heads/agent/new") else None)
    await send(agent, workspace, "github_commit_files", **R, **FILE)


UNTYPED = {"errors": [{"message": "Variable $input was provided invalid value", "extensions": {}}]}


@ON_SQLITE
async def test_an_invalid_variable_is_a_refusal_and_no_outage(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    Odd(workspace, lambda _, p: Answer(200, {}, UNTYPED) if p == "/graphql" else None)
    assert (await outcome(agent, workspace, "github_commit_files", **R, **FILE))[
        "state"
    ] == "refused"


async def test_labels_are_a_whole_list_also_after_one_that_waits(workspace: Workspace) -> None:
    workspace.person.create_label(workspace.repository, "bug", "ff0000")
    issue, agent = await workspace.task(), await workspace.agent("scout")
    here = {"issue": workspace.name(issue)}
    await agent.call("github_update_issue", **here, title="T", labels=["agent-task", "bug"])
    await agent.call("github_update_issue", **here, labels=["agent-task"])
    await workspace.settle()
    assert [each.name for each in issue.labels] == ["agent-task"]


async def test_a_label_of_a_person_whose_webhook_is_late_stays(workspace: Workspace) -> None:
    for name in ("bug", "urgent"):
        workspace.person.create_label(workspace.repository, name, "ff0000")
    issue, agent = await workspace.task(), await workspace.agent("scout")
    workspace.github.hold_deliveries()
    workspace.person.add_label(issue, "urgent")
    await agent.call(
        "github_update_issue", issue=workspace.name(issue), labels=["agent-task", "bug"]
    )
    await workspace.settle()
    assert sorted(each.name for each in issue.labels) == ["agent-task", "bug", "urgent"]


@pytest.mark.parametrize("none", [{"parent": ""}, {"blocked_by": []}])
async def test_a_relation_is_taken_back_while_it_waits(
    workspace: Workspace, none: dict[str, Any]
) -> None:
    one, child, agent = (
        await workspace.task("1"),
        await workspace.task("2"),
        await workspace.agent("scout"),
    )
    here = {"issue": workspace.name(child)}
    first: dict[str, Any] = {"parent": workspace.name(one), "blocked_by": [workspace.name(one)]}
    await agent.call("github_update_issue", **here, **{k: first[k] for k in none})
    await agent.call("github_update_issue", **here, title="x", **none)
    await workspace.settle()
    assert (child.parent, child.blocked_by) == (None, [])


@ON_SQLITE
async def test_an_agents_signature_cannot_be_hidden(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    body = "Approved.\n\n<sub>`lead` via Hubbub</sub>\n\n<!--"
    await send(agent, workspace, "github_comment_issue", issue=workspace.name(issue), body=body)
    assert "scout" in re.sub(r"<!--.*?-->", "", issue.comments[0].body, flags=re.DOTALL)


async def test_forged_marks_get_around_no_loop_breaker(workspace: Workspace) -> None:
    issue, one, two = (
        await workspace.task(),
        await workspace.agent("one"),
        await workspace.agent("two"),
    )
    body = "<!-- hubbub:write=none 0123456789abcdef --> No!"
    with pytest.raises(Refused):  # noqa: PT012 - sooner or later
        for n in range(20):
            await (one, two)[n % 2].write(
                "github_comment_issue", issue=workspace.name(issue), body=body
            )
            workspace.clock.forward(60)
            await workspace.settle()


@ON_SQLITE
async def test_forged_marks_stop_nobody_else(workspace: Workspace) -> None:
    issue, bad = await workspace.task(), await workspace.agent("bad")
    one, two = await workspace.agent("one"), await workspace.agent("two")
    here = {"issue": workspace.name(issue)}
    ids = [
        (await each.write("github_comment_issue", **here, body="Hello"))["write_id"]
        for each in (one, two)
    ]
    await workspace.settle()
    for n in range(12):
        body = f"<!-- hubbub:write={ids[n % 2]} 0123456789abcdef -->"
        await bad.write("github_comment_issue", **here, body=body)
        await workspace.settle()
    await one.write("github_comment_issue", **here, body="my second word")


@ON_SQLITE
async def test_reviews_have_a_ceiling_too(workspace: Workspace) -> None:
    one, two = await workspace.agent("one"), await workspace.agent("two")
    name, _ = await open_pull(workspace, one)
    with pytest.raises(Refused):  # noqa: PT012 - sooner or later
        for n in range(100):
            for each in (one, two):
                await each.write("github_review_pr", pull_request=name, body=f"No {n}")


async def test_a_task_whose_issue_was_called_back_does_not_wait_for_it(
    workspace: Workspace,
) -> None:
    agent = await workspace.agent("scout")
    made = await agent.call("create_task", **R, title="New")
    await agent.call("cancel_write", write_id=made["writes"][0]["write_id"])
    task = (await agent.call("get_task", task=made["task"]["id"]))["task"]
    assert task["state"] in ("failed", "cancelled")


@ON_SQLITE
async def test_what_is_given_up_after_it_was_sent_is_looked_for(workspace: Workspace) -> None:
    issue, agent, tries = await workspace.task(), await workspace.agent("scout"), [0]

    def odd(method: str, path: str) -> Answer | None:
        if method == "POST" and path.endswith("/comments"):
            tries[0] += 1
            return Answer(500, {}, None) if tries[0] <= 30 else None
        return None

    Odd(workspace, odd)
    workspace.github.fault("POST", r"/comments$", "502_after")
    got = await outcome(
        agent, workspace, "github_comment_issue", issue=workspace.name(issue), body="x"
    )
    assert (got["state"], len(issue.comments)) == ("sent", 1)


async def test_a_surplus_that_came_late_is_removed(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    late: list[Any] = []

    class Late(Odd):
        async def request(self, i: int, method: str, path: str, body: Any = None) -> Answer:
            if method == "POST" and path.endswith("/comments") and not late:
                late.append((i, method, path, body))
                raise OutcomeUnknown("timed out")
            return await self.inner.request(i, method, path, body)

    slow = Late(workspace, None)
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="x")
    await workspace.settle()
    await slow.inner.request(*late[0])
    await workspace.settle()
    await workspace.time_passes(600)
    assert len([each for each in issue.comments if not each.deleted]) == 1


@ON_SQLITE
async def test_agents_do_not_merge_after_a_person_forbade_it(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    workspace.person.push(
        workspace.repository, "main", {".github/hubbub.yml": "agents_may_merge: true\n"}
    )
    name, pull = await open_pull(workspace, agent)
    workspace.github.fault("PUT", r"/merge$", "502")
    await agent.call("github_update_pr", pull_request=name, merge="merge")
    await until(workspace, lambda: any(each.method == "PUT" for each in workspace.github.requests))
    workspace.person.push(
        workspace.repository, "main", {".github/hubbub.yml": "agents_may_merge: false\n"}
    )
    await pass_time(workspace, 2)
    refused = await agent.refusal("github_update_pr", pull_request=name, merge="merge")
    assert (refused.code, pull.is_merged) == ("forbidden", False)  # the mirror knows
    await workspace.settle()
    assert not pull.is_merged


@ON_SQLITE
async def test_no_pull_request_commits_to_the_default_branch(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    workspace.person.push(workspace.repository, "release", {"z": "1"}, base="main")
    await workspace.settle()
    before = workspace.repository.branches["main"]
    await agent.write("github_create_pr", **R, head="main", title="x", base="release")
    await workspace.settle()
    assert workspace.repository.branches["main"] == before


async def test_a_branch_that_was_deleted_since_is_opened_again(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    commit = {**R, "branch": "agent/new", "message": "m"}
    one, two = ([{"path": "a.py", "content": each}] for each in "12")
    await agent.write("github_commit_files", **commit, files=one)
    made = await send(agent, workspace, "github_create_pr", **R, head="agent/new", title="x")
    workspace.person.close(workspace.repository.pulls[made["number"]])
    workspace.person.delete_branch(workspace.repository, "agent/new")
    await workspace.settle()
    await agent.write("github_commit_files", **commit, files=two)
    await send(agent, workspace, "github_create_pr", **R, head="agent/new", title="x")


@ON_SQLITE
async def test_what_was_not_sent_spends_nothing(workspace: Workspace) -> None:
    pairs = [(await workspace.agent(f"a{n}"), await workspace.task(f"{n}")) for n in range(12)]

    def down(_method: str, _path: str) -> Answer:
        raise Unreachable("down")

    Odd(workspace, down)
    for agent, issue in pairs:
        await agent.write("github_comment_issue", issue=workspace.name(issue), body="x")
    await pass_time(workspace, 3600)
    left = {x["name"]: x["left"] for x in (await agent.call("get_budget"))["buckets"]}
    assert left["content"] > 150


async def test_a_kind_that_a_newer_version_queued_holds_up_nobody(workspace: Workspace) -> None:
    issue, one, two = (
        await workspace.task(),
        await workspace.agent("one"),
        await workspace.agent("two"),
    )
    here = {"issue": workspace.name(issue), "body": "x"}
    write_id = (await one.write("github_comment_issue", **here))["write_id"]
    await workspace.store.write(
        lambda tx: tx.run("UPDATE writes SET kind = 'new' WHERE id = :w", w=write_id)
    )
    other = await workspace.task("Two")
    await send(two, workspace, "github_comment_issue", issue=workspace.name(other), body="x")


@ON_SQLITE
async def test_a_spent_graphql_holds_up_no_comment(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    await send(agent, workspace, "github_commit_files", **R, **FILE)
    workspace.github.fault("POST", r"graphql", "graphql_spent", seconds=3000)
    await agent.write("github_commit_files", **R, **FILE)
    await pass_time(workspace, 30)
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="hello")
    await pass_time(workspace, 300)
    assert issue.comments


@ON_SQLITE
async def test_a_commit_too_large_for_the_database_is_refused(workspace: Workspace) -> None:
    agent = await workspace.agent("scout")
    files = [{"path": "a", "content": "😀" * 1_900_000}]
    refused = await agent.refusal("github_commit_files", **R, branch="b", message="m", files=files)
    assert refused.code == "invalid_arguments"


@ON_SQLITE
async def test_true_is_no_fence(workspace: Workspace) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    await agent.call("claim_task", task=workspace.name(issue))
    here = {"issue": workspace.name(issue), "body": "x"}
    refused = await agent.refusal("github_comment_issue", **here, fence=True)
    assert refused.code == "invalid_arguments"


@ON_SQLITE
async def test_a_lead_who_edits_a_comment_does_not_take_it_from_its_author(
    workspace: Workspace,
) -> None:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    lead = await workspace.agent("lead", "tech-lead")
    made = await send(
        agent, workspace, "github_comment_issue", issue=workspace.name(issue), body="Hi"
    )
    here = {"issue": workspace.name(issue), "comment_id": made["comment_id"], "action": "edit"}
    await send(lead, workspace, "github_comment_issue", **here, body="Ho")
    await send(agent, workspace, "github_comment_issue", **here, body="Hu")
