"""Branches and commits."""

from base64 import b64encode
from dataclasses import replace
from typing import Any

from bot.github.payloads import at, text
from bot.github.requests import Request
from bot.outbox.kinds.kind import Kind, Result, Sending, graphql, itself, says, within
from store.engine.transaction import Tx
from store.mirror import branches
from store.tables.outbox import WriteRow

REFS = "/repos/{repository}/git/refs"
# A branch's slashes stay as they are, in GitHub's paths of refs.
REF = "/repos/{repository}/git/ref/heads/"
BRANCH = "/repos/{repository}/branches/"
COMPARE = "/repos/{repository}/compare/"
COMMIT = """\
mutation Commit($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid url } ref { name } }
}"""
# In the message of a commit: what tells it from another's.
TRAILER = "Hubbub-Write"


def _head(sending: Sending, branch: str) -> Request:
    return Request("GET", sending.path(REF) + _quoted(branch))


def _quoted(branch: str) -> str:
    return branch.replace("%", "%25").replace("#", "%23").replace("?", "%3F")


async def know_base(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """Where the base is, as far as the mirror knows."""
    here = (write["installation_id"], write["repository_id"], write["arguments"]["base"])
    row = await branches.get(tx, *here)
    return {"sha": row["sha"]} if row else {}


def _the_base(sending: Sending) -> list[Request]:
    return [] if "sha" in sending.known else [_head(sending, sending.arguments["base"])]


def _the_branch(sending: Sending) -> Request:
    return _head(sending, sending.arguments["branch"])


def _new_ref(sending: Sending) -> Request:
    ref = f"refs/heads/{sending.arguments['branch']}"
    sha = sending.known.get("sha") or at(sending.prepared[0], "object", "sha")
    return Request("POST", sending.path(REFS), {"ref": ref, "sha": sha})


def _ref_result(data: Any) -> Result:
    return {"head": at(data, "object", "sha"), "ref": at(data, "ref")}


def expected_head(sending: Sending) -> str:
    """The head that the commit builds on: the one given, or that of the branch just made."""
    return text(sending.arguments.get("head") or sending.before.get("head"))


def _commit(sending: Sending) -> dict[str, Any]:
    arguments = sending.arguments
    headline, _, rest_of_it = arguments["message"].partition("\n")
    trailers = f"{TRAILER}: {sending.write['id']}\nHubbub-Agent: {sending.write['author']}"
    body = f"{rest_of_it.strip()}\n\n{trailers}".strip()
    files = [_added(each) for each in arguments["files"]]
    return {
        "input": {
            "branch": {
                "repositoryNameWithOwner": sending.repository,
                "branchName": arguments["branch"],
            },
            "message": {"headline": headline, "body": body},
            "expectedHeadOid": expected_head(sending),
            "fileChanges": {
                "additions": files,
                "deletions": [{"path": path} for path in arguments["delete"]],
            },
        }
    }


def _added(file: dict[str, str]) -> dict[str, str]:
    content = file["content"]
    encoded = content if file.get("base64") else b64encode(content.encode()).decode()
    return {"path": file["path"], "contents": encoded}


def _committed(data: Any) -> Result:
    """Of the mutation, or of the commit as a look found it."""
    commit = at(data, "data", "createCommitOnBranch", "commit")
    if commit is not None:
        return {"head": at(commit, "oid"), "url": at(commit, "url")}
    return {"head": at(data, "sha"), "url": at(data, "html_url")}


def _look_for_commit(sending: Sending) -> Request:
    """What the branch has beyond the head that the commit was to build on."""
    span = f"{expected_head(sending)}...{_quoted(sending.arguments['branch'])}"
    return Request("GET", sending.path(COMPARE) + span)


def _beyond_the_base(sending: Sending) -> list[Request]:
    span = f"{_quoted(sending.arguments['base'])}...{_quoted(sending.arguments['branch'])}"
    return [Request("GET", sending.path(COMPARE) + span)]


def _has_commits(sending: Sending) -> Result | None:
    return sending.before if at(sending.prepared[0], "commits") else None


def _has_its_trailer(sending: Sending, entry: Any) -> bool:
    return f"{TRAILER}: {sending.write['id']}" in text(at(entry, "commit", "message")).splitlines()


# GitHub compares the head itself, so that a commit goes on what its author saw or nowhere.
_COMMIT = Kind(
    "contents: write",
    graphql(COMMIT, _commit),
    _committed,
    resource="graphql",
    look=_look_for_commit,
    absent=(404,),
    entries=within("commits"),
    found=_has_its_trailer,
    # Also the answer to a commit of ours that took effect before.
    already=says("expected branch to point to"),
    retries=0,
    explain=_the_branch,
    state_of=lambda data: {"head": at(data, "object", "sha")},
)
KINDS = {
    "branch": Kind(
        "contents: write",
        _new_ref,
        _ref_result,
        know=know_base,
        prepare=_the_base,
        look=_the_branch,
        entries=itself,
        absent=(404,),
        # Whoever made it: a branch is opened where it is missing.
        found=lambda _, __: True,
        already=says("reference already exists"),
    ),
    "commit": _COMMIT,
    # An empty one on a branch that has none beyond its base: GitHub opens no PR without.
    "first_commit": replace(_COMMIT, prepare=_beyond_the_base, needless=_has_commits),
}
