"""Real situations for the permission table: what a call is about belongs to the caller or not.

Each scene returns the arguments of the call. `owner` owns or holds what it is about: the caller on
the conditions `own` and `same_task`, and another agent on `any`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from bot.notifications import targets
from bot.notifications.rules import Rules
from bot.notifications.targets import Address
from tests.support import workflows
from tests.support.api_keys import add_api_key
from tests.support.gates import make_gate
from tests.support.mounts import put_in
from tests.support.story import Agent, Workspace
from tests.support.tracker_rows import put_tracker

Given: TypeAlias = dict[str, Any]
R = {"repository": "acme/rocket"}
WORKFLOW = "steps:\n- id: build\n  title: Build it\n  body: Make it work\n"
FILES = {"files": [{"path": "a.py", "content": "x = 1\n"}], "message": "Begin"}


@dataclass
class Scene:
    """`me` is the caller, here with the role that may do everything."""

    workspace: Workspace
    name: str
    me: Agent
    other: Agent
    boss: Agent
    is_mine: bool

    @property
    def owner(self) -> Agent:
        return self.me if self.is_mine else self.other

    async def agent(self, what: str) -> Agent:
        return await self.workspace.agent(f"{what}-{self.name}")

    async def task(self) -> str:
        return self.workspace.name(await self.workspace.task(f"Task {self.name}"))

    async def held(self) -> Given:
        """A task that the owner holds, with its fence."""
        task = await self.task()
        return {"task": task, "fence": (await self.owner.call("claim_task", task=task))["fence"]}

    async def branch(self) -> Given:
        """The held task, with a commit on its branch."""
        held, branch = await self.held(), f"fix-{self.name}"
        await self.owner.call("github_commit_files", **held, **FILES, branch=branch)
        await self.workspace.settle()
        return {**held, "head": branch}

    async def pull(self) -> str:
        """The pull request of a held task."""
        found = await self.branch()
        await self.owner.call("github_create_pr", **found, title="Fix it")
        await self.workspace.settle()
        return f"acme/rocket#{max(self.workspace.repository.pulls)}"

    async def free_pull(self) -> str:
        """A pull request without a task."""
        branch = f"free-{self.name}"
        await self.boss.call("github_commit_files", **R, **FILES, branch=branch)
        await self.workspace.settle()
        await self.boss.call("github_create_pr", **R, head=branch, title="Free")
        await self.workspace.settle()
        return f"acme/rocket#{max(self.workspace.repository.pulls)}"

    async def second_pull(self) -> str:
        """A second pull request for a task that has one, so that Hubbub's check on it fails."""
        found = await self.branch()
        await self.owner.call("github_create_pr", **found, title="Fix it")
        await self.workspace.settle()
        person, here = self.workspace.person, self.workspace.repository
        person.push(here, f"too-{self.name}", {"b.py": "1"}, base="main")
        body = f"Closes #{found['task'].rpartition('#')[2]}"
        person.open_pull(here, title="Too", head=f"too-{self.name}", body=body)
        await self.workspace.settle()
        return f"acme/rocket#{max(here.pulls)}"

    async def child(self, of: Agent) -> str:
        child = await self.agent("child")
        await child.call("update_agent", parent_id=of.actor.name)
        return child.actor.name

    async def message(self, sender: Agent, to: Agent, **more: Any) -> str:
        found = await sender.call("send_message", to=to.actor.name, body="Hm?", **more)
        return str(found["message_id"])

    async def dead_letter(self) -> str:
        """From the owner to an agent that never reads."""
        reader = await self.agent("reader")
        message_id = await self.message(self.owner, reader, ttl_s=60)
        await self.workspace.time_passes(120)
        return message_id

    async def context(self) -> str:
        """A context of the owner, about a task."""
        task = await self.task()
        found = await self.owner.call("create_context", name="Plan", content="x", task=task)
        return str(found["context"]["id"])

    async def write(self) -> str:
        """A queued write of the owner."""
        task = await self.task()
        queued = await self.owner.write("github_comment_issue", issue=task, body=self.name)
        return str(queued["write_id"])

    async def comment(self) -> tuple[str, int]:
        """A comment of the owner, on GitHub."""
        task = await self.task()
        await self.owner.call("github_comment_issue", issue=task, body=self.name)
        await self.workspace.settle()
        number = int(task.rpartition("#")[2])
        return task, self.workspace.repository.issues[number].comments[-1].id


