"""Every kind of read: its path on GitHub, and how Hubbub applies the answer to the mirror."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

from bot.comments import posted_texts
from bot.fetch.answers import (
    boards,
    code,
    issues,
    plugin_ratings,
    pulls,
    repositories,
    repository_settings,
    workflow_files,
)
from bot.fetch.answers.answer import Apply, rows
from bot.github.payloads import at
from bot.mirror import issue_effects, reads
from bot.mirror.reads import Arguments
from bot.repository.settings_file import PATH
from bot.repository.workflow_paths import FOLDER
from store.engine.transaction import Tx
from store.inbox import commands
from store.mirror import (
    branches,
    mirror_rows,
    permissions,
    projects,
    search_index,
    stored_installations,
    stored_issues,
    transfers,
)
from store.tables.boards import ProjectRow
from store.tables.fetch import PendingReadRow

Complete: TypeAlias = Callable[[Tx, int, Arguments], Coroutine[Any, Any, Arguments | None]]


async def _same_arguments(_: Tx, __: int, arguments: Arguments) -> Arguments | None:
    return arguments


async def _unless_transferred(
    tx: Tx, installation_id: int, arguments: Arguments
) -> Arguments | None:
    """The arguments; None for a transferred issue, which is read in its new repository."""
    place = (arguments["repository_id"], arguments["number"])
    return None if await transfers.get(tx, installation_id, place) else arguments


async def _organization_arguments(
    tx: Tx, installation_id: int, arguments: Arguments
) -> Arguments | None:
    """With the organization's name. None for a user: GitHub shows Apps no boards of users."""
    found = await stored_installations.installation(tx, installation_id)
    if found is None or found["account_type"] != "Organization":
        return None
    return {**arguments, "org": found["account"]}


async def _item_arguments(tx: Tx, installation_id: int, arguments: Arguments) -> Arguments | None:
    completed = await _organization_arguments(tx, installation_id, arguments)
    project = await projects.project_of_item(tx, installation_id, arguments["item_id"])
    if completed is None or project is None:
        return None
    return {**completed, **await project_arguments(tx, installation_id, project)}


async def project_arguments(tx: Tx, installation_id: int, project: ProjectRow) -> Arguments:
    """The arguments of reads of a project's items. GitHub returns only the `fields` named."""
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
    """A kind of read.

    `permission` is what the App needs, as in app.yml. `path` makes the path from the arguments. It
    is below the repository's path unless it starts with `/`. `complete` adds to the arguments what
    the database knows. It returns None if there is nothing to read.
    """

    permission: str
    path: Callable[[Arguments], str]
    apply: Apply
    # Whether the answer is a list, or has a list under the name in `items`.
    lists: bool = False
    items: str | None = None
    complete: Complete = _same_arguments
    # Only callers want it, so GitHub's refusal is their answer, and is not asked for again.
    for_callers: bool = False

    def fits(self, data: Any) -> bool:
        """Whether the body of an answer has the list that this kind of read needs."""
        return not self.lists or isinstance(self._list_in(data), list)

    def entries(self, data: Any) -> list[Any]:
        """The list in a body that fits."""
        return list(self._list_in(data))

    def _list_in(self, data: Any) -> Any:
        return at(data, self.items) if self.items else data


def _tree_path(arguments: Arguments) -> str:
    whole = "" if arguments["flat"] else "?recursive=1"
    return f"git/trees/{arguments['sha']}{whole}"


def _login_in_path(arguments: Arguments) -> str:
    return quote(arguments["login"], safe="")


def _project_path(arguments: Arguments) -> str:
    return f"/orgs/{arguments['org']}/projectsV2/{arguments['number']}"


def fields_query(arguments: Arguments) -> str:
    return f"fields={arguments['fields']}" if arguments["fields"] else ""


