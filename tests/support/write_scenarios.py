"""For each kind of write: what it is to change, what it asks GitHub for, how its effect shows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from fixtures.github import Comment, Issue, Project, Pull, Repository
from store.tasks import tasks
from tests.support.story import Workspace

NUMBERS = count(1)


@dataclass(frozen=True)
class Scene:
    """`path`: of the request that changes something. `effects`: how often it has, on GitHub."""

    method: str
    path: str
    arguments: dict[str, Any]
    effects: Callable[[], int]
    task_id: str | None = None
    # What its target is, where that matters to how it is found.
    target: str = field(default_factory=lambda: f"scene {next(NUMBERS)}")


@dataclass(frozen=True)
class Stage:
    """A workspace in which one scene after the other is set. No webhook tells of what happens."""

    workspace: Workspace
    board: Project

    @property
    def repository(self) -> Repository:
        return self.workspace.repository

    def name(self) -> str:
        return f"scene-{next(NUMBERS)}"

    def issue(self) -> Issue:
        return self.workspace.person.open_issue(self.repository, self.name())

    def comment(self) -> Comment:
        """Of the bot's, as it does not matter here."""
        return self.workspace.person.comment(self.issue(), "Before")

    def branch(self) -> str:
        """With a commit of its own."""
        name = self.name()
        self.workspace.person.push(self.repository, name, {name: "1\n"}, base="main")
        return name

    def pull(self) -> Pull:
        head = self.branch()
        return self.workspace.person.open_pull(self.repository, title=head, head=head)


def set_up(workspace: Workspace) -> Stage:
    workspace.github.person("monalisa", permissions={"acme/rocket": "write"})
    workspace.github.ci.workflow(workspace.repository, "agent.yml", inputs=["task"])
    workspace.person.create_label(workspace.repository, "bug")
    return Stage(workspace, workspace.person.create_project("acme", "Work"))


def _count(comments: list[Any], words: str) -> int:
    return sum(words in each.body for each in comments)


# --- Comments ------------------------------------------------------------------------------------


async def comment(stage: Stage) -> Scene:
    issue = stage.issue()
    path = f"/issues/{issue.number}/comments$"
    given = {"number": issue.number, "body": "Hello"}
    return Scene("POST", path, given, lambda: _count(issue.comments, "Hello"))


async def comment_edit(stage: Stage) -> Scene:
    it = stage.comment()
    given = {"comment_id": it.id, "body": "After"}
    path = f"/issues/comments/{it.id}$"
    return Scene("PATCH", path, given, lambda: int("After" in it.body))


async def comment_delete(stage: Stage) -> Scene:
    it = stage.comment()
    path = f"/issues/comments/{it.id}$"
    return Scene("DELETE", path, {"comment_id": it.id}, lambda: int(it.deleted))


async def comment_minimize(stage: Stage) -> Scene:
    it = stage.comment()
    given = {"comment_id": it.id, "classifier": "OUTDATED"}
    return Scene("POST", "/graphql$", given, lambda: int(it.minimized == "outdated"))


async def card(stage: Stage) -> Scene:
    issue, here = stage.issue(), stage.workspace.installation.id
    values = {
        "repository_id": stage.repository.id,
        "issue_id": issue.id,
        "number": issue.number,
        "title": issue.title,
    }
    task_id = await stage.workspace.store.write(lambda tx: tasks.create(tx, here, **values))
    path = f"/issues/{issue.number}/comments$"
    # What it says is settled when it goes out.
    given = {"number": issue.number}
    return Scene("POST", path, given, lambda: _count(issue.comments, "**Hubbub** ·"), task_id)


async def reaction(stage: Stage) -> Scene:
    issue = stage.issue()
    path = f"/issues/{issue.number}/reactions$"
    given = {"source": "issue", "number": issue.number, "content": "eyes"}
    return Scene("POST", path, given, lambda: len(issue.reactions))


# --- Issues --------------------------------------------------------------------------------------


async def issue(stage: Stage) -> Scene:
    title = stage.name()

    def effects() -> int:
        return sum(each.title == title for each in stage.repository.issues.values())

    return Scene("POST", "/issues$", {"title": title, "body": ""}, effects)


