"""What needs a person appears when its trouble begins, and goes away when the trouble ends."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.attention.items import KINDS, MOST_LISTED, OF_TARGETS
from bot.attention.wording import WORDS
from bot.flags import setting
from bot.flags.known import JOINT_REQUESTS
from bot.identity.actors import Actor
from bot.times import SECOND
from fixtures.github import Issue
from store.attention.troubles import SOURCES
from store.engine.transaction import Tx
from store.flags import feature_flags
from store.inbox import deliveries
from store.tables.approvals import PlanProposalRow
from store.workflows import plan_proposals
from tests.pulls.test_checks import open_pull
from tests.support.agent_runs import begin, set_templates, spawn, workflow_run
from tests.support.engines import ON_SQLITE
from tests.support.gates import make_gate
from tests.support.story import Agent, Workspace
from tests.tasks.test_fair_claims import let_expire
from tests.tasks.test_spending import review, set_caps, spend, working


def person(workspace: Workspace, **more: Any) -> Agent:
    """A person who may read the repository."""
    roles = {workspace.repository.id: "observer"}
    given: Any = {"repositories": frozenset(roles), "roles": roles, **more}
    role = given.pop("role", "observer")
    return Agent(workspace.dispatcher, Actor(workspace.installation.id, "@ada", role, **given))


def lead(workspace: Workspace) -> Agent:
    """A person who administers all repositories."""
    return person(workspace, role="tech-lead", roles={workspace.repository.id: "tech-lead"})


async def listed(workspace: Workspace, kind: str | None = None) -> list[dict[str, Any]]:
    one = lead(workspace) if kind in OF_TARGETS else person(workspace)
    found = (await one.call("list_attention"))["items"]
    return [each for each in found if kind in (None, each["kind"])]


async def change(workspace: Workspace, sql: str, **given: Any) -> None:
    await workspace.store.write(lambda tx: tx.run(sql, i=workspace.installation.id, **given))


def test_each_kind_has_a_query_and_words() -> None:
    assert [*KINDS] == [*SOURCES] == [*WORDS]


async def say(workspace: Workspace, issue: Issue, text: str) -> None:
    workspace.person.comment(issue, text)
    await workspace.settle()


async def report(workspace: Workspace, **given: Any) -> tuple[Agent, Issue]:
    agent, issue, fence = await working(workspace)
    name = workspace.name(issue)
    await agent.call("update_task_status", task=name, fence=fence, **given)
    await workspace.settle()
    return agent, issue


# --- Each kind: a story that begins the trouble, and gives the one that ends it ------------------

Ends = Callable[[], Awaitable[object]]
Begins = Callable[[Workspace], Awaitable[Ends]]


async def question(workspace: Workspace) -> Ends:
    _, issue = await report(workspace, status="in_progress", question="Which valve?")
    return lambda: say(workspace, issue, "The left one.")


async def question_of_a_closed_issue(workspace: Workspace) -> Ends:
    _, issue = await report(workspace, status="in_progress", question="Which valve?")

    async def close() -> None:
        workspace.person.close(issue)
        await workspace.settle()

    return close


async def failed(workspace: Workspace) -> Ends:
    _, issue = await report(workspace, status="failed", result="No compiler.")
    return lambda: say(workspace, issue, "/retry")


async def failed_and_closed(workspace: Workspace) -> Ends:
    _, issue = await report(workspace, status="failed", result="No compiler.")

    async def close() -> None:
        workspace.person.close(issue)
        await workspace.settle()

    return close


async def stuck(workspace: Workspace) -> Ends:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    for _ in range(3):
        await let_expire(workspace, agent, workspace.name(issue))
    return lambda: say(workspace, issue, "/resume")


async def died(workspace: Workspace) -> Ends:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    await let_expire(workspace, agent, workspace.name(issue))
    return lambda: agent.call("get_budget")


async def died_and_left(workspace: Workspace) -> Ends:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    await let_expire(workspace, agent, workspace.name(issue))
    lead = await workspace.agent("lead", "tech-lead")
    return lambda: lead.call("manage_agent", agent_id="scout", action="unregister")


async def waited_for_each_other(workspace: Workspace) -> Ends:
    ada, bob = await workspace.agent("ada"), await workspace.agent("bob")
    await ada.call("consult_agents", question="Which?", agents=["bob"])
    asked = await bob.call("consult_agents", question="Why?", agents=["ada"])
    given = {"to": "bob", "body": "So.", "reply_to": asked["consultation"]}
    return lambda: ada.call("send_message", **given)


async def failed_run(workspace: Workspace) -> Ends:
    await set_templates(workspace)
    lead, issue = await workspace.agent("lead", "tech-lead"), await workspace.task()
    run = await spawn(lead, task=workspace.name(issue))
    await begin(workspace, run)
    workspace.github.ci.finish_run(workflow_run(workspace, run["run_id"]), "failure")
    await workspace.settle()
    return lambda: spawn(lead, task=workspace.name(issue))


async def run_not_started(workspace: Workspace) -> Ends:
    await set_templates(workspace)
    lead, issue = await workspace.agent("lead", "tech-lead"), await workspace.task()
    run = await spawn(lead, task=workspace.name(issue))
    q = "UPDATE agent_runs SET state = 'not_started', ended_at = :at WHERE installation_id = :i"
    await change(workspace, f"{q} AND id = :run", run=run["run_id"], at=workspace.clock())
    return lambda: spawn(lead, task=workspace.name(issue))


async def refused_write(workspace: Workspace) -> Ends:
    issue, agent = await workspace.task(), await workspace.agent("scout")
    name = workspace.name(issue)
    await agent.write("github_comment_issue", issue=name, body="x")
    granted = workspace.installation.permissions
    reading = {**granted, "issues": "read", "pull_requests": "read"}
    workspace.github.accept_permissions(workspace.installation, reading)
    workspace.clock.forward(3600)
    await workspace.settle()

    async def write_again() -> None:
        workspace.github.accept_permissions(workspace.installation, granted)
        workspace.clock.forward(3600)
        await agent.write("github_comment_issue", issue=name, body="y")
        await workspace.settle()

    return write_again


def _write_in(state: str) -> Begins:
    async def begins(workspace: Workspace) -> Ends:
        issue, agent = await workspace.task(), await workspace.agent("scout")
        await agent.write("github_comment_issue", issue=workspace.name(issue), body="x")
        at = workspace.clock() - 61 * SECOND
        q = "UPDATE writes SET state = :state, sending_at = :at WHERE installation_id = :i"
        await change(workspace, q, state=state, at=at)
        return lambda: change(workspace, q, state="sent", at=at)

    return begins


async def spend_cap(workspace: Workspace) -> Ends:
    set_caps(workspace, installation="10")
    agent, _, _ = await working(workspace)
    await spend(agent, "12")

    async def raise_cap() -> None:
        set_caps(workspace, installation="100")
        await review(workspace)

    return raise_cap


async def team_budget(workspace: Workspace) -> Ends:
    lead, agent = await workspace.agent("lead", "tech-lead"), await workspace.agent("scout")
    await lead.call("update_agent", agent_id="scout", tokens=10)
    await agent.call("report_usage", model="m", input_tokens=10)
    return lambda: lead.call("update_agent", agent_id="scout", tokens=20)


async def budget(workspace: Workspace) -> Ends:
    agent, issue = await workspace.agent("scout"), await workspace.task()
    workspace.github.exhaust(workspace.installation, 600)
    workspace.clock.forward(60)
    await agent.write("github_comment_issue", issue=workspace.name(issue), body="x")
    await workspace.sender.step(workspace.installation.id)

    async def wait() -> None:
        workspace.clock.forward(700)

    return wait


async def dead_delivery(workspace: Workspace) -> Ends:
    await workspace.task()
    i = workspace.installation.id
    (row, *_) = await workspace.rows("SELECT guid FROM deliveries WHERE installation_id = :i")
    q = "UPDATE deliveries SET state = 'dead' WHERE installation_id = :i AND guid = :g"
    await change(workspace, q, g=row["guid"])
    return lambda: workspace.store.write(lambda tx: deliveries.revive(tx, i, [row["guid"]]))


async def failed_check(workspace: Workspace) -> Ends:
    issue = await workspace.task()
    first = open_pull(workspace, issue, "one")
    open_pull(workspace, issue, "two")
    await workspace.settle()

    async def close() -> None:
        workspace.person.close(first)
        await workspace.settle()

    return close


async def fallen_flag(workspace: Workspace) -> Ends:
    """For this installation alone, because other tests share the database."""
    here = workspace.installation.id

    async def write(tx: Tx) -> None:
        await setting.put(tx, here, JOINT_REQUESTS, setting.parse("on"), "operator", "")
        (row,) = [each for each in await feature_flags.rows(tx) if each["installation_id"] == here]
        assert await feature_flags.mark_fallen_back(tx, row, "hubbub", "Many failed.")

    async def ends() -> None:
        await workspace.store.write(lambda tx: setting.clear(tx, here, JOINT_REQUESTS))

    await workspace.store.write(write)
    return ends


async def gate(workspace: Workspace) -> Ends:
    issue = await make_gate(workspace, "writers")
    return lambda: say(workspace, issue, "/approve")


async def plan(workspace: Workspace) -> Ends:
    """Of a holder that then loses its task."""
    _, issue, _ = await working(workspace)
    (task,) = await workspace.rows("SELECT * FROM tasks WHERE installation_id = :i")
    given: Any = dict.fromkeys(plan_proposals.COLUMNS) | {
        "installation_id": workspace.installation.id,
        "id": "p_1",
        "repository_id": workspace.repository.id,
        "task_id": task["id"],
        "proposed_by": task["holder"],
        "lease_id": task["lease_id"],
        "note": "",
        "definition": {"steps": []},
        "size": 2,
        "state": "waiting",
        "created_at": workspace.clock(),
    }
    row: PlanProposalRow = given
    await workspace.store.write(lambda tx: plan_proposals.add(tx, row))
    return lambda: say(workspace, issue, "/release")


STORIES: list[tuple[str, Begins, str, str]] = [
    ("question", question, "warning", "ada asks on acme/rocket#1 “Mend it”: “Which valve?”"),
    (
        "question",
        question_of_a_closed_issue,
        "warning",
        "ada asks on acme/rocket#1 “Mend it”: “Which valve?”",
    ),
    (
        "gate",
        gate,
        "warning",
        "acme/rocket#1 “Approve it” waits for the approval of somebody with write permission.",
    ),
    ("plan", plan, "warning", "ada proposes a plan of 2 tasks for acme/rocket#1 “Mend it”."),
    ("task_failed", failed, "warning", "acme/rocket#1 “Mend it” failed: “No compiler.”"),
    ("task_failed", failed_and_closed, "warning", "acme/rocket#1 “Mend it” failed: “No compiler.”"),
    (
        "task_stuck",
        stuck,
        "warning",
        "acme/rocket#1 “Mend it” is on hold: 3 leases on it expired or failed.",
    ),
    ("deadlock", waited_for_each_other, "warning", "ada and bob wait for each other."),
    ("agent_died", died, "warning", "scout has not called since "),
    (
        "agent_died",
        died_and_left,
        "warning",
        "scout has not called since ",
    ),
    (
        "run_failed",
        failed_run,
        "warning",
        "The run of fixer for acme/rocket#1 “Mend it” failed: “",
    ),
    (
        "run_not_started",
        run_not_started,
        "warning",
        "The run of fixer for acme/rocket#1 “Mend it” did not start.",
    ),
    ("write_refused", refused_write, "info", "GitHub refused a write of scout in acme/rocket: “"),
    (
        "write_unknown",
        _write_in("unknown"),
        "info",
        "Whether a write of scout reached GitHub is unknown in acme/rocket.",
    ),
    ("write_dead", _write_in("dead"), "warning", "Hubbub gave up a write of scout in acme/rocket."),
    (
        "spend_cap",
        spend_cap,
        "urgent",
        "The spend cap of 10.00 USD on the installation is reached: its writes wait.",
    ),
    (
        "team_budget",
        team_budget,
        "warning",
        "The budget of scout and the agents below it, 10 tokens, is used up: they claim no new",
    ),
    ("budget_exhausted", budget, "warning", "GitHub's limit core is used up until "),
    ("delivery_dead", dead_delivery, "warning", "Hubbub could not process a webhook ("),
    ("check_failed", failed_check, "info", "Hubbub's check fails on acme/rocket#3."),
    (
        "flag_fell_back",
        fallen_flag,
        "info",
        "Hubbub turned the feature joint_requests off, because more calls failed with it.",
    ),
]


# Their stories are in tests/notifications, tests/protocols, tests/mounts and in tests/workflows.
ELSEWHERE = {
    *("notification_dead", "target_stopped", "move_code_reused", "agent_unreachable"),
    *("tool_parked", "plugin_failing", "forward_dead", "tracker_failing"),
}
IN_WORKFLOWS = {"step_agent_away", "context_damaged"}


def test_each_kind_has_its_story() -> None:
    assert {kind for kind, *_ in STORIES} == KINDS.keys() - ELSEWHERE - IN_WORKFLOWS


@ON_SQLITE
@pytest.mark.parametrize(
    ("kind", "begins", "severity", "title"),
    STORIES,
    ids=[f"{kind} {begins.__name__}" for kind, begins, *_ in STORIES],
)
async def test_a_trouble_appears_when_it_begins_and_goes_away_when_it_ends(
    workspace: Workspace, kind: str, begins: Begins, severity: str, title: str
) -> None:
    assert await listed(workspace, kind) == []
    ends = await begins(workspace)
    (item,) = await listed(workspace, kind)
    assert (item["severity"], item["title"][: len(title)]) == (severity, title)
    assert item["action"].endswith((".", "comment."))
    (again,) = await listed(workspace, kind)
    assert again["key"] == item["key"]
    await ends()
    assert await listed(workspace, kind) == []


# --- Who sees what -------------------------------------------------------------------------------


async def test_a_person_sees_what_happens_in_their_repositories(workspace: Workspace) -> None:
    await question(workspace)
    (item,) = await listed(workspace)
    assert (item["repository"], item["task"], item["agent"]) == (
        "acme/rocket",
        "acme/rocket#1",
        "ada",
    )
    stranger = person(workspace, repositories=frozenset({1}), roles={1: "observer"})
    assert (await stranger.call("list_attention"))["items"] == []
    refused = await stranger.refusal("list_attention", repository="acme/rocket")
    assert refused.code == "unknown_repository"
    found = await person(workspace).call("list_attention", repository="Acme/Rocket")
    assert [each["kind"] for each in found["items"]] == ["question"]


async def test_a_repository_shows_only_its_own(workspace: Workspace) -> None:
    await died(workspace)
    found = await person(workspace).call("list_attention", repository="acme/rocket")
    assert (found["items"], found["counts"]) == ([], [])
    assert [each["kind"] for each in await listed(workspace)] == ["agent_died"]


async def test_what_a_repository_holds_is_hidden_when_the_app_loses_it(
    workspace: Workspace,
) -> None:
    await failed(workspace)
    workspace.github.remove_repositories(workspace.installation, ["acme/rocket"])
    await workspace.settle()
    assert await listed(workspace, "task_failed") == []


async def test_a_title_by_somebody_outside_of_the_repository_is_left_out(
    workspace: Workspace,
) -> None:
    await failed(workspace)
    await change(workspace, "UPDATE tasks SET outsider = 'mallory' WHERE installation_id = :i")
    (item,) = await listed(workspace, "task_failed")
    assert item["title"] == "acme/rocket#1 failed: “No compiler.”"


async def test_trouble_of_a_task_of_high_priority_is_urgent(workspace: Workspace) -> None:
    await failed(workspace)
    await change(workspace, "UPDATE tasks SET priority = 2 WHERE installation_id = :i")
    assert [each["severity"] for each in await listed(workspace)] == ["urgent"]


async def test_of_a_kind_the_newest_are_listed_and_all_are_counted(workspace: Workspace) -> None:
    await workspace.task()
    i, at, n = workspace.installation.id, workspace.clock(), MOST_LISTED + 20
    rows = [
        {
            "installation_id": i,
            "guid": f"g-{k:03}",
            "event": "issues",
            "action": "opened",
            "state": "dead",
            "not_before": at,
            "received_at": at + k,
            "payload": b"",
        }
        for k in range(n)
    ]
    names = ", ".join(rows[0])
    insert = (
        f"INSERT INTO deliveries ({names}) VALUES ({', '.join(f':{each}' for each in rows[0])})"
    )
    await workspace.store.write(lambda tx: tx.many(insert, rows))
    found = await person(workspace).call("list_attention")
    assert found["counts"] == [{"kind": "delivery_dead", "listed": MOST_LISTED, "total": n}]
    keys = [each["key"] for each in found["items"]]
    assert (keys[0], keys[-1]) == ("delivery_dead:g-119", "delivery_dead:g-020")