Make: TypeAlias = Callable[[Scene], Awaitable[Given]]


async def update_parent(s: Scene) -> Given:
    return {"agent_id": await s.child(s.owner), "parent_id": ""}


async def move(s: Scene) -> Given:
    i, keys, who = s.workspace.installation.id, s.workspace.dispatcher.shared.keys, s.owner
    name = who.actor.name
    await s.workspace.store.write(lambda tx: add_api_key(tx, keys, i, name, "observer"))
    return {"agent_id": name}


async def update_budget(s: Scene) -> Given:
    return {"agent_id": await s.child(s.owner), "tokens": 1000}


async def get_checkpoint(s: Scene) -> Given:
    return {"agent_id": s.owner.actor.name, "task": await s.task()}


async def resume(s: Scene) -> Given:
    """An agent below the caller, which the caller itself or a tech-lead has paused."""
    child = await s.child(s.me)
    pauser = s.me if s.is_mine else s.boss
    await pauser.call("manage_agent", agent_id=child, action="pause")
    return {"agent_id": child, "action": "resume"}


async def blocked(s: Scene) -> Given:
    issue, other = await s.workspace.task(), await s.workspace.task()
    s.workspace.person.block(issue, other)
    await s.workspace.settle()
    return {"task": s.workspace.name(issue)}


async def release_of_person(s: Scene) -> Given:
    if s.is_mine:
        return await s.held()
    issue = await s.workspace.task()
    s.workspace.person.comment(issue, "/claim")
    await s.workspace.settle()
    return {"task": s.workspace.name(issue)}


async def report(s: Scene) -> Given:
    return {**await s.held(), "status": "in_progress", "progress": 10}


async def reply(s: Scene) -> Given:
    message_id = await s.message(s.owner, s.boss)
    return {"to": s.boss.actor.name, "body": "Yes", "reply_to": message_id}


async def message_to_owner(s: Scene) -> Given:
    return {"message_id": await s.message(s.boss, s.owner)}


async def message_of_owner(s: Scene) -> Given:
    return {"message_id": await s.message(s.owner, s.boss)}


async def thread(s: Scene) -> Given:
    return {"thread_id": await s.message(s.owner, s.boss)}


async def dead(s: Scene) -> Given:
    return {"message_id": await s.dead_letter()}


async def snapshots(s: Scene) -> Given:
    await s.owner.call("snapshot_contexts", name=s.name, context_ids=[await s.context()])
    return {"snapshots": True}


async def attached_file(s: Scene) -> Given:
    """A file of the owner, on nothing."""
    found = await s.owner.call("attach_file", name="notes.txt", text=s.name)
    return {"attachment_id": found["file"]["id"]}


async def update_context(s: Scene) -> Given:
    return {"context_id": await s.context(), "content": "y", "expected_version": 1}


async def share(s: Scene) -> Given:
    return {"context_id": await s.context(), "to": s.boss.actor.name, "access": "read"}


async def restore(s: Scene) -> Given:
    given = await update_context(s)
    await s.owner.call("update_context", **given)
    return {"context_id": given["context_id"], "version": 1}


async def free_issue(s: Scene) -> str:
    issue = s.workspace.person.open_issue(s.workspace.repository, "Free", "")
    await s.workspace.settle()
    return s.workspace.name(issue)


async def decide(s: Scene) -> Given:
    return {"issue": (await s.held())["task"], "state": "completed"}


