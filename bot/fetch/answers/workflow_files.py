"""Apply the folder of workflow files on the default branch, and the content of one file."""

from bot.fetch.answers import code as code_answers
from bot.fetch.answers.answer import Reading, twice_lacking
from bot.github import payloads
from bot.github.payloads import at
from bot.identity.keyring import Keys
from bot.mirror import code, reads
from bot.pulls import checks
from bot.pulls.workflow_files import files_in
from bot.repository import workflow_paths
from bot.workflows.definitions import definition_file, file_checks, stored_definitions
from store.engine.transaction import Tx
from store.mirror import code_objects, task_pulls
from store.tables.workflows import WorkflowDefinitionRow
from store.workflows import definitions

KIND = "workflow_files"
# Workflow files of one repository that are read, by name.
MOST_FILES = 100


async def apply_folder(tx: Tx, _: Keys, r: Reading) -> None:
    """Have the files read that changed. Forget those that GitHub lacked twice."""
    found = _files(r)
    known = {row["name"]: row for row in await definitions.of_repository(tx, *r.here)}
    for name, (sha, size) in found.items():
        if not _is_known(known.get(name), sha):
            await _read(tx, r, name, sha, size)
    lacking = {name for name in known if name not in found}
    again = reads.repository(KIND, r.here[1])
    for name in sorted(await twice_lacking(tx, r, again, lacking)):
        await stored_definitions.remove(tx, r.here, name)


def _files(r: Reading) -> dict[str, tuple[str, int]]:
    """The SHA and the size of each file in the folder, by name."""
    found: dict[str, tuple[str, int]] = {}
    for each in r.entries:
        name = workflow_paths.name_of(payloads.text(at(each, "path"), 1024))
        sha = payloads.text(at(each, "sha"), 64)
        if name and sha and at(each, "type") == "file":
            found[name] = (sha, payloads.maybe_number(at(each, "size")) or 0)
    return dict(sorted(found.items())[:MOST_FILES])


def _is_known(row: WorkflowDefinitionRow | None, sha: str) -> bool:
    """Whether the newest version, valid or not, is the one that was read last."""
    if row is None:
        return False
    return sha == (row["sha"] if row["problem"] is None else row["problem_sha"])


async def _read(tx: Tx, r: Reading, name: str, sha: str, size: int) -> None:
    committer = r.arguments.get("committer", "")
    if size > definition_file.RULES.longest:
        problems = definition_file.too_long(size).problems
        await stored_definitions.put_problems(
            tx, r.here, name, sha, problems, read_at=r.read_at, committer=committer
        )
    elif (content := await code_objects.get(tx, r.here, "blob", sha)) is not None:
        await stored_definitions.put(
            tx, r.here, name, sha, content, read_at=r.read_at, committer=committer
        )
    else:
        wanted = reads.workflow_file(r.here[1], sha, name=name, committer=committer)
        await reads.queue(tx, r.installation_id, wanted)


async def apply_file(tx: Tx, _: Keys, r: Reading) -> None:
    """Keep the definition of a file on the default branch, and check the open pull requests."""
    sha, content = r.arguments["sha"], code_answers.blob_content(r)
    await code.put_blobs(tx, r.here, [content])
    if name := r.arguments.get("name"):
        committer = r.arguments.get("committer", "")
        await stored_definitions.put(
            tx, r.here, name, sha, content, read_at=r.read_at, committer=committer
        )
    changed = [
        (each, [one["path"] for one in files_in(each["files"]) if one.get("blob") == sha])
        for each in await task_pulls.newest_with_files(tx, *r.here)
    ]
    for path in {path for _, paths in changed for path in paths}:
        await file_checks.check_changed(tx, r.here, path, sha, content)
    for each, paths in changed:
        if paths:
            await checks.refresh_pull(tx, each)


async def apply_absence(tx: Tx, installation_id: int, repository_id: int) -> None:
    """There is no folder of workflow files, or no longer."""
    here = (installation_id, repository_id)
    for row in await definitions.of_repository(tx, *here):
        await stored_definitions.remove(tx, here, row["name"])
