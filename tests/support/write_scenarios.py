"""A scenario for each kind of write: its arguments, its request to GitHub, and its effect there."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from fixtures.github import Comment, Issue, Project, Pull, Repository
from fixtures.github.state import Reaction, Review
from store.engine.transaction import Tx
from store.outbox import writes
from store.tasks import tasks
from tests.support.story import Workspace

NUMBERS = count(1)


@dataclass(frozen=True)
class Scenario:
    """`path`: of the request that changes GitHub. `effects`: how often it took effect on GitHub."""

    method: str
    path: str
    arguments: dict[str, Any]
    effects: Callable[[], int]
    task_id: str | None = None
    # The target of the write. Some kinds find their effect by it.
    target: str = field(default_factory=lambda: f"scene {next(NUMBERS)}")


@dataclass(frozen=True)
class Stage:
    """A workspace for many scenarios, one after the other. No webhook reports what happens."""

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
        """A comment. Its author does not matter here."""
        return self.workspace.person.comment(self.issue(), "Before")

    def branch(self) -> str:
        """A branch with a commit of its own."""
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


async def comment(stage: Stage) -> Scenario:
    issue = stage.issue()
    path = f"/issues/{issue.number}/comments$"
    given = {"number": issue.number, "body": "Hello"}
    return Scenario("POST", path, given, lambda: _count(issue.comments, "Hello"))


async def comment_edit(stage: Stage) -> Scenario:
    it = stage.comment()
    given = {"comment_id": it.id, "body": "After"}
    path = f"/issues/comments/{it.id}$"
    return Scenario("PATCH", path, given, lambda: int("After" in it.body))


async def comment_delete(stage: Stage) -> Scenario:
    it = stage.comment()
    path = f"/issues/comments/{it.id}$"
    return Scenario("DELETE", path, {"comment_id": it.id}, lambda: int(it.deleted))


async def comment_minimize(stage: Stage) -> Scenario:
    it = stage.comment()
    given = {"comment_id": it.id, "classifier": "OUTDATED"}
    return Scenario("POST", "/graphql$", given, lambda: int(it.minimized == "outdated"))


async def card(stage: Stage) -> Scenario:
    issue, here = stage.issue(), stage.workspace.installation.id
    values = {
        "repository_id": stage.repository.id,
        "issue_id": issue.id,
        "number": issue.number,
        "title": issue.title,
    }
    task_id = await stage.workspace.store.write(lambda tx: tasks.create(tx, here, **values))
    path = f"/issues/{issue.number}/comments$"
    # The text of a card is made when it is sent.
    given = {"number": issue.number}
    return Scenario("POST", path, given, lambda: _count(issue.comments, "**Hubbub** ·"), task_id)


async def reaction(stage: Stage) -> Scenario:
    issue = stage.issue()
    path = f"/issues/{issue.number}/reactions$"
    given = {"source": "issue", "number": issue.number, "content": "eyes"}
    return Scenario("POST", path, given, lambda: len(issue.reactions))


async def reply(stage: Stage) -> Scenario:
    issue = stage.issue()
    path = f"/issues/{issue.number}/comments$"
    given = {"number": issue.number, "body": "It is free", "answers": "comment 1", "verb": None}
    return Scenario("POST", path, given, lambda: _count(issue.comments, "It is free"))


def add_reaction(workspace: Workspace, reactions: list[Reaction]) -> int:
    """Let the bot have reacted. Return the id of its reaction."""
    bot = workspace.github.app.bot
    made = Reaction(next(NUMBERS) + 10_000, bot, "eyes", "2027-01-15T08:00:00Z")
    reactions.append(made)
    return made.id


async def add_sent_reaction(
    workspace: Workspace, arguments: dict[str, Any], reactions: list[Reaction]
) -> str:
    """A reaction of the bot and the write that made it. Return the write's id."""
    result = json.dumps({"reaction_id": add_reaction(workspace, reactions)})

    async def work(tx: Tx) -> str:
        return await writes.queue(
            tx,
            workspace.installation.id,
            kind="reaction",
            repository_id=workspace.repository.id,
            target=f"reacted {next(NUMBERS)}",
            arguments=arguments,
            author="scout",
        )

    write_id = await workspace.store.write(work)
    q = "UPDATE writes SET state = 'sent', result = :r WHERE installation_id = :i AND id = :w"
    given = {"r": result, "i": workspace.installation.id, "w": write_id}
    await workspace.store.write(lambda tx: tx.run(q, **given))
    return write_id


