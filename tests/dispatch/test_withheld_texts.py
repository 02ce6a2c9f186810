"""No operation shows what a stranger wrote, except as the repository's policy lets it.

A stranger's word stands in titles, texts, branches, files and checks. The calls are those of
`tests.support.usual_calls`, which has every operation.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from bot.dispatch.dispatcher import Dispatcher
from bot.errors import Refused
from bot.identity import permissions
from bot.operations import OPERATIONS
from bot.repository.settings_file import PATH
from fixtures.github import Issue, Person, Pull
from store.engine.transaction import Row
from tests.support.engines import ON_SQLITE
from tests.support.rows_visited import CountingStore, Visits
from tests.support.story import Agent, Workspace
from tests.support.usual_calls import (
    CALLS,
    CODE,
    NOT_MEASURED,
    TEMPLATES,
    Does,
    Scene,
    call,
    scene_of,
)

WORD = "xyzzy"
TITLE = f"Mend the valve {WORD}"
TEXT = f"Look at the valve: {WORD}."
BRANCH = f"mend-{WORD}"
# Calls that might show more than the usual ones.
MORE: dict[str, Does] = {
    "search for the word": call("me", "github_search", query=WORD),
    "claim with paths": call("me", "claim_task", task="$free", paths=["src"]),
    "review of a file that is not changed": call(
        "ada",
        "github_review_pr",
        pull_request="$pull",
        comments=[{"path": "b.py", "line": 1, "body": "Why?"}],
    ),
    "ask for a review": call("me", "github_update_pr", pull_request="$pull", reviewers=["ada"]),
    "diff of the branch": call("me", "github_get_diff", task="$mine", head="$cursor"),
    "a task of the same name": call(
        "me", "create_task", repository="acme/rocket", title="The valve: mend!"
    ),
    "thread of a pull request": call("me", "github_get_thread", task="$pull", max_tokens=20_000),
    "old notices": call("me", "get_messages", state="notices"),
}


# It shows people what GitHub sent, as it is. No agent may call it.
AS_SENT = {"get_delivery"}


@dataclass
class Recorder(Agent):
    """An agent that keeps the answers and errors that it gets, as JSON and as models read them."""

    answers: list[Any] = field(default_factory=list)

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            reply = await self.dispatcher.reply(self.actor, operation, arguments)
        except Refused as exc:
            self.answers.append(exc.body())
            return {}
        self.answers += [reply.values(), json.loads(reply.lean_json())]
        return reply.values()

    async def refusal(self, operation: str, **arguments: Any) -> Refused:
        await self.call(operation, **arguments)
        return Refused("nothing_ready", "Recorded.")


async def strangers_scene(workspace: Workspace, texts: str) -> Scene:
    """An installation in which a stranger wrote all issues, comments and a pull request."""
    person, repository = workspace.person, workspace.repository
    person.publicize(repository)
    person.push(repository, "main", {**CODE, PATH: f"texts:\n  {texts}\n{TEMPLATES}"})
    await workspace.settle()
    stranger = workspace.github.person("mallory")
    lead = await workspace.agent("lead", "tech-lead")
    me, ada = await workspace.agent("me"), await workspace.agent("ada")
    mine, free, other = [await _task(workspace, stranger) for _ in range(3)]
    person.block(mine, other)
    fence = (await me.call("claim_task", task=workspace.name(mine), lease_s=86_400))["fence"]
    await ada.call("claim_task", task=workspace.name(other), paths=["src"], lease_s=86_400)
    await me.call(
        "update_task_status",
        task=workspace.name(mine),
        status="in_progress",
        fence=fence,
        question="Which valve?",
    )
    await workspace.settle()
    stranger.comment(mine, TEXT)
    pull = await _pull(workspace, stranger, mine)
    stranger.edit_issue(mine, body=f"{TEXT} {TEXT}")
    await workspace.settle()
    # As for a fork: its branch is none of the repository.
    await workspace.store.write(lambda tx: tx.run("DELETE FROM refs WHERE name = :n", n=BRANCH))
    counting = CountingStore(workspace.store)
    scene = await scene_of(
        workspace,
        counting,
        agents=(lead, me, ada),
        issues=(mine, free, other),
        pull=pull,
        fence=fence,
    )
    await _read_code(workspace, me, pull)
    rolled_back = Dispatcher(counting, workspace.dispatcher.shared)
    lead, me, ada = [Recorder(rolled_back, each.actor) for each in (lead, me, ada)]
    return replace(scene, lead=lead, me=me, ada=ada, cursor=pull.head_sha)


async def _pull(workspace: Workspace, stranger: Person, issue: Issue) -> Pull:
    """A pull request of the stranger, with a review, a comment on a file and a check."""
    repository = workspace.repository
    workspace.person.push(repository, BRANCH, {**CODE, f"src/{WORD}.py": f"{WORD} = 1\n"})
    body = f"{TEXT} Closes #{issue.number}"
    pull = stranger.open_pull(repository, title=TITLE, head=BRANCH, body=body)
    await workspace.settle()
    stranger.review(pull, "changes_requested", TEXT)
    stranger.review_comment(pull, f"src/{WORD}.py", 1, TEXT)
    check = workspace.github.ci.start_check(repository, pull.head_sha, WORD)
    workspace.github.ci.finish_check(check, "failure")
    return pull


async def _read_code(workspace: Workspace, agent: Agent, pull: Pull) -> None:
    """Let Hubbub read the code of the pull request, whatever agents get of it."""
    name = f"acme/rocket#{pull.number}"
    for operation, given in (
        ("github_list_files", {}),
        ("github_read_files", {"paths": ["src/a.py", f"src/{WORD}.py"]}),
        ("github_get_diff", {}),
    ):
        for _ in range(4):
            with suppress(Refused):
                await agent.call(operation, task=name, **given)
            await workspace.settle()


async def _task(workspace: Workspace, stranger: Person) -> Issue:
    issue = stranger.open_issue(workspace.repository, TITLE, TEXT)
    stranger.comment(issue, TEXT)
    await workspace.settle()
    workspace.person.add_label(issue, "agent-task")
    await workspace.settle()
    return issue


async def answers_of(scene: Scene) -> dict[str, list[Any]]:
    """What each call answers. None of them changes anything."""
    found: dict[str, list[Any]] = {}
    recorders = [each for each in (scene.lead, scene.me, scene.ada) if isinstance(each, Recorder)]
    scene.store.visits = Visits()
    for name, does in {**CALLS, **MORE}.items():
        if name in AS_SENT:
            continue
        for each in recorders:
            each.answers.clear()
        await does(scene)
        found[name] = [answer for each in recorders for answer in each.answers]
        assert found[name], name
    scene.store.visits = None
    return found


def unmarked(value: Any, *, marked: bool = False) -> Iterator[str]:
    """The texts with the word that stand in no object with a mark."""
    if isinstance(value, str):
        if WORD in value.casefold() and not marked:
            yield value
    elif isinstance(value, list):
        for each in value:
            yield from unmarked(each, marked=marked)
    elif isinstance(value, dict):
        marks = (value.get("trusted"), value.get("title_trusted"))
        marked = marked or False in marks or bool(value.get("title_by"))
        for each in value.values():
            yield from unmarked(each, marked=marked)


async def kept_texts(scene: Scene) -> list[Row]:
    """The rows that WebSockets, resources and later calls show, with the word."""
    rows: list[Row] = []
    for table in ("events", "notices", "messages"):
        rows += await scene.workspace.rows(f"SELECT * FROM {table} WHERE installation_id = :i")
    return [row for row in rows if WORD in str(row).casefold()]


def test_every_operation_is_called() -> None:
    called = {name.partition(",")[0].partition(" ")[0] for name in CALLS}
    assert OPERATIONS.keys() - called <= NOT_MEASURED
    assert all(permissions.is_for_people(each) for each in AS_SENT)


@ON_SQLITE
async def test_what_is_withheld_comes_out_of_no_operation(workspace: Workspace) -> None:
    scene = await strangers_scene(workspace, "others: withhold")
    found = await answers_of(scene)
    assert [name for name, answers in found.items() if WORD in str(answers).casefold()] == []
    assert await kept_texts(scene) == []


@ON_SQLITE
async def test_what_is_marked_has_its_mark_in_every_answer(workspace: Workspace) -> None:
    scene = await strangers_scene(workspace, "others: mark")
    found = await answers_of(scene)
    assert {name: said for name, each in found.items() if (said := list(unmarked(each)))} == {}
    assert await kept_texts(scene) == []


@ON_SQLITE
async def test_the_word_is_where_operations_look(workspace: Workspace) -> None:
    """Otherwise the tests above would prove nothing."""
    scene = await strangers_scene(workspace, "others: show")
    found = await answers_of(scene)
    seen = {name for name, answers in found.items() if WORD in str(answers).casefold()}
    assert seen >= {
        *("claim_task", "get_task", "list_tasks", "list_tasks in full", "explain_task"),
        *("assign_task", "change_task", "release_task", "update_task_status"),
        *("github_get_thread", "github_get_thread of a pull request", "github_search"),
        *("github_get_diff", "github_list_files", "search for the word"),
    }