async def issue_update(stage: Stage) -> Scene:
    it = stage.issue()
    labels = {"add": ["bug"], "remove": []}
    given = {"number": it.number, "title": "After", "labels": labels}

    def effects() -> int:
        return int((it.title, [each.name for each in it.labels]) == ("After", ["bug"]))

    return Scene("PATCH", f"/issues/{it.number}$", given, effects)


async def sub_issue(stage: Stage) -> Scene:
    parent, child = stage.issue(), stage.issue()
    path = f"/issues/{parent.number}/sub_issues$"
    given = {"number": parent.number, "sub_issue_id": child.id, "replace_parent": True}
    return Scene("POST", path, given, lambda: parent.sub_issues.count(child))


async def sub_issue_removal(stage: Stage) -> Scene:
    parent, child = stage.issue(), stage.issue()
    stage.workspace.person.add_sub_issue(parent, child)
    path = f"/issues/{parent.number}/sub_issue$"
    given = {"number": parent.number, "sub_issue_id": child.id}
    return Scene("DELETE", path, given, lambda: int(child.parent is None))


async def blocked_by(stage: Stage) -> Scene:
    waits, other = stage.issue(), stage.issue()
    path = f"/issues/{waits.number}/dependencies/blocked_by$"
    given = {"number": waits.number, "issue_id": other.id}
    return Scene("POST", path, given, lambda: waits.blocked_by.count(other))


async def blocked_by_removal(stage: Stage) -> Scene:
    waits, other = stage.issue(), stage.issue()
    stage.workspace.person.block(waits, other)
    path = f"/issues/{waits.number}/dependencies/blocked_by/{other.id}$"
    given = {"number": waits.number, "issue_id": other.id}
    return Scene("DELETE", path, given, lambda: int(other not in waits.blocked_by))


# --- Pull requests -------------------------------------------------------------------------------


async def pull(stage: Stage) -> Scene:
    head = stage.branch()
    given = {"head": head, "base": "main", "title": head, "body": "", "draft": False}

    def effects() -> int:
        return sum(each.head == head for each in stage.repository.pulls.values())

    return Scene("POST", "/pulls$", given, effects)


async def pull_update(stage: Stage) -> Scene:
    it = stage.pull()
    given = {"number": it.number, "title": "After"}
    return Scene("PATCH", f"/pulls/{it.number}$", given, lambda: int(it.title == "After"))


async def pull_draft(stage: Stage) -> Scene:
    it = stage.pull()
    given = {"number": it.number, "draft": True}
    return Scene("POST", "/graphql$", given, lambda: int(it.draft))


async def reviewers(stage: Stage) -> Scene:
    it = stage.pull()
    path = f"/pulls/{it.number}/requested_reviewers$"
    given = {"number": it.number, "reviewers": ["monalisa"]}
    return Scene("POST", path, given, lambda: len(it.requested_reviewers))


async def merge(stage: Stage) -> Scene:
    it = stage.pull()
    given = {"number": it.number, "sha": it.head_sha, "merge_method": "merge"}
    words = f"Merge pull request #{it.number} "

    def effects() -> int:
        return sum(each.message.startswith(words) for each in stage.repository.commits.values())

    return Scene("PUT", f"/pulls/{it.number}/merge$", given, effects)


async def review(stage: Stage) -> Scene:
    it = stage.pull()
    on_line = {"path": it.head, "line": 1, "body": "Why one?"}
    given = {
        "number": it.number,
        "event": "COMMENT",
        "commit_id": it.head_sha,
        "body": "Looked",
        "comments": [on_line],
    }
    path = f"/pulls/{it.number}/reviews$"
    return Scene("POST", path, given, lambda: _count(it.reviews, "Looked"))


async def review_reply(stage: Stage) -> Scene:
    it = stage.pull()
    first = stage.workspace.person.review_comment(it, it.head, 1, "Why one?")
    path = f"/pulls/{it.number}/comments/{first.id}/replies$"
    given = {"number": it.number, "comment_id": first.id, "body": "It is enough"}
    return Scene("POST", path, given, lambda: _count(it.review_comments, "It is enough"))


# --- Git -----------------------------------------------------------------------------------------


