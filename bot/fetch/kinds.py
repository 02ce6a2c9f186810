"""Every kind of read: where to look on GitHub, and what the answer means for the mirror."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

from bot.fetch.answers import boards, issues, pulls, repositories, repository_settings
from bot.fetch.answers.answer import Apply, rows
from bot.github.payloads import at
from bot.mirror import issue_effects
from bot.repository.settings_file import PATH
from store.engine.transaction import Row, Tx
from store.inbox import commands
from store.mirror import branches, mirror_rows, permissions, projects, search_index, transfers

Complete: TypeAlias = Callable[[Tx, int, Row], Coroutine[Any, Any, Row | None]]


async def _as_asked(_: Tx, __: int, arguments: Row) -> Row | None:
    return arguments


async def _unless_it_left(tx: Tx, installation_id: int, arguments: Row) -> Row | None:
    """Of an issue that went to another repository, what is there now is asked for there."""
    place = (arguments["repository_id"], arguments["number"])
    return None if await transfers.get(tx, installation_id, place) else arguments


async def _of_organization(tx: Tx, installation_id: int, arguments: Row) -> Row | None:
    """People's boards are not to be had: GitHub tells Apps only of organizations'."""
    found = await mirror_rows.installation(tx, installation_id)
    if found is None or found["account_type"] != "Organization":
        return None
    return {**arguments, "org": found["account"]}


async def _of_project(tx: Tx, installation_id: int, arguments: Row) -> Row | None:
    completed = await _of_organization(tx, installation_id, arguments)
    project = await projects.project_of_item(tx, installation_id, arguments["item_id"])
    if completed is None or project is None:
        return None
    return {**completed, **await of_project(tx, installation_id, project)}


async def of_project(tx: Tx, installation_id: int, project: Row) -> Row:
    """What paths and answers about a project's items need. Without `fields` no Status comes."""
    known = await projects.fields(tx, installation_id, project["id"])
    selects = [str(row["id"]) for row in known if row["type"] == boards.SELECT]
    return {
        "number": project["number"],
        "project_id": project["id"],
        "project": project["node_id"],
        "fields": ",".join(selects),
    }


@dataclass(frozen=True)
class Kind:
    """`path` takes the arguments, and goes below the repository's unless it starts with `/`.

    `permission`: what the App must have been granted, as in app.yml. `complete` adds to the
    arguments what only the database knows; None: there is nothing to ask.
    """

    permission: str
    path: Callable[[Row], str]
    apply: Apply
    # The answer is a list, or has one under `items`.
    lists: bool = False
    items: str | None = None
    complete: Complete = _as_asked

    def fits(self, data: Any) -> bool:
        """Whether an answer's body is what this kind asks for."""
        return not self.lists or isinstance(self._list_in(data), list)

    def entries(self, data: Any) -> list[Any]:
        """The list in a body that fits."""
        return list(self._list_in(data))

    def _list_in(self, data: Any) -> Any:
        return at(data, self.items) if self.items else data


def _login(arguments: Row) -> str:
    return quote(arguments["login"], safe="")


def _project(arguments: Row) -> str:
    return f"/orgs/{arguments['org']}/projectsV2/{arguments['number']}"


def fields_query(arguments: Row) -> str:
    return f"fields={arguments['fields']}" if arguments["fields"] else ""