async def reaction_removal(stage: Stage) -> Scenario:
    issue = stage.issue()
    given = {"source": "issue", "number": issue.number, "content": "eyes"}
    first = await add_sent_reaction(stage.workspace, given, issue.reactions)
    path = f"/issues/{issue.number}/reactions/"
    return Scenario("DELETE", path, {**given, "after": first}, lambda: 1 - len(issue.reactions))


async def _review(stage: Stage) -> Review:
    pull = stage.pull()
    stage.workspace.person.review(pull, "commented", "/help")
    return pull.reviews[-1]


async def review_reaction(stage: Stage) -> Scenario:
    review = await _review(stage)
    given = {"number": review.pull.issue.number, "review_id": review.id, "content": "+1"}
    return Scenario("POST", "/graphql$", given, lambda: len(review.reactions))


async def review_reaction_removal(stage: Stage) -> Scenario:
    review = await _review(stage)
    given = {"number": review.pull.issue.number, "review_id": review.id, "content": "eyes"}
    add_reaction(stage.workspace, review.reactions)
    return Scenario("POST", "/graphql$", given, lambda: 1 - len(review.reactions))


# --- Issues --------------------------------------------------------------------------------------


async def issue(stage: Stage) -> Scenario:
    title = stage.name()

    def effects() -> int:
        return sum(each.title == title for each in stage.repository.issues.values())

    return Scenario("POST", "/issues$", {"title": title, "body": ""}, effects)


async def issue_update(stage: Stage) -> Scenario:
    it = stage.issue()
    labels = {"add": ["bug"], "remove": []}
    given = {"number": it.number, "title": "After", "labels": labels}

    def effects() -> int:
        return int((it.title, [each.name for each in it.labels]) == ("After", ["bug"]))

    return Scenario("PATCH", f"/issues/{it.number}$", given, effects)


async def sub_issue(stage: Stage) -> Scenario:
    parent, child = stage.issue(), stage.issue()
    path = f"/issues/{parent.number}/sub_issues$"
    given = {"number": parent.number, "sub_issue_id": child.id, "replace_parent": True}
    return Scenario("POST", path, given, lambda: parent.sub_issues.count(child))


async def sub_issue_removal(stage: Stage) -> Scenario:
    parent, child = stage.issue(), stage.issue()
    stage.workspace.person.add_sub_issue(parent, child)
    path = f"/issues/{parent.number}/sub_issue$"
    given = {"number": parent.number, "sub_issue_id": child.id}
    return Scenario("DELETE", path, given, lambda: int(child.parent is None))


async def blocked_by(stage: Stage) -> Scenario:
    waits, other = stage.issue(), stage.issue()
    path = f"/issues/{waits.number}/dependencies/blocked_by$"
    given = {"number": waits.number, "issue_id": other.id}
    return Scenario("POST", path, given, lambda: waits.blocked_by.count(other))


async def blocked_by_removal(stage: Stage) -> Scenario:
    waits, other = stage.issue(), stage.issue()
    stage.workspace.person.block(waits, other)
    path = f"/issues/{waits.number}/dependencies/blocked_by/{other.id}$"
    given = {"number": waits.number, "issue_id": other.id}
    return Scenario("DELETE", path, given, lambda: int(other not in waits.blocked_by))


# --- Pull requests -------------------------------------------------------------------------------


async def pull(stage: Stage) -> Scenario:
    head = stage.branch()
    given = {"head": head, "base": "main", "title": head, "body": "", "draft": False}

    def effects() -> int:
        return sum(each.head == head for each in stage.repository.pulls.values())

    return Scenario("POST", "/pulls$", given, effects)


async def pull_update(stage: Stage) -> Scenario:
    it = stage.pull()
    given = {"number": it.number, "title": "After"}
    return Scenario("PATCH", f"/pulls/{it.number}$", given, lambda: int(it.title == "After"))


async def pull_draft(stage: Stage) -> Scenario:
    it = stage.pull()
    given = {"number": it.number, "draft": True}
    return Scenario("POST", "/graphql$", given, lambda: int(it.draft))


async def reviewers(stage: Stage) -> Scenario:
    it = stage.pull()
    path = f"/pulls/{it.number}/requested_reviewers$"
    given = {"number": it.number, "reviewers": ["monalisa"]}
    return Scenario("POST", path, given, lambda: len(it.requested_reviewers))


async def merge(stage: Stage) -> Scenario:
    it = stage.pull()
    given = {"number": it.number, "sha": it.head_sha, "merge_method": "merge"}
    words = f"Merge pull request #{it.number} "

    def effects() -> int:
        return sum(each.message.startswith(words) for each in stage.repository.commits.values())

    return Scenario("PUT", f"/pulls/{it.number}/merge$", given, effects)


