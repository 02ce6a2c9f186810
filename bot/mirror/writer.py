"""Applies what a delivery or an answer of GitHub says to the mirror, with all that follows."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeAlias, cast

from bot.comments import authorship, markers, posted_texts
from bot.github.payloads import Mirrored
from bot.identity.keyring import Keys
from bot.identity.people import people_roles
from bot.mirror import (
    activity,
    board_effects,
    code,
    issue_effects,
    pushes,
    reads,
    repository_effects,
    silent_changes,
    text_edits,
    transfers,
)
from bot.mirror.changes import Branch, Changes, Relation, Sender
from bot.mirror.tables import TABLES, MirroredTable
from bot.pulls import checks
from bot.tasks import plan_notices
from store.engine.transaction import Row, Tx
from store.fetch import backfills
from store.identity import credentials
from store.mirror import (
    branches,
    dependency_cycles,
    mirror_rows,
    relations,
    search_index,
    stored_installations,
    stored_repositories,
    version_guard,
)
from store.tables.mirror import IssueRow

# Their rows name no repository, so the installation's row is locked for them.
BOARDS = ("projects", "project_items", "project_values")


# The place of a row: its table and its key.
Place: TypeAlias = tuple[str, tuple[object, ...]]


@dataclass
class Progress:
    """What one call of `apply` has read and put so far.

    `before`: rows that the mirror has, by place. The lock keeps others from changing them. `seen`:
    the contents that were put, by place and version. `without_effects`: rows that have none.
    `with_new_rows`: the tables and repositories that webhooks brought new rows of.
    """

    before: dict[Place, Row | None]
    without_effects: set[Place]
    seen: set[tuple[Place, str]] = field(default_factory=set)
    with_new_rows: set[tuple[str, int]] = field(default_factory=set)


async def apply(tx: Tx, keys: Keys, installation_id: int, *all_changes: Changes) -> None:
    """Apply everything but their `texts`: the caller stores the commands in them."""
    await _lock(tx, installation_id, all_changes)
    before = await _rows_before(tx, installation_id, all_changes)
    progress = Progress(before, await _rows_without_effects(tx, installation_id, all_changes))
    for changes in all_changes:
        await _apply(tx, keys, installation_id, changes, progress)
    for table, repository_id in sorted(progress.with_new_rows):
        if on_new_rows := TABLES[table].on_new_rows:
            await on_new_rows(tx, installation_id, repository_id)


async def _rows_before(
    tx: Tx, installation_id: int, all_changes: Sequence[Changes]
) -> dict[Place, Row | None]:
    """The rows of the mirror that several deliveries change, read by one query for each table.

    A transfer moves rows, so the rows of one are read when their turn comes.
    """
    if len(all_changes) < 2 or any(each.transfers for each in all_changes):
        return {}
    ids: dict[str, set[int]] = defaultdict(set)
    for given in (row for changes in all_changes for row in changes.rows):
        if mirror_rows.key(given.table) == ("installation_id", "id"):
            ids[given.table].add(given.row["id"])
    found: dict[Place, Row | None] = {}
    for table, wanted in ids.items():
        found |= {(table, (installation_id, each)): None for each in wanted}
        for row in await mirror_rows.by_id(tx, table, installation_id, wanted):
            found[table, (installation_id, row["id"])] = row
    return found


async def _rows_without_effects(
    tx: Tx, installation_id: int, all_changes: Sequence[Changes]
) -> set[Place]:
    """The rows of several deliveries that have no effects.

    The labels of a repository decide, so there are none while labels change too.
    """
    rows = [row for changes in all_changes for row in changes.rows]
    if len(all_changes) < 2 or any(row.table == "labels" for row in rows):
        return set()
    found: set[Place] = set()
    for name in sorted({row.table for row in rows}):
        if without_effects := TABLES[name].without_effects:
            ids = await without_effects(
                tx, installation_id, [r.row for r in rows if r.table == name]
            )
            found |= {(name, (installation_id, each)) for each in ids}
    return found


async def _apply(
    tx: Tx, keys: Keys, installation_id: int, changes: Changes, progress: Progress
) -> None:
    for row in changes.earlier:
        await _bind_task(tx, keys, row)
    for transfer in changes.transfers:
        await transfers.move_with_issue(tx, installation_id, transfer)
    for mirrored in changes.rows:
        # Deliveries of one repository all show it. The same content again never changes anything.
        if (this := (_place(mirrored), mirrored.row["version"])) not in progress.seen:
            progress.seen.add(this)
            await _put(tx, keys, mirrored, changes.sender, progress)
    for edit in changes.edits:
        await text_edits.record(tx, installation_id, edit)
    await _put_unguarded(tx, installation_id, changes)
    for request in changes.review_requests:
        await activity.append_review_request(tx, installation_id, request)
    for repository_id, head_sha in changes.rechecks:
        await checks.refresh(tx, installation_id, repository_id, head_sha, again=True)
    for move in changes.board_moves:
        await board_effects.record_move(tx, installation_id, move)
    moved = [read for each in changes.transfers for read in silent_changes.after_transfer(each)]
    for read in (*changes.reads, *moved):
        await reads.queue(tx, installation_id, read)


def _place(given: Mirrored) -> Place:
    return given.table, tuple(given.row[name] for name in mirror_rows.key(given.table))


async def _lock(tx: Tx, installation_id: int, all_changes: Sequence[Changes]) -> None:
    """Let transactions on one repository, on boards or on dependencies take turns.

    Every transaction locks in this order, so that two of them cannot block each other.
    """
    rows = [row for changes in all_changes for row in changes.rows]
    named = {row.row["repository_id"] for row in rows if "repository_id" in row.row}
    named |= {row.row["id"] for row in rows if row.table == "repositories"}
    named |= {each.new_repository_id for changes in all_changes for each in changes.transfers}
    if any(row.table in BOARDS for row in rows):
        await stored_installations.lock_installation(tx, installation_id)
    for repository_id in sorted(named):
        await stored_repositories.lock_repository(tx, installation_id, repository_id)
    issues = [each.row for each in rows if each.table == "issues"]
    related = any(each.relations_added or each.relations_removed for each in all_changes)
    if related or await dependency_cycles.may_change_cycles(tx, installation_id, issues):
        await dependency_cycles.lock(tx, installation_id)


async def _put(
    tx: Tx, keys: Keys, given: Mirrored, sender: Sender | None, progress: Progress
) -> None:
    """Put one row; if it is newer than what the mirror had, do what its table says."""
    if given.table == "issues":
        await _bind_task(tx, keys, cast("IssueRow", given.row))
    if given.table == "comments":
        given = await transfers.with_current_place(tx, given)
    table, row = TABLES[given.table], given.row
    put = await _put_row(tx, given, progress)
    is_tie = put.tie and version_guard.has_time(row["version"])
    if table.tie and (is_tie or _may_be_back(given, put.before, won=put.won)):
        await reads.queue(tx, row["installation_id"], table.tie(row))
    if put.won:
        if put.before is None and not version_guard.read_at(row["version"]) and table.on_new_rows:
            progress.with_new_rows.add((given.table, row["repository_id"]))
        if table.searched:
            await search_index.index(tx, given.table, row, await posted_texts.reader_of(tx, row))
        await text_edits.record_change(tx, keys, given.table, row, put.before, sender)
        if _place(given) not in progress.without_effects:
            await _run_effects(tx, table, row, put.before, sender)


async def _put_row(tx: Tx, given: Mirrored, progress: Progress) -> mirror_rows.Put:
    place = _place(given)
    if place not in progress.before:
        return await mirror_rows.put(tx, given.table, given.row)
    before = progress.before[place]
    put = await mirror_rows.put_over(tx, given.table, given.row, before)
    if put.won:
        progress.before[place] = {**(before or {}), **given.row}
    return put


def _may_be_back(given: Mirrored, before: Row | None, *, won: bool) -> bool:
    """Whether GitHub shows something that the mirror hides, so that only a read can decide."""
    if won or before is None or not before["deleted"] or given.row["deleted"]:
        return False
    return given.table == "repositories" or not version_guard.is_final(before["version"])


async def _run_effects(
    tx: Tx, table: MirroredTable, row: Row, before: Row | None, sender: Sender | None
) -> None:
    if table.stale is not None:
        for read in await table.stale(tx, row, before):
            await reads.queue(tx, row["installation_id"], read)
    for effect in table.effects:
        await effect(tx, row, before)
    for act in table.acts:
        await act(tx, row, before, sender)


async def _put_unguarded(tx: Tx, installation_id: int, changes: Changes) -> None:
    """Put what has no `updated_at` on GitHub: the last delivery holds until a read corrects it."""
    for relation in changes.relations_added:
        await _tell_of_relation(tx, installation_id, changes, relation, is_added=True)
        changed = await relations.put(tx, installation_id, asdict(relation))
        await issue_effects.update_dependants(tx, installation_id, changed)
    for gone in changes.relations_removed:
        await _tell_of_relation(tx, installation_id, changes, gone, is_added=False)
        ends = (gone.source_id, gone.target_id)
        changed = await relations.remove(tx, installation_id, gone.kind, *ends)
        await issue_effects.update_dependants(tx, installation_id, changed)
    for branch in changes.branches:
        await _put_branch(tx, installation_id, branch)
    for commit in changes.commits:
        here = (installation_id, commit.repository_id)
        await code.put_commit(tx, here, commit.sha, commit.tree)
    for repository_id, on in changes.selected:
        await stored_repositories.select_repository(tx, installation_id, repository_id, on)
        if not on:
            await backfills.forget(tx, installation_id, repository_id)
    for repository_id in changes.changed_features:
        await repository_effects.fetch_refused_parts(tx, installation_id, repository_id)
    for person_id in changes.people_who_left:
        await credentials.revoke_of_person(tx, person_id)
    for stale in changes.stale_permissions:
        await people_roles.forget(
            tx, installation_id, stale.repository_id, stale.login, stale.person_id
        )


async def _tell_of_relation(
    tx: Tx,
    installation_id: int,
    changes: Changes,
    relation: Relation,
    *,
    is_added: bool,
) -> None:
    """Tell the holders of a plan what a person changed there, once.

    GitHub sends two webhooks for each relation. What agents change is told when they do it.
    """
    sender = changes.sender
    if sender is None or sender.login.endswith("[bot]"):
        return
    kind, ends = relation.kind, (relation.source_id, relation.target_id)
    known = await relations.targets(tx, installation_id, kind, ends[0])
    if is_added == (ends[1] in {each["other_id"] for each in known}):
        return
    actor = f"@{sender.login}"
    await plan_notices.tell_of_relation(tx, installation_id, kind, *ends, actor)


async def _put_branch(tx: Tx, installation_id: int, branch: Branch) -> None:
    """Put a pushed branch, and queue a read unless the push continues what the mirror knows."""
    here = (installation_id, branch.repository_id, branch.name)
    known = await branches.get(tx, *here)
    continues = (
        known is not None
        and branch.before == known["sha"]
        and branch.pushed_at > known["pushed_at"]
        and branch.sha is not None
    )
    is_there = known is not None and branch.sha == known["sha"]
    if not (continues or is_there):
        await reads.queue(tx, installation_id, reads.branch(branch.repository_id, branch.name))
    if known is None or branch.pushed_at >= known["pushed_at"]:
        await branches.put(tx, *here, branch.sha, branch.pushed_at)
        await pushes.append_push(tx, installation_id, branch)


async def _bind_task(tx: Tx, keys: Keys, issue: IssueRow) -> None:
    """Bind an issue that Hubbub created to the task whose marker its body carries.

    Older bodies count too, because a person may have edited the marker away at once.
    """
    if not authorship.is_bot(issue["author"]):
        return
    bot = await authorship.bot_id(tx)
    ours = authorship.is_ours(issue["author"], issue["author_id"], bot)
    for marker in markers.find(keys, issue["body"], ours=ours):
        if marker.kind == "task":
            here = (issue["repository_id"], issue["id"], issue["number"])
            await issue_effects.bind_issue(tx, issue["installation_id"], marker.id, *here)
