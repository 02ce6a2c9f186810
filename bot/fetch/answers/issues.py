"""Apply answers about issues, comments, labels, milestones and relations."""

from collections.abc import Collection
from typing import Any, TypedDict

from bot.fetch.answers.answer import Reading, put, twice_lacking, valid_rows
from bot.github import payloads
from bot.github.payloads import Json, Mirrored, at
from bot.identity.keyring import Keys
from bot.mirror import issue_effects, reads, silent_changes, writer
from bot.mirror.changes import Changes, Transfer
from bot.mirror.rows import issue_rows
from bot.mirror.webhooks.relations import issue_name, repository_of
from bot.workflows.reconciliation import following
from store.engine.transaction import Tx
from store.mirror import (
    dependency_cycles,
    mirror_rows,
    relations,
    stored_issues,
    stored_repositories,
)
from store.mirror.relations import Kind, NewRelation
from store.tables.mirror import IssueRow


class IdAndState(TypedDict):
    id: int
    state: str


async def apply_issue(tx: Tx, keys: Keys, r: Reading) -> None:
    """Apply an issue. If it was transferred, GitHub redirected the read to its new repository."""
    number = r.arguments["number"]
    row = issue_rows.issue(*r.here, r.data, read_at=r.read_at)
    known = await stored_issues.issue(tx, *r.here, number)
    same = row.row["number"] == number if known is None else known["id"] == row.row["id"]
    if same:
        await put(tx, keys, r, [row])
    elif known is not None:
        await _record_transfer(tx, keys, r, known)


async def _record_transfer(tx: Tx, keys: Keys, r: Reading, known: IssueRow) -> None:
    updated = max(known["updated_at"], payloads.time(at(r.data, "updated_at")))
    content = {k: v for k, v in known.items() if k not in ("deleted", "version")}
    gone = payloads.with_version("issues", content, updated, deleted=True)
    transfer = await _transfer(tx, known, r.data)
    wanted = (
        (reads.thread("issue", transfer.new_repository_id, transfer.new_number),)
        if transfer
        else ()
    )
    changes = Changes((gone,), reads=wanted, transfers=(transfer,) if transfer else ())
    await writer.apply(tx, keys, r.installation_id, changes)


async def _transfer(tx: Tx, known: IssueRow, new: Json) -> Transfer | None:
    there = await stored_repositories.repository(tx, known["installation_id"], repository_of(new))
    if there is None:
        return None
    return Transfer(
        issue_id=known["id"],
        repository_id=known["repository_id"],
        number=known["number"],
        new_issue_id=payloads.number(at(new, "id"), "issue.id"),
        new_repository_id=there["id"],
        new_number=payloads.number(at(new, "number"), "issue.number"),
        title=payloads.text(at(new, "title"), 1024),
    )


async def apply_issues(tx: Tx, keys: Keys, r: Reading) -> None:
    await put(
        tx, keys, r, valid_rows(r, lambda each: issue_rows.issue(*r.here, each, read_at=r.read_at))
    )
    for each in r.entries:
        await _clear_relations(tx, r.installation_id, each)


async def _clear_relations(tx: Tx, installation_id: int, issue: Json) -> None:
    """Remove an issue's relations if GitHub says that it has none. That needs no read."""
    this = payloads.maybe_number(at(issue, "id"))
    if this is None:
        return
    dependencies = at(issue, "issue_dependencies_summary")
    if at(dependencies, "total_blocked_by") == 0 == at(dependencies, "blocked_by"):
        await _replace(tx, installation_id, "blocked_by", this, [])
    if at(issue, "sub_issues_summary", "total") == 0:
        await _replace(tx, installation_id, "parent", this, [])


def comment(r: Reading) -> list[Mirrored]:
    return [issue_rows.comment(*r.here, r.arguments["number"], r.data, read_at=r.read_at)]


def comments(r: Reading) -> list[Mirrored]:
    """Comments of the whole repository. The URL in each one names its issue."""
    return valid_rows(
        r,
        lambda each: issue_rows.comment(
            *r.here, number_at(each, "issue_url"), each, read_at=r.read_at
        ),
    )


def number_at(value: Json, url: str) -> int:
    """The number in the URL of an issue or pull request. Raise Malformed."""
    return payloads.number(last_number(at(value, url)), url)


def last_number(url: Json) -> int | None:
    found = payloads.text(url).rpartition("/")[2]
    return int(found) if found.isdecimal() and len(found) < 16 else None


async def apply_milestones(tx: Tx, keys: Keys, r: Reading) -> None:
    found = valid_rows(r, lambda each: issue_rows.milestone(*r.here, each, read_at=r.read_at))
    await put(tx, keys, r, found)
    for row in await _hide_missing(tx, "milestones", r, found):
        await _queue_all(tx, await silent_changes.carriers_of_milestone(tx, row), r)