KINDS: dict[str, Kind] = {
    "permission": Kind(
        "metadata: read",
        lambda a: f"collaborators/{_login(a)}/permission",
        repositories.permission,
    ),
    "issue": Kind(
        "issues: read",
        lambda a: f"issues/{a['number']}",
        issues.issue,
        complete=_unless_it_left,
    ),
    "comment": Kind(
        "issues: read", lambda a: f"issues/comments/{a['which']}", rows(issues.comment)
    ),
    "blocked_by": Kind(
        "issues: read",
        lambda a: f"issues/{a['number']}/dependencies/blocked_by?per_page=100",
        issues.blocked_by,
        lists=True,
        complete=_unless_it_left,
    ),
    "sub_issues": Kind(
        "issues: read",
        lambda a: f"issues/{a['number']}/sub_issues?per_page=100",
        issues.sub_issues,
        lists=True,
        complete=_unless_it_left,
    ),
    "pull_request": Kind(
        "pull_requests: read", lambda a: f"pulls/{a['number']}", rows(pulls.pull_request)
    ),
    "pull_files": Kind(
        "pull_requests: read",
        lambda a: f"pulls/{a['number']}/files?per_page=100",
        pulls.files,
        lists=True,
    ),
    "reviews": Kind(
        "pull_requests: read",
        lambda a: f"pulls/{a['number']}/reviews?per_page=100",
        pulls.reviews,
        lists=True,
    ),
    "review_comments": Kind(
        "pull_requests: read",
        lambda _: "pulls/comments?sort=updated&direction=desc&per_page=100",
        rows(pulls.review_comments),
        lists=True,
    ),
    "check_runs": Kind(
        "checks: read",
        lambda a: f"commits/{a['sha']}/check-runs?per_page=100",
        rows(pulls.check_runs),
        lists=True,
        items="check_runs",
    ),
    "workflow_run": Kind(
        "actions: read", lambda a: f"actions/runs/{a['which']}", rows(pulls.workflow_run)
    ),
    "workflow_jobs": Kind(
        "actions: read",
        lambda a: f"actions/runs/{a['which']}/jobs?per_page=100",
        rows(pulls.workflow_jobs),
        lists=True,
        items="jobs",
    ),
    "labels": Kind("issues: read", lambda _: "labels?per_page=100", issues.labels, lists=True),
    "milestones": Kind(
        "issues: read",
        lambda _: "milestones?state=all&per_page=100",
        issues.milestones,
        lists=True,
    ),
    "ref": Kind(
        "contents: read",
        lambda a: f"git/ref/heads/{quote(a['name'])}",
        repositories.ref,
    ),
    "refs": Kind(
        "contents: read", lambda _: "git/matching-refs/heads", repositories.refs, lists=True
    ),
    "settings": Kind("contents: read", lambda _: f"contents/{PATH}", repository_settings.settings),
    "projects": Kind(
        "organization_projects: read",
        lambda a: f"/orgs/{a['org']}/projectsV2?per_page=100",
        boards.project_list,
        lists=True,
        complete=_of_organization,
    ),
    "project_fields": Kind(
        "organization_projects: read",
        lambda a: f"{_project(a)}/fields?per_page=100",
        boards.fields,
        lists=True,
        complete=_of_organization,
    ),
    "project_item": Kind(
        "organization_projects: read",
        lambda a: f"{_project(a)}/items/{a['item_id']}?{fields_query(a)}".rstrip("?"),
        boards.item,
        complete=_of_project,
    ),
    "repository": Kind(
        "metadata: read",
        lambda a: f"/repositories/{a['repository_id']}",
        rows(repositories.repository),
    ),
    "installation": Kind(
        "metadata: read",
        lambda a: f"/app/installations/{a['installation_id']}",
        rows(repositories.installation),
    ),
    "installation_repositories": Kind(
        "metadata: read",
        lambda _: "/installation/repositories?per_page=100",
        repositories.installation_repositories,
        lists=True,
        items="repositories",
    ),
}
# What may be gone although its repository is there: a 404 of these is looked into.
SINGLE = ("issue", "comment", "settings")


async def apply_absence(tx: Tx, read: Row, status: int) -> None:
    """GitHub answered 404 or 410. A 404 may as well mean that the App may not see it now."""
    arguments: dict[str, Any] = read["arguments"]
    installation_id = read["installation_id"]
    here = (installation_id, arguments.get("repository_id", 0))
    if read["kind"] == "permission":
        await permissions.put(tx, *here, arguments["login"], "none")
        await commands.wake(tx, *here)
    elif read["kind"] == "ref":
        await branches.put_answer(tx, *here, arguments["name"], None)
    elif read["kind"] == "installation":
        await mirror_rows.mark_installation_deleted(tx, installation_id)
    elif read["kind"] == "project_item":
        await _hidden(tx, installation_id, arguments["item_id"])
    elif read["kind"] == "settings":
        if status == 410:
            await repository_settings.absent(tx, installation_id, arguments)
    elif status == 410:
        await _buried(tx, read["kind"], here, arguments)


async def _hidden(tx: Tx, installation_id: int, item_id: int) -> None:
    """Gone, or not to be seen for now: a later read may have it again."""
    if row := await projects.item(tx, installation_id, item_id):
        await mirror_rows.hide(tx, "project_items", row, await tx.now())


async def _buried(tx: Tx, kind: str, here: tuple[int, int], arguments: Row) -> None:
    if kind == "comment":
        row = await mirror_rows.comment(tx, here[0], arguments["which"])
        # It may have gone along with an issue to another repository, where GitHub was not asked.
        if row and row["repository_id"] == here[1]:
            await mirror_rows.hide(tx, "comments", row, await tx.now())
            await search_index.index(tx, "comments", row | {"deleted": 1})
    elif kind == "issue" and (issue := await mirror_rows.issue(tx, *here, arguments["number"])):
        await mirror_rows.mark_deleted(tx, "issues", here[0], issue["id"])
        await search_index.index(tx, "issues", issue)
        await issue_effects.update_task(tx, issue | {"deleted": 1}, issue)
