"""Branches and commits."""

from base64 import b64encode
from typing import Any

from bot.github.payloads import at, text
from bot.github.requests import Request
from bot.outbox.kinds.kind import (
    Kind,
    Result,
    Sending,
    entries_under,
    graphql,
    list_entries,
    mentions,
    single_entry,
)
from store.engine.transaction import Tx
from store.mirror import branches, stored_repositories
from store.tables.outbox import WriteRow

REFS = "/repos/{repository}/git/refs"
# In these paths GitHub takes the slashes of a branch's name unquoted.
REF = "/repos/{repository}/git/ref/heads/"
MATCHING = "/repos/{repository}/git/matching-refs/heads/"
# How many branches an error lists.
MOST_BRANCHES = 10
# How many paths of a commit are kept.
MOST_PATHS = 50
BRANCH = "/repos/{repository}/branches/"
COMPARE = "/repos/{repository}/compare/"
COMMIT = """\
mutation Commit($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid url } ref { name } }
}"""
# A trailer in the commit's message, by which a look finds the commit of a write.
TRAILER = "Hubbub-Write"


def _head(sending: Sending, branch: str) -> Request:
    return Request("GET", sending.path(REF) + _path_name(branch))


def _path_name(branch: str) -> str:
    return branch.replace("%", "%25").replace("#", "%23").replace("?", "%3F")


async def stored_base(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """The commit of the base branch, if the mirror has it."""
    here = (write["installation_id"], write["repository_id"], write["arguments"]["base"])
    row = await branches.get(tx, *here)
    return {"sha": row["sha"]} if row else {}


def _base_read(sending: Sending) -> list[Request]:
    return (
        []
        if "sha" in sending.arguments or "sha" in sending.known
        else [_head(sending, sending.arguments["base"])]
    )


def _branch_read(sending: Sending) -> Request:
    return _head(sending, sending.arguments["branch"])


def _similar_branches_read(sending: Sending) -> Request:
    """Lists the branches whose names begin as this one does. One of them may be in its way."""
    first = sending.arguments["branch"].partition("/")[0]
    return Request("GET", sending.path(MATCHING) + _path_name(first))


def _similar_branches(data: Any) -> Result:
    refs = [text(at(each, "ref")).removeprefix("refs/heads/") for each in list_entries(data) or []]
    return {"branches": [each for each in refs if each][:MOST_BRANCHES]}


def _ref_request(sending: Sending) -> Request:
    ref = f"refs/heads/{sending.arguments['branch']}"
    given = sending.arguments.get("sha") or sending.known.get("sha")
    sha = given or at(sending.prepared[0], "object", "sha")
    return Request("POST", sending.path(REFS), {"ref": ref, "sha": sha})


def _ref_result(data: Any) -> Result:
    return {"head": _sha(at(data, "object", "sha")), "ref": at(data, "ref")}


def _sha(value: Any) -> str | None:
    return text(value) or None


def expected_head(sending: Sending) -> str:
    """The commit that this one builds on: the `head` given, or that of the branch just created."""
    return text(sending.arguments.get("head") or sending.before.get("head"))


def _commit_variables(sending: Sending) -> dict[str, Any]:
    arguments = sending.arguments
    # Git takes the first line that is not empty for the headline.
    headline, _, rest_of_it = arguments["message"].strip().partition("\n")
    trailers = f"{TRAILER}: {sending.write['id']}\nHubbub-Agent: {sending.write['author']}"
    body = f"{rest_of_it.strip()}\n\n{trailers}".strip()
    files = [_file_addition(each) for each in arguments["files"]]
    return {
        "input": {
            "branch": {
                "repositoryNameWithOwner": sending.repository,
                "branchName": arguments["branch"],
            },
            "message": {"headline": headline.strip(), "body": body},
            "expectedHeadOid": expected_head(sending),
            "fileChanges": {
                "additions": files,
                "deletions": [{"path": path} for path in arguments["delete"]],
            },
        }
    }


def _file_addition(file: dict[str, str]) -> dict[str, str]:
    content = file["content"]
    encoded = content if file.get("base64") else b64encode(content.encode()).decode()
    return {"path": file["path"], "contents": encoded}


def _commit_result(data: Any) -> Result:
    """The commit, in the answer to the mutation or as a look found it."""
    commit = at(data, "data", "createCommitOnBranch", "commit")
    if commit is not None:
        return {"head": _sha(at(commit, "oid")), "url": at(commit, "url")}
    return {"head": _sha(at(data, "sha")), "url": at(data, "html_url")}


def _changed_paths(sending: Sending) -> Result:
    """For the hand-off to the next holder. The files themselves may be deleted by then."""
    arguments = sending.arguments
    paths = [each["path"] for each in arguments["files"]] + arguments["delete"]
    return {"paths": paths[:MOST_PATHS], "deleted": arguments["delete"][:MOST_PATHS]}


def _look_for_commit(sending: Sending) -> Request:
    """Lists the branch's commits after the one that this commit was meant to build on."""
    span = f"{expected_head(sending)}...{_path_name(sending.arguments['branch'])}"
    return Request("GET", sending.path(COMPARE) + span)


async def stored_default_branch(tx: Tx, write: WriteRow) -> dict[str, Any]:
    where = await stored_repositories.repository_by_id(
        tx, write["installation_id"], write["repository_id"]
    )
    return {"default_branch": where["default_branch"]} if where else {}


def _default_branch_error(sending: Sending) -> str | None:
    """The default branch may have changed since the commit was queued."""
    branch = sending.arguments["branch"]
    is_default = branch == sending.known.get("default_branch")
    return f"{branch} is the default branch now" if is_default else None


def _has_its_trailer(sending: Sending, entry: Any) -> bool:
    return f"{TRAILER}: {sending.write['id']}" in text(at(entry, "commit", "message")).splitlines()


KINDS = {
    "branch": Kind(
        "contents: write",
        _ref_request,
        _ref_result,
        stored_values=stored_base,
        prepare=_base_read,
        fits_prepared=lambda data: _sha(at(data, "object", "sha")) is not None,
        # A branch that a look finds may have been there before, with commits of others.
        keeps=lambda _: {"new": True},
        look=_branch_read,
        entries=single_entry,
        absent=True,
        # Any branch of that name will do, because the write only has to make sure that one exists.
        found=lambda _, __: True,
        already=mentions("reference already exists"),
        absent_remedy="The base branch may not exist. Pass another `base`.",
        explain=_similar_branches_read,
        needs_explaining=mentions("reference update failed"),
        state_of=_similar_branches,
    ),
    # GitHub compares `expectedHeadOid` itself, so a commit lands on the head that its author saw,
    # or GitHub refuses it.
    "commit": Kind(
        "contents: write",
        graphql(COMMIT, _commit_variables),
        _commit_result,
        keeps=_changed_paths,
        resource="graphql",
        stored_values=stored_default_branch,
        unless=_default_branch_error,
        look=_look_for_commit,
        absent=True,
        entries=entries_under("commits"),
        found=_has_its_trailer,
        # GitHub answers so too when this same commit has taken effect already.
        already=mentions("expected branch to point to"),
        retries=0,
        explain=_branch_read,
        state_of=lambda data: {"head": at(data, "object", "sha")},
    ),
}