async def decide_own(s: Scene) -> Given:
    """To cancel a task that nobody has claimed; its creator is the owner."""
    await s.owner.call("create_task", **R, title=f"New {s.name}")
    await s.workspace.settle()
    number = max(s.workspace.repository.issues)
    return {"issue": f"acme/rocket#{number}", "state": "not_planned"}


async def change_comment(s: Scene) -> Given:
    issue, comment_id = await s.comment()
    return {"issue": issue, "action": "edit", "comment_id": comment_id, "body": "New"}


async def create_pull(s: Scene) -> Given:
    return {**R, "head": (await s.branch())["head"], "title": "Mine"}


async def commit(s: Scene) -> Given:
    return {**R, **FILES, "branch": (await s.branch())["head"]}


async def merge(s: Scene) -> Given:
    s.workspace.person.push(
        s.workspace.repository, "main", {".github/hubbub.yml": "agents_may_merge: true"}
    )
    await s.workspace.settle()
    return {"pull_request": await s.free_pull(), "merge": "squash"}


async def usage(s: Scene) -> Given:
    return {"model": "m-1", "cost": "1", "task": (await s.held())["task"]}


def fixed(**given: Any) -> Make:
    async def make(_: Scene) -> Given:
        return given

    return make


def of_owner(**given: Any) -> Make:
    async def make(s: Scene) -> Given:
        return {"agent_id": s.owner.actor.name, **given}

    return make


def of(name: str, what: Callable[[Scene], Awaitable[Any]], **given: Any) -> Make:
    """The argument `name` has what the function makes."""

    async def make(s: Scene) -> Given:
        return {name: await what(s), **given}

    return make


async def held_task(s: Scene) -> str:
    return str((await s.held())["task"])


def fresh(**given: Any) -> Make:
    """Arguments that no other scene has."""

    async def make(s: Scene) -> Given:
        return {k: v.format(s.name) if isinstance(v, str) else v for k, v in given.items()}

    return make


async def other(s: Scene) -> Given:
    return {"task": await s.task(), "agent_id": s.other.actor.name}


async def consult(s: Scene) -> Given:
    return {"question": "Hm?", "agents": [s.other.actor.name]}


async def consultation(s: Scene) -> Given:
    """A question that the owner asked."""
    found = await s.owner.call("consult_agents", question="Hm?", agents=[s.boss.actor.name])
    return {"consultation": found["consultation"]}


async def tell(s: Scene) -> Given:
    return {"to": s.other.actor.name, "body": "Hm?"}


SETTINGS = {".github/hubbub.yml": "templates:\n  fixer:\n    workflow: agent.yml\n"}


async def spawn(s: Scene) -> Given:
    s.workspace.person.push(s.workspace.repository, "main", SETTINGS)
    await s.workspace.settle()
    task = (await s.held())["task"] if s.is_mine else await s.task()
    return {"template": "fixer", "task": task}


async def started(s: Scene) -> Given:
    """A run that the owner started."""
    s.workspace.person.push(s.workspace.repository, "main", SETTINGS)
    await s.workspace.settle()
    task = (await s.held())["task"]
    run = (await s.owner.call("spawn_agent", template="fixer", task=task))["run"]
    return {"run_id": run["run_id"]}


async def gathered(s: Scene) -> Given:
    return {"tasks": [await s.task()], "runs": [(await started(s))["run_id"]]}


async def notification_target(s: Scene) -> Given:
    i, keys = s.workspace.installation.id, s.workspace.dispatcher.shared.keys
    address = Address("https://hooks.example.com/x")
    await s.workspace.store.write(
        lambda tx: targets.add(tx, keys, i, "slack", s.name, address, Rules(), "operator")
    )
    return {"target": s.name, "action": "pause"}


async def mount_name(s: Scene) -> str:
    """A tool server."""
    return (await put_in(s.workspace, s.name))["name"]