async def apply_labels(tx: Tx, keys: Keys, r: Reading) -> None:
    found = valid_rows(r, lambda each: issue_rows.label(*r.here, each, read_at=r.read_at))
    await put(tx, keys, r, found)
    for row in await _hide_missing(tx, "labels", r, found):
        await _queue_all(tx, await silent_changes.carriers_of_label(tx, row), r)


async def _hide_missing(tx: Tx, table: str, r: Reading, found: list[Mirrored]) -> list[Any]:
    """Hide the rows that this list and an earlier one lack, and return them."""
    if not r.is_complete(found):
        return []
    there = {each.row["id"] for each in found}
    present = await mirror_rows.present(tx, table, *r.here)
    lacking = {row["id"] for row in present} - there
    gone = await twice_lacking(tx, r, reads.repository(table, r.here[1]), lacking)
    hidden = [row for row in present if row["id"] in gone]
    return [row for row in hidden if await mirror_rows.hide(tx, table, row, r.read_at)]


async def _queue_all(tx: Tx, wanted: list[reads.Read], r: Reading) -> None:
    for each in wanted:
        await reads.queue(tx, r.installation_id, each)


async def apply_blocked_by(tx: Tx, _: Keys, r: Reading) -> None:
    this = await _subject(tx, r)
    if this is None:
        return
    await dependency_cycles.lock(tx, r.installation_id)
    found = [_relation("blocked_by", (this, ""), each) for each in _issues(r)]
    doubtful = await _doubtful(tx, r, "blocked_by", this["id"])
    await _replace(tx, r.installation_id, "blocked_by", this["id"], found, doubtful)


async def apply_sub_issues(tx: Tx, _: Keys, r: Reading) -> None:
    this = await _subject(tx, r)
    if this is None:
        return
    await dependency_cycles.lock(tx, r.installation_id)
    found = [_inverse(_relation("parent", (this, ""), each)) for each in _issues(r)]
    doubtful = await _doubtful(tx, r, "parent", this["id"])
    await _replace(tx, r.installation_id, "parent", this["id"], found, doubtful)


# The read of all that an issue waits for, by the kind of the relations.
READS: dict[Kind, str] = {"blocked_by": "blocked_by", "parent": "sub_issues"}


async def _doubtful(tx: Tx, r: Reading, kind: Kind, issue_id: int) -> set[int]:
    """What the issue waits for although this list lacks it. A second list will decide."""
    edges = await dependency_cycles.edges(tx, r.installation_id, kind, waits=(issue_id,))
    listed = _issues(r)
    lacking = {edge.awaited for edge in edges} - {at(each, "id") for each in listed}
    if not r.is_complete(listed):
        return lacking
    read = reads.relations(READS[kind], r.here[1], r.arguments["number"], issue_id)
    return lacking - await twice_lacking(tx, r, read, lacking)


async def _replace(
    tx: Tx,
    installation_id: int,
    kind: Kind,
    issue_id: int,
    found: list[NewRelation],
    doubtful: Collection[int] = (),
) -> None:
    changed = await relations.replace(tx, installation_id, kind, issue_id, found, doubtful)
    await issue_effects.update_dependants(tx, installation_id, changed)
    await following.follow_relations(tx, installation_id, kind, issue_id)


async def _subject(tx: Tx, r: Reading) -> IdAndState | None:
    """The issue of the read. Its relations may arrive before the issue itself does."""
    found = await stored_issues.issue(tx, *r.here, r.arguments["number"])
    if found is None and (issue_id := r.arguments.get("issue_id")):
        return {"id": issue_id, "state": ""}
    return found


def _issues(r: Reading) -> list[Json]:
    return [each for each in r.entries if payloads.maybe_number(at(each, "id")) is not None]


def _relation(kind: Kind, this: tuple[IdAndState, str], other: Json) -> NewRelation:
    issue, name = this
    return {
        "kind": kind,
        "source_id": issue["id"],
        "source_name": name,
        "source_state": issue["state"],
        "target_id": at(other, "id"),
        "target_name": issue_name(other),
        "target_state": payloads.text(at(other, "state"), 20),
    }


def _inverse(relation: NewRelation) -> NewRelation:
    """The relation with source and target exchanged."""
    return {
        "kind": relation["kind"],
        "source_id": relation["target_id"],
        "source_name": relation["target_name"],
        "source_state": relation["target_state"],
        "target_id": relation["source_id"],
        "target_name": relation["source_name"],
        "target_state": relation["source_state"],
    }
