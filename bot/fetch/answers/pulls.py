"""Apply answers about pull requests, reviews, files and checks."""

import json

from bot.fetch.answers.answer import Reading, put, valid_rows
from bot.fetch.answers.code import file_diff
from bot.fetch.answers.issues import number_at
from bot.github import patches, payloads
from bot.github.payloads import Json, Mirrored, at
from bot.identity.keyring import Keys
from bot.mirror import code, overlap_reads, reads, workflow_files
from bot.mirror.rows import check_rows, pull_rows
from bot.pulls import checks
from bot.times import SECOND
from store.engine.transaction import Tx
from store.mirror import pulls
from store.mirror.pulls import ChangedFile


def pull_request(r: Reading) -> list[Mirrored]:
    return [pull_rows.pull_request(*r.here, r.data, read_at=r.read_at)]


def pull_requests(r: Reading) -> list[Mirrored]:
    return valid_rows(r, lambda each: pull_rows.pull_request(*r.here, each, read_at=r.read_at))


async def apply_reviews(tx: Tx, keys: Keys, r: Reading) -> None:
    """Apply reviews. REST gives no time of change, so a review is as new as the mirror's row."""
    number, unsure = r.arguments["number"], False
    found = []
    for each in [each for each in r.entries if payloads.maybe_number(at(each, "id")) is not None]:
        row = pull_rows.review(*r.here, number, each, read_at=r.read_at).row
        known = await pulls.review(tx, r.installation_id, row["id"])
        if known is not None and known["updated_at"] > row["updated_at"]:
            content = pull_rows.review(
                *r.here, number, each, read_at=r.read_at, known_at=known["updated_at"]
            )
            row = content.row
            # The review may have changed while GitHub answered. A second read will tell.
            late = known["updated_at"] >= r.read_at // SECOND * SECOND
            unsure |= late and row["version"][35:] != known["version"][35:]
        found.append(Mirrored("reviews", row))
    wanted = (reads.thread("reviews", r.here[1], number),) if unsure else ()
    await put(tx, keys, r, found, wanted)


def review_comments(r: Reading) -> list[Mirrored]:
    return valid_rows(
        r,
        lambda each: pull_rows.review_comment(
            *r.here, number_at(each, "pull_request_url"), each, read_at=r.read_at
        ),
    )


async def apply_files(tx: Tx, _: Keys, r: Reading) -> None:
    number = r.arguments["number"]
    pull = await pulls.pull_request(tx, *r.here, number)
    if pull is None:
        return
    installation_id, repository_id = r.here
    before = await pulls.files(tx, *r.here, number)
    await pulls.put_files(
        tx,
        {
            "installation_id": installation_id,
            "repository_id": repository_id,
            "number": number,
            # A push may have come since the mirror's row, or while GitHub answered.
            "head_sha": _head_of(r) or pull["head_sha"],
            "files": json.dumps([_file(each) for each in r.entries]),
            "whole": int(r.whole),
            "read_at": r.read_at,
        },
    )
    await overlap_reads.report_pull_change(tx, pull, before["files"] if before else ())
    await workflow_files.check_changed(tx, pull)
    await checks.refresh_pull(tx, pull)
    key = code.pull_key(number, pull["base_ref"], _head_of(r) or pull["head_sha"])
    files = [file_diff(each) for each in r.entries]
    await code.put_diff(tx, r.here, key, {"files": files, "whole": r.whole, "merge_base": None})


def _head_of(r: Reading) -> str | None:
    """The head whose changes GitHub lists. A push may have come since the mirror's row."""
    address = payloads.text(at(r.entries[0], "contents_url")) if r.entries else ""
    _, _, head = address.rpartition("?ref=")
    return head if len(head) in (40, 64) else None


# Hunks of one file whose lines are kept. With more, a review's lines are only checked by GitHub.
MOST_HUNKS = 200


def _file(value: Json) -> ChangedFile:
    file: ChangedFile = {
        "path": payloads.text(at(value, "filename"), 1024),
        "status": payloads.text(at(value, "status"), 20),
        "additions": payloads.maybe_number(at(value, "additions")) or 0,
        "deletions": payloads.maybe_number(at(value, "deletions")) or 0,
    }
    found = patches.hunks(payloads.text(at(value, "patch")))
    if 0 < len(found) <= MOST_HUNKS:
        file["lines"] = patches.line_ranges(found)
        file["edits"] = patches.edited_ranges(found)
    if previous := payloads.text(at(value, "previous_filename"), 1024):
        file["previous"] = previous
    if blob := payloads.text(at(value, "sha"), 64):
        file["blob"] = blob
    return file


def check_runs(r: Reading) -> list[Mirrored]:
    return valid_rows(r, lambda each: check_rows.check_run(*r.here, each, read_at=r.read_at))


def workflow_run(r: Reading) -> list[Mirrored]:
    return [check_rows.workflow_run(*r.here, r.data, read_at=r.read_at)]


def workflow_runs(r: Reading) -> list[Mirrored]:
    return valid_rows(r, lambda each: check_rows.workflow_run(*r.here, each, read_at=r.read_at))


def workflow_jobs(r: Reading) -> list[Mirrored]:
    return valid_rows(r, lambda each: check_rows.workflow_job(*r.here, each, read_at=r.read_at))