async def branch(stage: Stage) -> Scene:
    name = stage.name()
    given = {"branch": name, "base": "main"}
    return Scene("POST", "/git/refs$", given, lambda: int(name in stage.repository.branches))


def _commits(stage: Stage, branch: str, words: str) -> int:
    """On the branch, back to its beginning."""
    held, sha, found = stage.repository.commits, stage.repository.branches[branch], 0
    while sha in held:
        found += held[sha].message.startswith(words)
        sha = held[sha].parents[0] if held[sha].parents else ""
    return found


async def commit(stage: Stage) -> Scene:
    name = stage.branch()
    given = {
        "branch": name,
        "message": f"Change {name}",
        "files": [{"path": "a.py", "content": "1\n"}],
        "delete": [],
        "head": stage.repository.branches[name],
    }
    return Scene("POST", "/graphql$", given, lambda: _commits(stage, name, f"Change {name}"))


async def first_commit(stage: Stage) -> Scene:
    name, head = stage.name(), stage.repository.branches["main"]
    stage.repository.branches[name] = head
    message = f"Begin: {name}"
    given = {"branch": name, "base": "main", "message": message, "files": [], "delete": []}
    given |= {"head": head}
    return Scene("POST", "/graphql$", given, lambda: _commits(stage, name, message))


# --- Boards and builds ---------------------------------------------------------------------------


def _items(board: Project, of: Issue) -> list[str | None]:
    return [each.status for each in board.items.values() if each.content is of]


async def board_item(stage: Stage) -> Scene:
    it, board = stage.issue(), stage.board
    path = f"/projectsV2/{board.number}/items$"
    given = {"project": board.number, "type": "Issue", "id": it.id}
    return Scene("POST", path, given, lambda: len(_items(board, it)))


async def board_status(stage: Stage) -> Scene:
    it, board = stage.issue(), stage.board
    item = stage.workspace.person.add_to_project(board, it)
    path = f"/projectsV2/{board.number}/items/{item.id}$"
    given = {
        "project": board.number,
        "item_id": item.id,
        "field_id": board.status_field.id,
        "option_id": board.option("Done").id,
    }
    return Scene("PATCH", path, given, lambda: _items(board, it).count("Done"))


async def check_run(stage: Stage) -> Scene:
    name = stage.branch()
    given = {
        "name": name,
        "head_sha": stage.repository.branches[name],
        "status": "completed",
        "conclusion": "success",
        "output": {"title": name, "summary": ""},
    }

    def effects() -> int:
        suites = stage.repository.check_suites.values()
        return sum(run.name == name for suite in suites for run in suite.runs)

    return Scene("POST", "/check-runs$", given, effects)


async def workflow_dispatch(stage: Stage) -> Scene:
    ref = stage.branch()
    given = {"workflow": "agent.yml", "ref": ref, "inputs": {"task": "1"}}

    def effects() -> int:
        runs = stage.repository.workflow_runs.values()
        return sum(each.suite.head_branch == ref for each in runs)

    return Scene("POST", "/dispatches$", given, effects, target="workflow agent.yml")


async def workflow_cancel(stage: Stage) -> Scene:
    name = stage.branch()
    run = stage.workspace.github.ci.request_run(stage.repository, stage.repository.branches[name])
    path = f"/actions/runs/{run.id}/cancel$"
    return Scene("POST", path, {"run_id": run.id}, lambda: int(run.conclusion == "cancelled"))


SCENES = {
    "comment": comment,
    "comment_edit": comment_edit,
    "comment_delete": comment_delete,
    "comment_minimize": comment_minimize,
    "card": card,
    "reaction": reaction,
    "issue": issue,
    "issue_update": issue_update,
    "sub_issue": sub_issue,
    "sub_issue_removal": sub_issue_removal,
    "blocked_by": blocked_by,
    "blocked_by_removal": blocked_by_removal,
    "pull": pull,
    "pull_update": pull_update,
    "pull_draft": pull_draft,
    "reviewers": reviewers,
    "merge": merge,
    "review": review,
    "review_reply": review_reply,
    "branch": branch,
    "commit": commit,
    "first_commit": first_commit,
    "board_item": board_item,
    "board_status": board_status,
    "check_run": check_run,
    "workflow_dispatch": workflow_dispatch,
    "workflow_cancel": workflow_cancel,
}
