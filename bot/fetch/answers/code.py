"""Keep answers about code: commits, folders, files and diffs."""

from base64 import b64decode

from bot.fetch.answers.answer import Reading
from bot.github import git_objects, payloads
from bot.github.payloads import Json, Malformed, at
from bot.identity.keyring import Keys
from bot.mirror import code, reads
from bot.mirror.code import Diff, FileDiff
from store.engine.transaction import Tx

# Folders of one list that are kept at once. The others are read when somebody opens them.
MOST_FOLDERS = 2000
# GitHub lists at most so many files of a comparison.
MOST_FILES = 300


async def apply_commit(tx: Tx, _: Keys, r: Reading) -> None:
    sha = payloads.name(at(r.data, "sha"), "the commit", 64)
    tree = payloads.name(at(r.data, "commit", "tree", "sha"), "the commit's tree", 64)
    await code.put_commit(tx, r.here, sha, tree)
    if r.arguments["name"] != sha:
        await code.put_name(tx, r.here, r.arguments["name"], sha)


async def apply_tree(tx: Tx, _: Keys, r: Reading) -> None:
    """Keep the folders. Of a list that GitHub cut short, ask again for the first folder alone."""
    sha, commit, flat = r.arguments["sha"], r.arguments.get("head"), r.arguments["flat"]
    if not isinstance(at(r.data, "tree"), list):
        raise Malformed("the folder must be a list")
    found = git_objects.listing(r.data, MOST_FOLDERS, None if commit else sha, flat=flat)
    await code.put_folders(tx, r.here, found.folders)
    if found.root is None:
        again = reads.tree(r.here[1], sha, of_commit=commit is not None, flat=True)
        await reads.queue(tx, r.installation_id, again)
    elif commit:
        await code.put_commit(tx, r.here, commit, found.root)


async def apply_blob(tx: Tx, _: Keys, r: Reading) -> None:
    await code.put_blobs(tx, r.here, [blob_content(r)])


def blob_content(r: Reading) -> bytes:
    """The content of the file. Raise Malformed if it has not the SHA that was asked for."""
    try:
        content = b64decode(payloads.text(at(r.data, "content")))
    except ValueError as exc:  # of which binascii.Error is one
        raise Malformed("the file's content must be base64") from exc
    if git_objects.blob_sha(content) != r.arguments["sha"]:
        raise Malformed("the file's content must have the SHA that was asked for")
    return content


async def apply_comparison(tx: Tx, _: Keys, r: Reading) -> None:
    listed = at(r.data, "files")
    files = [file_diff(each) for each in listed] if isinstance(listed, list) else []
    found: Diff = {
        "files": files,
        "whole": len(files) < MOST_FILES,
        "merge_base": payloads.text(at(r.data, "merge_base_commit", "sha"), 64) or None,
    }
    key = code.comparison_key(r.arguments["base"], r.arguments["head"])
    await code.put_diff(tx, r.here, key, found)


def file_diff(value: Json) -> FileDiff:
    return {
        "path": payloads.text(at(value, "filename"), 1024),
        "previous": payloads.text(at(value, "previous_filename"), 1024) or None,
        "status": payloads.text(at(value, "status"), 20),
        "additions": payloads.maybe_number(at(value, "additions")) or 0,
        "deletions": payloads.maybe_number(at(value, "deletions")) or 0,
        "patch": payloads.text(at(value, "patch")) or None,
    }
