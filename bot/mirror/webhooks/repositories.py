"""Repositories and their branches."""

from collections.abc import Callable

from bot.github import payloads
from bot.github.payloads import at
from bot.mirror import reads
from bot.mirror.changes import Branch, Changes, PushedCommit
from bot.mirror.rows import installation_rows
from bot.mirror.webhooks.event import Event, as_list
from bot.repository import workflow_paths
from bot.repository.settings_file import PATH
from store.mirror import merge_groups

BRANCH = "refs/heads/"
NOTHING = "0" * 40


def repository(event: Event) -> Changes:
    # `changes_of` takes the row from every event, so a rename needs nothing more.
    if event.is_deletion:
        value = at(event.payload, "repository")
        return Changes((installation_rows.repository(event.installation_id, value, deleted=True),))
    moved = (reads.ALL_REPOSITORIES,) if event.action == "transferred" else ()
    return Changes(reads=moved, changed_features=(event.repository_id,))


def push(event: Event) -> Changes:
    ref = payloads.text(at(event.payload, "ref"))
    if not ref.startswith(BRANCH):
        return Changes()  # it pushed a tag
    name = ref.removeprefix(BRANCH)[:255]
    before = payloads.text(at(event.payload, "before"), 64)
    after = payloads.text(at(event.payload, "after"), 64)
    gone = after in ("", NOTHING)
    pushed_at = payloads.time(at(event.payload, "repository", "pushed_at"))
    by = payloads.text(at(event.payload, "sender", "login"), 100)
    by_id = payloads.maybe_number(at(event.payload, "sender", "id")) or 0
    head = None if gone else after
    branch = Branch(event.repository_id, name, before, head, pushed_at, by, by_id)
    wanted = () if gone else _files_to_read(event, name)
    # GitHub waits for the required checks on the head of each group of a merge queue.
    is_group = head is not None and name.startswith(merge_groups.PREFIX)
    rechecks = ((event.repository_id, after),) if is_group else ()
    commits = _pushed_commits(event)
    return Changes(branches=(branch,), reads=wanted, commits=commits, rechecks=rechecks)


def _pushed_commits(event: Event) -> tuple[PushedCommit, ...]:
    """The new head. The others are seldom read."""
    head = at(event.payload, "head_commit")
    sha, tree = (payloads.text(at(head, name), 64) for name in ("id", "tree_id"))
    return (PushedCommit(event.repository_id, sha, tree),) if sha and tree else ()


def create(_: Event) -> Changes:
    """The event names no commit; the push event that comes with it does."""
    return Changes()


def delete(event: Event) -> Changes:
    """Somebody may have created the branch again by now, so a read decides."""
    name = payloads.text(at(event.payload, "ref"), 255)
    if at(event.payload, "ref_type") != "branch" or not name:
        return Changes()
    return Changes(reads=(reads.branch(event.repository_id, name),))


# What Hubbub reads again after a push to the default branch that touches such a path.
FILES: dict[str, Callable[[str], bool]] = {
    "settings": lambda path: path == PATH,
    "workflow_files": workflow_paths.is_workflow_file,
}


def _files_to_read(event: Event, name: str) -> tuple[reads.Read, ...]:
    if name != payloads.text(at(event.payload, "repository", "default_branch")):
        return ()
    commits = as_list(at(event.payload, "commits"))
    touched = {
        path
        for commit in commits
        for word in ("added", "modified", "removed")
        for path in as_list(at(commit, word))
        if isinstance(path, str)
    }
    # If it was forced or has no commits, the event does not list what changed.
    is_unsure = at(event.payload, "forced") is True or not commits
    kinds = (kind for kind, is_one in FILES.items() if is_unsure or any(map(is_one, touched)))
    return tuple(_read_of(event, kind) for kind in kinds)


def _read_of(event: Event, kind: str) -> reads.Read:
    pusher = payloads.text(at(event.payload, "sender", "login"), 100)
    asked = reads.repository(kind, event.repository_id)
    return reads.Read(asked.kind, asked.subject, {**asked.arguments, "committer": pusher})