KINDS: dict[str, Kind] = {
    "permission": Kind(
        "metadata: read",
        lambda a: f"collaborators/{_login_in_path(a)}/permission",
        repositories.apply_permission,
    ),
    "issue": Kind(
        "issues: read",
        lambda a: f"issues/{a['number']}",
        issues.apply_issue,
        complete=_unless_transferred,
    ),
    "plugin_rating": Kind(
        "issues: read", lambda a: f"issues/{a['number']}", plugin_ratings.apply_rating
    ),
    "comment": Kind(
        "issues: read", lambda a: f"issues/comments/{a['which']}", rows(issues.comment)
    ),
    "blocked_by": Kind(
        "issues: read",
        lambda a: f"issues/{a['number']}/dependencies/blocked_by?per_page=100",
        issues.apply_blocked_by,
        lists=True,
        complete=_unless_transferred,
    ),
    "sub_issues": Kind(
        "issues: read",
        lambda a: f"issues/{a['number']}/sub_issues?per_page=100",
        issues.apply_sub_issues,
        lists=True,
        complete=_unless_transferred,
    ),
    "pull_request": Kind(
        "pull_requests: read", lambda a: f"pulls/{a['number']}", rows(pulls.pull_request)
    ),
    "pull_files": Kind(
        "pull_requests: read",
        lambda a: f"pulls/{a['number']}/files?per_page=100",
        pulls.apply_files,
        lists=True,
    ),
    "reviews": Kind(
        "pull_requests: read",
        lambda a: f"pulls/{a['number']}/reviews?per_page=100",
        pulls.apply_reviews,
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
    "dispatched_runs": Kind(
        "actions: read",
        lambda a: (
            f"actions/workflows/{quote(a['name'])}/runs?event=workflow_dispatch"
            f"&created={quote('>=' + a['since'], safe='')}&per_page=100"
        ),
        rows(pulls.workflow_runs),
        lists=True,
        items="workflow_runs",
    ),
    "workflow_jobs": Kind(
        "actions: read",
        lambda a: f"actions/runs/{a['which']}/jobs?per_page=100",
        rows(pulls.workflow_jobs),
        lists=True,
        items="jobs",
    ),
    "labels": Kind(
        "issues: read", lambda _: "labels?per_page=100", issues.apply_labels, lists=True
    ),
    "milestones": Kind(
        "issues: read",
        lambda _: "milestones?state=all&per_page=100",
        issues.apply_milestones,
        lists=True,
    ),
    "ref": Kind(
        "contents: read",
        lambda a: f"git/ref/heads/{quote(a['name'])}",
        repositories.apply_ref,
    ),
    "refs": Kind(
        "contents: read", lambda _: "git/matching-refs/heads", repositories.apply_refs, lists=True
    ),
    "commit": Kind(
        "contents: read",
        # One file in place of three hundred, as only the commit itself is kept.
        lambda a: f"commits/{quote(a['name'])}?per_page=1",
        code.apply_commit,
        for_callers=True,
    ),
    "tree": Kind("contents: read", _tree_path, code.apply_tree, for_callers=True),
    "blob": Kind(
        "contents: read", lambda a: f"git/blobs/{a['sha']}", code.apply_blob, for_callers=True
    ),
    "comparison": Kind(
        "contents: read",
        lambda a: f"compare/{a['base']}...{a['head']}?per_page=1",
        code.apply_comparison,
        for_callers=True,
    ),
    "settings": Kind(
        "contents: read", lambda _: f"contents/{PATH}", repository_settings.apply_settings
    ),
    "workflow_files": Kind(
        "contents: read", lambda _: f"contents/{FOLDER}", workflow_files.apply_folder
    ),
    "workflow_file": Kind(
        "contents: read", lambda a: f"git/blobs/{a['sha']}", workflow_files.apply_file
    ),
    "projects": Kind(
        "organization_projects: read",
        lambda a: f"/orgs/{a['org']}/projectsV2?per_page=100",
        boards.apply_projects,
        lists=True,
        complete=_organization_arguments,
    ),
    "project_fields": Kind(
        "organization_projects: read",
        lambda a: f"{_project_path(a)}/fields?per_page=100",
        boards.apply_fields,
        lists=True,
        complete=_organization_arguments,
    ),
    "project_item": Kind(
        "organization_projects: read",
        lambda a: f"{_project_path(a)}/items/{a['item_id']}?{fields_query(a)}".rstrip("?"),
        boards.apply_item,
        complete=_item_arguments,
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
        repositories.apply_installation_repositories,
        lists=True,
        items="repositories",
    ),
}


# These bring texts. A command waits for them if two texts of its source have one time.
TEXTS = ("issue", "comment", "pull_request", "reviews", "review_comments")
# A command waits for these.
AWAITED_BY_COMMANDS = (*TEXTS, "settings", "workflow_files", "workflow_file")


async def apply_absence(tx: Tx, read: PendingReadRow, *, is_deleted: bool) -> None:
    """Apply a 404 or 410 to the mirror. Without `is_deleted`, the App may only lack access now."""
    arguments: Arguments = read["arguments"]
    installation_id = read["installation_id"]
    here = (installation_id, arguments.get("repository_id", 0))
    if read["kind"] == "permission":
        person_id = arguments.get("person_id", 0)
        await permissions.put(tx, *here, arguments["login"], "none", person_id)
        await commands.wake(tx, *here)
    elif not is_deleted:
        return
    elif read["kind"] == "ref":
        await branches.put_answer(tx, *here, arguments["name"], None)
    elif read["kind"] == "repository":
        # It was deleted, or taken from the installation. The list of all says which are left.
        await reads.queue(tx, installation_id, reads.ALL_REPOSITORIES)
    elif read["kind"] == "installation":
        await stored_installations.hide_installation(tx, installation_id)
    elif read["kind"] == "project_item":
        await _hide_item(tx, installation_id, arguments["item_id"])
    elif read["kind"] == "settings":
        await repository_settings.apply_absence(tx, installation_id, arguments)
    elif read["kind"] == "workflow_files":
        await workflow_files.apply_absence(tx, *here)
    else:
        await _hide_deleted(tx, read["kind"], here, arguments)


async def _hide_item(tx: Tx, installation_id: int, item_id: int) -> None:
    """Hide an item that is deleted or that the App may not see. A later read may show it again."""
    if row := await projects.item(tx, installation_id, item_id):
        await mirror_rows.hide(tx, "project_items", row, await tx.now())


async def _hide_deleted(tx: Tx, kind: str, here: tuple[int, int], arguments: Arguments) -> None:
    if kind == "comment":
        row = await stored_issues.comment(tx, here[0], arguments["which"])
        # If its issue was transferred, the comment is in another repository now, and exists.
        if row and row["repository_id"] == here[1]:
            await mirror_rows.hide(tx, "comments", row, await tx.now())
            await search_index.index(tx, "comments", row | {"deleted": 1})
    elif kind == "issue" and (issue := await stored_issues.issue(tx, *here, arguments["number"])):
        hidden = await mirror_rows.hide(tx, "issues", issue, await tx.now())
        now = issue | {"deleted": int(hidden)}
        await search_index.index(tx, "issues", now, await posted_texts.reader_of(tx, issue))
        await issue_effects.update_task(tx, issue | {"deleted": 1}, issue)