async def mount(s: Scene) -> Given:
    return {"mount": await mount_name(s)}


async def tracker_name(s: Scene) -> str:
    """A foreign tracker."""
    return (await put_tracker(s.workspace, s.name))["name"]


async def propose(scene: Scene) -> Given:
    return {**await scene.held(), "steps": [{"id": "a", "title": "Do it", "body": "Do it."}]}


async def gate(scene: Scene) -> str:
    """A gate that agents decide, and that waits for more than one vote."""
    issue = await make_gate(scene.workspace, {"by": "agents", "quorum": 10})
    return scene.workspace.name(issue)


async def workflow(s: Scene) -> Given:
    """A workflow that can be started, of the scene's own name."""
    name = f"flow-{s.name}"[:60]
    await workflows.define(s.workspace, name=name)
    return {**R, "name": name, "inputs": {"feature": "x"}}


async def begun_workflow(s: Scene) -> Given:
    made = await s.owner.call("start_workflow", **await workflow(s))
    return {"workflow": made["id"]}


async def cancelled_workflow(s: Scene) -> Given:
    found = await begun_workflow(s)
    await s.workspace.settle()
    await s.boss.call("cancel_workflow", **found)
    await s.workspace.settle()
    return found


SHA = "0" * 40
SCENES: dict[str, Make] = {
    "register_agent": of_owner(name="x"),
    "update_agent": of_owner(name="New"),
    "update_agent.parent_id": update_parent,
    "update_agent.budget": update_budget,
    "update_agent.report": of_owner(health={"latency_ms": 1}),
    "get_agent": of_owner(),
    "get_agent.checkpoint": get_checkpoint,
    "list_agents": fixed(),
    "manage_agent": of_owner(action="pause"),
    "manage_agent.resume": resume,
    "manage_agent_endpoint": of_owner(
        action="set", protocol="callback", url="https://agents.example.com/in"
    ),
    "get_agent_endpoint": of_owner(),
    "invite_agent": fresh(agent_id="new-{}"),
    "move_agent": move,
    "spawn_agent": spawn,
    "get_agent_status": started,
    "get_agent_result": started,
    "gather_results": gathered,
    "terminate_agent": started,
    "create_task": fresh(**R, title="Create {}"),
    "create_tasks": fixed(**R, tasks=[{"id": "a", "title": "Plan"}], duplicate_ok=True),
    "start_workflow": workflow,
    "get_workflow": begun_workflow,
    "cancel_workflow": begun_workflow,
    "retry_workflow": cancelled_workflow,
    "list_workflows": fixed(),
    "assign_task": other,
    "change_task": of("task", Scene.task, priority="high"),
    "claim_task": of("task", Scene.task),
    "claim_task.blocked": blocked,
    "release_task": Scene.held,
    "release_task.of_person": release_of_person,
    "update_task_status": report,
    "report_usage": usage,
    "get_task": of("task", Scene.task),
    "list_tasks": fixed(),
    "explain_task": of("task", Scene.task),
    "get_plan": of("task", Scene.task),
    "get_spend": of("task", Scene.task),
    "approve_task": of("task", gate),
    "propose_plan": propose,
    "send_message": tell,
    "send_message.reply_to": reply,
    "get_messages": fixed(),
    "get_messages.thread_id": thread,
    "get_messages.dead": of("message_id", Scene.dead_letter),
    "mark_message_read": message_to_owner,
    "delete_message": message_of_owner,
    "resend_message": dead,
    "consult_agents": consult,
    "consult_agents.consultation": consultation,
    "create_context": fixed(name="Plan", content="x"),
    "update_context": update_context,
    "share_context": share,
    "get_context": of("context_id", Scene.context),
    "list_contexts": of("context_id", Scene.context),
    "list_contexts.snapshots": snapshots,
    "restore_context": restore,
    "snapshot_contexts": of("context_id", Scene.context),
    "attach_file": fixed(name="notes.txt", text="x"),
    "get_attachment": attached_file,
    "list_attachments": fixed(),
    "delete_attachment": attached_file,
    "github_create_issue": fixed(**R, title="New"),
    "github_update_issue": of("issue", free_issue, title="New"),
    "github_update_issue.held": of("issue", held_task, title="New"),
    "github_update_issue.decide": decide,
    "github_comment_issue": of("issue", Scene.task, body="Hm?"),
    "github_comment_issue.change": change_comment,
    "github_create_pr": fresh(**R, head="new-{}", title="New"),
    "github_create_pr.held": create_pull,
    "github_update_pr": of("pull_request", Scene.free_pull, title="New"),
    "github_update_pr.held": of("pull_request", Scene.pull, title="New"),
    "github_update_pr.merge": merge,
    "github_review_pr": of("pull_request", Scene.free_pull, body="Hm?"),
    "github_review_pr.verdict": of("pull_request", Scene.pull, event="REQUEST_CHANGES", body="No"),
    "github_commit_files": fresh(**R, **FILES, branch="new-{}"),
    "github_commit_files.held": commit,
    "github_commit_files.settings": fresh(
        **R,
        message="Allow more",
        files=[{"path": ".github/hubbub.yml", "content": "agents_may_merge: true\n"}],
        branch="new-{}",
    ),
    "github_move_card": of("issue", free_issue, status="Done"),
    "github_move_card.held": of("issue", held_task, status="Done"),
    "github_report_check": fixed(**R, sha=SHA, name="lint"),
    "override_check": of("pull_request", Scene.second_pull),
    "github_run_workflow": fixed(**R, workflow="agent.yml"),
    "github_cancel_workflow": fixed(**R, run_id=1),
    "github_list_files": fixed(**R),
    "github_read_files": fixed(**R, paths=["README.md"]),
    "github_get_diff": of("task", Scene.free_pull),
    "github_get_thread": of("task", Scene.task),
    "github_search": fixed(query="rocket"),
    "wait_for_events": fixed(topics=["messages"]),
    "get_write": of("write_id", Scene.write),
    "list_writes": of_owner(),
    "cancel_write": of("write_id", Scene.write),
    "get_budget": fixed(),
    "get_graph": fixed(),
    "count_tasks": fixed(),
    "get_task_history": of("task", Scene.task),
    "get_task_messages": of("task", Scene.task),
    "get_fleet": fixed(),
    "get_agent_history": of_owner(),
    "get_outbox": fixed(),
    "get_budget_history": fixed(),
    "list_deliveries": fixed(),
    "get_delivery": fixed(guid="d"),
    "replay_delivery": fixed(guid="d"),
    "list_audit": fixed(),
    "list_attention": fixed(),
    "get_insights": fixed(),
    "get_usage": fixed(),
    "get_workflow_file": fixed(**R, name="release"),
    "check_workflow": fixed(text=WORKFLOW),
    "edit_workflow": fixed(text=WORKFLOW),
    "save_workflow": fresh(**R, name="release-{}", text=WORKFLOW),
    "list_mounts": fixed(),
    "get_mount": mount,
    "manage_mount": of("mount", mount_name, action="stop"),
    "list_trackers": fixed(),
    "get_tracker": of("tracker", tracker_name),
    "manage_tracker": of("tracker", tracker_name, action="pause"),
    "list_notification_targets": fixed(),
    "find_tools": fixed(query="issue"),
    "call_tool": fixed(tool="tickets__create_issue"),
    "get_tool": fixed(tool="tickets__create_issue"),
    "manage_tool": fixed(tool="tickets__create_issue", action="pin"),
    "manage_notification_target": notification_target,
    "list_plugins": fixed(),
    "get_plugin": fixed(plugin="echo"),
    "search_plugins": fixed(),
    "manage_plugin": fixed(plugin="echo", action="disable"),
}