async def review(stage: Stage) -> Scenario:
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
    return Scenario("POST", path, given, lambda: _count(it.reviews, "Looked"))


async def review_reply(stage: Stage) -> Scenario:
    it = stage.pull()
    first = stage.workspace.person.review_comment(it, it.head, 1, "Why one?")
    path = f"/pulls/{it.number}/comments/{first.id}/replies$"
    given = {"number": it.number, "comment_id": first.id, "body": "It is enough"}
    return Scenario("POST", path, given, lambda: _count(it.review_comments, "It is enough"))


async def resolve_threads(stage: Stage) -> Scenario:
    it = stage.pull()
    first = stage.workspace.person.review_comment(it, it.head, 1, "Why one?")
    given = {"number": it.number, "threads": [first.id]}
    return Scenario("POST", "/graphql$", given, lambda: int(first.resolved))


# --- Git -----------------------------------------------------------------------------------------


async def branch(stage: Stage) -> Scenario:
    name = stage.name()
    given = {"branch": name, "base": "main"}
    return Scenario("POST", "/git/refs$", given, lambda: int(name in stage.repository.branches))


def _commits(stage: Stage, branch: str, words: str) -> int:
    """On the branch, back to its beginning."""
    held, sha, found = stage.repository.commits, stage.repository.branches[branch], 0
    while sha in held:
        found += held[sha].message.startswith(words)
        sha = held[sha].parents[0] if held[sha].parents else ""
    return found


async def commit(stage: Stage) -> Scenario:
    name = stage.branch()
    given = {
        "branch": name,
        "message": f"Change {name}",
        "files": [{"path": "a.py", "content": "1\n"}],
        "delete": [],
        "head": stage.repository.branches[name],
    }
    return Scenario("POST", "/graphql$", given, lambda: _commits(stage, name, f"Change {name}"))


# --- Boards and builds ---------------------------------------------------------------------------


def _items(board: Project, of: Issue) -> list[str | None]:
    return [each.status for each in board.items.values() if each.content is of]


async def board_item(stage: Stage) -> Scenario:
    it, board = stage.issue(), stage.board
    path = f"/projectsV2/{board.number}/items$"
    given = {"project": board.number, "type": "Issue", "id": it.id}
    return Scenario("POST", path, given, lambda: len(_items(board, it)))


async def board_status(stage: Stage) -> Scenario:
    it, board = stage.issue(), stage.board
    item = stage.workspace.person.add_to_project(board, it)
    path = f"/projectsV2/{board.number}/items/{item.id}$"
    given = {
        "project": board.number,
        "item_id": item.id,
        "field_id": board.status_field.id,
        "option_id": board.option("Done").id,
    }
    return Scenario("PATCH", path, given, lambda: _items(board, it).count("Done"))


async def check_run(stage: Stage) -> Scenario:
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

    return Scenario("POST", "/check-runs$", given, effects)


async def workflow_dispatch(stage: Stage) -> Scenario:
    ref = stage.branch()
    given = {"workflow": "agent.yml", "ref": ref, "inputs": {"task": "1"}}

    def effects() -> int:
        runs = stage.repository.workflow_runs.values()
        return sum(each.suite.head_branch == ref for each in runs)

    return Scenario("POST", "/dispatches$", given, effects, target="workflow agent.yml")


async def workflow_cancel(stage: Stage) -> Scenario:
    name = stage.branch()
    run = stage.workspace.github.ci.request_run(stage.repository, stage.repository.branches[name])
    path = f"/actions/runs/{run.id}/cancel$"
    return Scenario("POST", path, {"run_id": run.id}, lambda: int(run.conclusion == "cancelled"))


async def workflow_force_cancel(stage: Stage) -> Scenario:
    name = stage.branch()
    run = stage.workspace.github.ci.request_run(stage.repository, stage.repository.branches[name])
    path = f"/actions/runs/{run.id}/force-cancel$"
    return Scenario("POST", path, {"run_id": run.id}, lambda: int(run.conclusion == "cancelled"))


SCENARIOS = {
    "comment": comment,
    "comment_edit": comment_edit,
    "comment_delete": comment_delete,
    "comment_minimize": comment_minimize,
    "card": card,
    "reply": reply,
    "reaction": reaction,
    "reaction_removal": reaction_removal,
    "review_reaction": review_reaction,
    "review_reaction_removal": review_reaction_removal,
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
    "resolve_threads": resolve_threads,
    "branch": branch,
    "commit": commit,
    "board_item": board_item,
    "board_status": board_status,
    "check_run": check_run,
    "workflow_dispatch": workflow_dispatch,
    "workflow_cancel": workflow_cancel,
    "workflow_force_cancel": workflow_force_cancel,
}
