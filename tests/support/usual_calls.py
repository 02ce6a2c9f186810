"""Every operation with typical arguments, in an installation that is in use."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from bot.identity.actors import Actor
from bot.inbox import processing
from bot.operations.tasks.tasks import LAST_CHANGED_FIRST
from fixtures.github import Issue, Pull
from tests.support import workflows
from tests.support.api_keys import add_api_key
from tests.support.gates import make_gate
from tests.support.mounts import put_in
from tests.support.rows_visited import CountingStore
from tests.support.story import Agent, Workspace
from tests.support.tenant import Tenant
from tests.support.tracker_rows import put_tracker

# A message of `tests.support.tenant`.
DEAD_LETTER = "m_00000000001000000021"
# A workflow there, whose step is the task of the same number, and one that runs.
WORKFLOW, RUNNING = "wf_0000000001000000003", "wf_0000000001000000001"
SETTINGS = ".github/hubbub.yml"
TEMPLATES = "templates:\n  fixer:\n    workflow: agent.yml\n"
CODE = {"src/a.py": "a = 1\nb = 2\n", "README.md": "Read me\n"}
# What these need is not at hand, and what they ask, others ask too.
NOT_MEASURED = {
    "github_move_card",
    "github_cancel_workflow",
    "override_check",
    "manage_notification_target",
    "get_plugin",
    "manage_plugin",
    "manage_mount",
    # They reach others first.
    "manage_tracker",
    # No tool server is mounted.
    "call_tool",
    "get_tool",
    "manage_tool",
}

DRAFT = "steps:\n- id: build\n  title: Build it\n  body: Make it work\n"


@dataclass
class Scene:
    """An installation in use, with what a call needs."""

    workspace: Workspace
    store: CountingStore
    lead: Agent
    me: Agent
    ada: Agent
    mine: Issue
    free: Issue
    other: Issue
    pull: Pull
    fence: int
    context_id: str
    message_id: str
    file_id: str
    write_id: str
    run_id: str
    tenant: Tenant
    cursor: str
    # The time, and the last number, when the scene was full.
    at: int = 0
    seq: int = 0
    has_gate: bool = False

    @property
    def i(self) -> int:
        return self.tenant.installation_id

    @property
    def r(self) -> int:
        return self.tenant.repository_id


async def live_in(workspace: Workspace, store: CountingStore) -> Scene:
    person, repository = workspace.person, workspace.repository
    person.push(repository, "main", CODE | {SETTINGS: TEMPLATES})
    lead = await workspace.agent("lead", "tech-lead")
    me, ada = await workspace.agent("me"), await workspace.agent("ada")
    keys, i = workspace.dispatcher.shared.keys, workspace.installation.id
    await workspace.store.write(lambda tx: add_api_key(tx, keys, i, "ada", "developer"))
    mine, free, other = [
        await workspace.task(f"Mend the {each}", "It smokes. " * 50)
        for each in ("pump", "valve", "sail")
    ]
    fence = (await me.call("claim_task", task=workspace.name(mine)))["fence"]
    await ada.call("claim_task", task=workspace.name(other))
    person.push(repository, "mend", {**CODE, "src/a.py": "a = 1\nb = 3\n"})
    pull = person.open_pull(repository, title="Mend it", head="mend", body=f"Closes #{mine.number}")
    person.comment(mine, "Look at the valve.")
    await workspace.settle()
    await leave_deliveries(workspace, store, mine)
    return await scene_of(
        workspace, store, agents=(lead, me, ada), issues=(mine, free, other), pull=pull, fence=fence
    )


async def scene_of(
    workspace: Workspace,
    store: CountingStore,
    *,
    agents: tuple[Agent, Agent, Agent],
    issues: tuple[Issue, Issue, Issue],
    pull: Pull,
    fence: int,
) -> Scene:
    """The scene of these agents and issues, with a context, a message and a queued write."""
    (lead, me, ada), (mine, free, other) = agents, issues
    name = workspace.name(mine)
    context = await me.call("create_context", name="notes", content="The valve sticks.")
    file = (await me.call("attach_file", name="notes.txt", text="It sticks."))["file"]["id"]
    sent = await ada.call("send_message", to="me", body="Which valve?", task=name)
    given = {"template": "fixer", "repository": "acme/rocket", "prompt": "Begin"}
    run = await lead.call("spawn_agent", **given)
    write = await me.write("github_comment_issue", issue=name, body="The left one.")
    await workflows.define(workspace)
    (row,) = await workspace.rows("SELECT target FROM writes WHERE id = :w", w=write["write_id"])
    (task,) = await workspace.rows("SELECT id FROM tasks WHERE number = :n", n=mine.number)
    events = await me.call("wait_for_events", topics=["tasks"])
    tenant = Tenant(
        installation_id=workspace.installation.id,
        repository_id=workspace.repository.id,
        agent_id="me",
        task_id=task["id"],
        number=mine.number,
        pull=pull.number,
        target=row["target"],
        thread_id=sent["message_id"],
        context_id=context["context"]["id"],
    )
    return Scene(
        workspace=workspace,
        store=store,
        lead=lead,
        me=me,
        ada=ada,
        mine=mine,
        free=free,
        other=other,
        pull=pull,
        fence=fence,
        context_id=context["context"]["id"],
        message_id=sent["message_id"],
        file_id=file,
        write_id=write["write_id"],
        run_id=run["run"]["run_id"],
        tenant=tenant,
        cursor=events["cursor"],
    )


async def leave_deliveries(workspace: Workspace, store: CountingStore, issue: Issue) -> None:
    """Leave a command that waits, and a delivery that nobody has processed."""
    workspace.person.comment(issue, "/priority high")
    await workspace.github.wait_for_deliveries()
    (row,) = await workspace.rows(
        "SELECT guid FROM deliveries WHERE installation_id = :i AND state = 'received'"
    )
    i = workspace.installation.id
    await processing.process(store, workspace.dispatcher.shared.keys, i, [row["guid"]])
    workspace.person.comment(issue, "It smokes again.")
    await workspace.github.wait_for_deliveries()


Does = Callable[[Scene], Awaitable[Any]]


def call(who: str, operation: str, **given: Any) -> Does:
    """A call of an agent. A text `$mine` stands for that attribute of the scene."""

    async def work(scene: Scene) -> None:
        agent: Agent = getattr(scene, who)
        await agent.call(operation, **{name: _value(scene, each) for name, each in given.items()})

    return work


def _value(scene: Scene, each: Any) -> Any:
    if isinstance(each, list):
        return [_value(scene, item) for item in each]
    if not isinstance(each, str) or not each.startswith("$"):
        return each
    found = getattr(scene, each[1:])
    return f"acme/rocket#{found.number}" if isinstance(found, Issue | Pull) else found


def by_person(operation: str, **given: Any) -> Does:
    """A call of a person who leads everywhere, for what only people may call."""

    async def work(scene: Scene) -> None:
        lead = scene.lead
        person = replace(lead, actor=replace(lead.actor, name="@octocat"))
        await person.call(operation, **{name: _value(scene, each) for name, each in given.items()})

    return work


async def look_at_delivery(scene: Scene) -> None:
    """One that is not processed yet, if there is one."""
    some = "SELECT guid FROM deliveries WHERE installation_id = :i"
    rows = await scene.workspace.rows(f"{some} AND state = 'received' LIMIT 1")
    rows = rows or await scene.workspace.rows(f"{some} ORDER BY guid LIMIT 1")
    await by_person("get_delivery", guid=rows[0]["guid"])(scene)


async def claim_nothing(scene: Scene) -> None:
    refused = await scene.me.refusal("claim_task", size="large")
    assert refused.code == "nothing_ready", refused


async def vote(scene: Scene) -> None:
    """A vote on a gate, which waits for more. The gate stays, unlike what is measured."""
    if not scene.has_gate:
        visits, scene.store.visits = scene.store.visits, None
        quorum = {"by": "agents", "quorum": 10}
        await make_gate(scene.workspace, quorum, settles=False, of=scene.other)
        scene.has_gate, scene.store.visits = True, visits
    await scene.me.call("approve_task", task=scene.workspace.name(scene.other))


async def list_attention(scene: Scene) -> None:
    i = scene.workspace.installation.id
    person = replace(scene.lead, actor=Actor(i, "@octocat", "tech-lead"))
    await person.call("list_attention")


def of_mounts(operation: str, **arguments: Any) -> Does:
    """A call of a person that reads tool servers, with one of them mounted."""

    async def does(scene: Scene) -> None:
        visits, scene.store.visits = scene.store.visits, None
        await put_in(scene.workspace, "tickets", "search")
        scene.store.visits = visits
        await by_person(operation, **arguments)(scene)

    return does


def of_trackers(operation: str, **arguments: Any) -> Does:
    """A call of a person that reads foreign trackers, with one of them connected."""

    async def does(scene: Scene) -> None:
        visits, scene.store.visits = scene.store.visits, None
        await put_tracker(scene.workspace, "acme", links=3)
        scene.store.visits = visits
        await by_person(operation, **arguments)(scene)

    return does


async def list_targets(scene: Scene) -> None:
    i = scene.workspace.installation.id
    person = replace(scene.lead, actor=Actor(i, "@octocat", "tech-lead"))
    await person.call("list_notification_targets")


# Each operation with typical arguments.
CALLS: dict[str, Does] = {
    "register_agent": call("me", "register_agent", agent_id="me", name="Me"),
    "update_agent": call("me", "update_agent", checkpoint={"at": 1}, task="$mine"),
    "get_agent": call("lead", "get_agent", agent_id="me"),
    "list_agents": call("lead", "list_agents", limit=4),
    "list_agents, idle": call("lead", "list_agents", limit=4, status="idle"),
    "list_agents, testers": call("lead", "list_agents", limit=4, role="tester"),
    "manage_agent": call("lead", "manage_agent", agent_id="me", action="pause"),
    "invite_agent": call("lead", "invite_agent", agent_id="newcomer"),
    "get_agent_endpoint": by_person("get_agent_endpoint", agent_id="me"),
    "manage_agent_endpoint": by_person(
        "manage_agent_endpoint",
        agent_id="me",
        action="set",
        protocol="callback",
        url="https://agents.example.com/in",
    ),
    "move_agent": call("lead", "move_agent", agent_id="ada"),
    "spawn_agent": call(
        "lead", "spawn_agent", template="fixer", repository="acme/rocket", prompt="Go on"
    ),
    "get_agent_status": call("me", "get_agent_status", run_id="$run_id"),
    "get_agent_result": call("me", "get_agent_result", run_id="$run_id"),
    "terminate_agent": call("lead", "terminate_agent", run_id="$run_id"),
    "gather_results": call(
        "me", "gather_results", tasks=["$mine", "$free"], agents=["ada"], runs=["$run_id"]
    ),
    "create_task": call("me", "create_task", repository="acme/rocket", title="Paint it"),
    "start_workflow": call(
        "me",
        "start_workflow",
        name="feature",
        repository="acme/rocket",
        inputs={"feature": "sails"},
    ),
    "get_workflow": call("me", "get_workflow", workflow=WORKFLOW),
    "cancel_workflow": call("lead", "cancel_workflow", workflow=RUNNING, note="Enough"),
    "retry_workflow": call("lead", "retry_workflow", workflow=WORKFLOW, step="a"),
    "list_workflows": call("me", "list_workflows"),
    "list_workflows, ended": call("me", "list_workflows", state="ended"),
    "list_workflows, startable": call("me", "list_workflows", state="startable"),
    "create_tasks": call(
        "me", "create_tasks", repository="acme/rocket", tasks=[{"id": "a", "title": "Paint it"}]
    ),
    "assign_task": call("lead", "assign_task", task="$free", agent_id="me"),
    "change_task": call("lead", "change_task", task="$mine", priority="high"),
    "change_task, hold": call("lead", "change_task", task="$mine", hold=True),
    "claim_task": call("me", "claim_task", task="$free", paths=["src/b.py"]),
    "claim_task, the best": call("me", "claim_task"),
    "claim_task, the best here": call("me", "claim_task", repository="acme/rocket"),
    "claim_task, nothing fits": claim_nothing,
    "release_task": call("me", "release_task", task="$mine", fence="$fence"),
    "update_task_status": call(
        "me", "update_task_status", task="$mine", status="in_progress", fence="$fence", progress=9
    ),
    "update_task_status, completed": call(
        "me", "update_task_status", task="$mine", status="completed", fence="$fence"
    ),
    "get_task": call("me", "get_task", task="$mine"),
    "list_tasks": call("me", "list_tasks", limit=4),
    "list_tasks, any": call("me", "list_tasks", limit=4, state="any"),
    "list_tasks, ready": call("me", "list_tasks", limit=4, state="ready"),
    "list_tasks, blocked": call("me", "list_tasks", limit=4, state="blocked"),
    "list_tasks, completed": call("me", "list_tasks", limit=4, state="completed"),
    "list_tasks of a repository": call("me", "list_tasks", limit=4, repository="acme/rocket"),
    "list_tasks of a holder": call("me", "list_tasks", limit=4, holder="me"),
    "list_tasks of a last holder": call(
        "me", "list_tasks", limit=4, holder="me", state="completed"
    ),
    "list_tasks of a label": call("me", "list_tasks", limit=4, label="agent-task"),
    "list_tasks of an assignee": call("me", "list_tasks", limit=4, assignee="octocat"),
    "list_tasks in full": call("me", "list_tasks", limit=4, detail="full"),
    "list_tasks by change": call(
        "me", "list_tasks", limit=4, state="any", detail="full", cursor=LAST_CHANGED_FIRST
    ),
    "list_tasks by change, completed": call(
        "me", "list_tasks", limit=4, state="completed", cursor=LAST_CHANGED_FIRST
    ),
    "list_tasks by change of a repository": call(
        "me", "list_tasks", limit=4, repository="acme/rocket", cursor=LAST_CHANGED_FIRST
    ),
    "explain_task": call("me", "explain_task", task="$other"),
    "get_plan": call("me", "get_plan", task="$mine"),
    "get_spend": call("me", "get_spend", task="$mine"),
    "approve_task": vote,
    "propose_plan": call(
        "me",
        "propose_plan",
        task="$mine",
        fence="$fence",
        steps=[{"id": "a", "title": "Paint it", "body": "Paint it blue."}],
    ),
    "send_message": call("me", "send_message", to="ada", body="The left one.", task="$mine"),
    "send_message to a role": call("me", "send_message", to="role:tech-lead", body="Done."),
    "get_messages": call("me", "get_messages", limit=4),
    "get_messages, sent": call("me", "get_messages", limit=4, state="sent"),
    "get_messages, dead": call("me", "get_messages", limit=4, state="dead"),
    "get_messages of a thread": call("me", "get_messages", limit=4, thread_id="$message_id"),
    "mark_message_read": call("me", "mark_message_read", message_id="$message_id"),
    "delete_message": call("me", "delete_message", message_id="$message_id"),
    "resend_message": call("me", "resend_message", message_id=DEAD_LETTER),
    "consult_agents": call("me", "consult_agents", question="Which valve?", agents=["ada"]),
    "consult_agents, a vote": call(
        "me", "consult_agents", question="Which?", role="tech-lead", options=["left", "right"]
    ),
    "create_context": call("me", "create_context", name="plan", content={"a": 1}, task="$mine"),
    "update_context": call(
        "me", "update_context", context_id="$context_id", content="It moves.", expected_version=1
    ),
    "share_context": call("me", "share_context", context_id="$context_id", to="ada", access="read"),
    "get_context": call("me", "get_context", context_id="$context_id", history=True),
    "list_contexts": call("me", "list_contexts", limit=4),
    "list_contexts of a task": call("me", "list_contexts", limit=4, task="$mine"),
    "list_contexts, snapshots": call("me", "list_contexts", limit=4, snapshots=True),
    "restore_context": call("me", "restore_context", context_id="$context_id", version=1),
    "snapshot_contexts": call("me", "snapshot_contexts", name="now", context_ids=["$context_id"]),
    "attach_file": call("me", "attach_file", name="notes.txt", text="It moves."),
    "attach_file, larger": call("me", "attach_file", name="notes.bin", size=1_000_000),
    "get_attachment": call("me", "get_attachment", attachment_id="$file_id"),
    "list_attachments": by_person("list_attachments", owner="me", limit=4),
    "delete_attachment": by_person("delete_attachment", attachment_id="$file_id"),
    "github_create_issue": call(
        "me", "github_create_issue", repository="acme/rocket", title="Paint it"
    ),
    "github_update_issue": call("me", "github_update_issue", issue="$mine", title="Mend the pump"),
    "github_comment_issue": call("me", "github_comment_issue", issue="$mine", body="It moves."),
    "github_create_pr": call(
        "me", "github_create_pr", head="mend", title="Mend", task="$mine", fence="$fence"
    ),
    "github_update_pr": call("me", "github_update_pr", pull_request="$pull", title="Mend the pump"),
    "github_review_pr": call("ada", "github_review_pr", pull_request="$pull", body="Well done."),
    "github_commit_files": call(
        "me",
        "github_commit_files",
        branch="mend",
        message="Mend it",
        files=[{"path": "src/c.py", "content": "c = 1\n"}],
        task="$mine",
        fence="$fence",
    ),
    "github_report_check": call(
        "me", "github_report_check", repository="acme/rocket", sha="0" * 40, name="mine"
    ),
    "github_run_workflow": call(
        "lead", "github_run_workflow", repository="acme/rocket", workflow="tests.yml"
    ),
    "github_list_files": call("me", "github_list_files", task="$pull"),
    "github_read_files": call("me", "github_read_files", paths=["src/a.py"], task="$pull"),
    "github_get_diff": call("me", "github_get_diff", task="$pull"),
    "github_get_thread": call("me", "github_get_thread", task="$mine"),
    "github_get_thread of a pull request": call("me", "github_get_thread", task="$pull"),
    "github_search": call("me", "github_search", limit=4, query="valve"),
    "github_search, common word": call("me", "github_search", limit=4, query="mend"),
    "github_search of a repository": call(
        "me", "github_search", query="mend", repository="acme/rocket"
    ),
    "find_tools": call("me", "find_tools", query="issue"),
    "wait_for_events": call("me", "wait_for_events", topics=["tasks", "messages"]),
    "wait_for_events, one": call("me", "wait_for_events", topics=["$mine"]),
    "get_write": call("me", "get_write", write_id="$write_id"),
    "list_writes": call("me", "list_writes"),
    "list_writes of a task": call("me", "list_writes", task="$mine"),
    "list_writes, sent": call("me", "list_writes", state="sent"),
    "cancel_write": call("me", "cancel_write", write_id="$write_id"),
    "get_budget": call("me", "get_budget"),
    "list_attention": list_attention,
    "list_mounts": of_mounts("list_mounts"),
    "get_mount": of_mounts("get_mount", mount="tickets"),
    "list_trackers": of_trackers("list_trackers"),
    "get_tracker": of_trackers("get_tracker", tracker="acme"),
    "list_notification_targets": list_targets,
    "report_usage": call("me", "report_usage", model="m-1", cost="0.01"),
    "get_task_history": by_person("get_task_history", task="$mine", limit=4),
    "get_task_messages": by_person("get_task_messages", task="$mine"),
    "count_tasks": by_person("count_tasks"),
    "count_tasks of a repository": by_person("count_tasks", repository="acme/rocket"),
    "list_plugins": by_person("list_plugins"),
    "search_plugins": by_person("search_plugins"),
    "get_fleet": by_person("get_fleet"),
    "get_agent_history": by_person("get_agent_history", agent_id="me"),
    "get_graph": by_person("get_graph", limit=4),
    "get_graph of a repository": by_person("get_graph", limit=4, repository="acme/rocket"),
    "get_outbox": by_person("get_outbox"),
    "get_outbox, sent": by_person("get_outbox", state="sent"),
    "get_budget_history": by_person("get_budget_history"),
    "list_deliveries": by_person("list_deliveries"),
    "list_deliveries, dead": by_person("list_deliveries", state="dead"),
    "get_delivery": look_at_delivery,
    "replay_delivery": by_person("replay_delivery", all=True),
    "list_audit": by_person("list_audit"),
    "list_audit of an actor": by_person("list_audit", actor="me"),
    "list_audit of an operation": by_person("list_audit", action="claim_task"),
    "get_insights": by_person("get_insights"),
    "get_usage": by_person("get_usage"),
    "get_workflow_file": by_person("get_workflow_file", repository="acme/rocket", name="release"),
    "check_workflow": call("me", "check_workflow", text=DRAFT),
    "edit_workflow": by_person("edit_workflow", text=DRAFT),
    "save_workflow": by_person(
        "save_workflow", repository="acme/rocket", name="release", text=DRAFT
    ),
    "list_audit since a time": by_person("list_audit", since="2027-01-01"),
}
