"""Pull requests, their reviews, and their merge."""

from typing import Any
from urllib.parse import quote

from bot.comments import replies
from bot.github.payloads import at, maybe_flag, maybe_number, text
from bot.github.requests import Request
from bot.outbox.kinds.kind import (
    Kind,
    Result,
    Sending,
    graphql,
    id_result,
    mentions,
    number_result,
    rest,
    single_entry,
)
from bot.repository import repository_settings
from store.engine.transaction import Tx
from store.mirror import pulls
from store.tables.outbox import WriteRow

ALL = "/repos/{repository}/pulls"
ONE = "/repos/{repository}/pulls/{number}"
REVIEWS = f"{ONE}/reviews"
REVIEWERS = f"{ONE}/requested_reviewers"
REPLIES = f"{ONE}/comments/{{comment_id}}/replies"
DRAFT = """\
mutation Draft($id: ID!) {
  convertPullRequestToDraft(input: {pullRequestId: $id}) { pullRequest { id isDraft } }
}"""
READY = """\
mutation Ready($id: ID!) {
  markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { id isDraft } }
}"""


def _pull_body(sending: Sending) -> dict[str, Any]:
    return sending.pick("title", "head", "base", "draft") | {"body": sending.body}


def _look_for_pull(sending: Sending) -> Request:
    head = quote(f"{sending.owner}:{sending.arguments['head']}", safe="")
    base = quote(sending.arguments["base"], safe="")
    return Request("GET", f"{sending.path(ALL)}?state=all&head={head}&base={base}")


def _is_its_pull(sending: Sending, entry: Any) -> bool:
    """Whether this write opened it, or it is open. There can be one open for a head and base."""
    return sending.is_mine(entry) or at(entry, "state") == "open"


def _update_body(sending: Sending) -> dict[str, Any]:
    fields = sending.pick("title", "state", "base")
    return fields | {"body": sending.body} if "body" in sending.arguments else fields


def _pull_read(sending: Sending) -> Request:
    return Request("GET", sending.path(ONE))


async def stored_pull(tx: Tx, write: WriteRow) -> dict[str, Any]:
    here = (write["installation_id"], write["repository_id"], write["arguments"]["number"])
    row = await pulls.pull_request(tx, *here)
    return {"node_id": row["node_id"]} if row and row["node_id"] else {}


def _node_id_read(sending: Sending) -> list[Request]:
    """Reads the pull request, if the mirror does not have its node id."""
    return [] if "node_id" in sending.known else [_pull_read(sending)]


def _draft_request(sending: Sending) -> Request:
    document = DRAFT if sending.arguments["draft"] else READY
    node_id = sending.known.get("node_id") or at(sending.prepared[0], "node_id")
    return graphql(document, lambda _: {"id": node_id})(sending)


def _draft_result(data: Any) -> Result:
    """Whether it is a draft, in the answer to the mutation or as a look found it."""
    for name in ("convertPullRequestToDraft", "markPullRequestReadyForReview"):
        if found := at(data, "data", name, "pullRequest"):
            return {"draft": maybe_flag(at(found, "isDraft"))}
    return {"draft": maybe_flag(at(data, "draft"))}


def _has_its_draft(sending: Sending, entry: Any) -> bool:
    return bool(at(entry, "draft") is sending.arguments["draft"])


def _is_merged(_sending: Sending, entry: Any) -> bool:
    return at(entry, "merged") is True


async def stored_merge_rules(tx: Tx, write: WriteRow) -> dict[str, Any]:
    here = (write["installation_id"], write["repository_id"])
    return {"agents_may": (await repository_settings.of(tx, *here)).agents_may_merge}


def _why_not_allowed(sending: Sending) -> str | None:
    """The repository's settings may have changed since an agent queued the merge."""
    if sending.arguments.get("by_agent") and not sending.known["agents_may"]:
        return ".github/hubbub.yml does not let agents merge any more"
    return None


def _merge_body(sending: Sending) -> dict[str, Any]:
    fields = sending.pick("sha", "merge_method")
    if title := sending.arguments.get("title"):
        fields["commit_title"] = title
    return fields


def _merge_result(data: Any) -> Result:
    """Whether it is merged, in the answer to the merge or as a look found it."""
    return {"merged": True if at(data, "merged") is True else None}


def _is_not_mergeable(status: int, _data: Any) -> bool:
    """GitHub also answers 405 if it is merged already, or while GitHub computes mergeability."""
    return status == 405


def _state_of_pull(data: Any) -> Result:
    return {
        "head": at(data, "head", "sha"),
        "state": at(data, "state"),
        "mergeable_state": at(data, "mergeable_state"),
        "branch": at(data, "head", "ref"),
        "base": at(data, "base", "ref"),
    }


def _review_body(sending: Sending) -> dict[str, Any]:
    author = sending.write["author"]
    comments = [
        each | {"body": replies.with_author(each["body"], author)}
        for each in sending.arguments["comments"]
    ]
    return sending.pick("event", "commit_id") | {"body": sending.body, "comments": comments}


def _look_for_reply(sending: Sending) -> Request:
    query = f"sort=created&direction=desc&since={sending.since()}&per_page=100"
    return Request("GET", f"{sending.path(ONE)}/comments?{query}")


def _reviewers_result(data: Any) -> Result:
    found = at(data, "requested_reviewers")
    logins = [at(each, "login") for each in found] if isinstance(found, list) else []
    found = at(data, "requested_teams")
    teams = [at(each, "slug") for each in found] if isinstance(found, list) else []
    return number_result(data) | {"reviewers": logins, "teams": teams}


KINDS = {
    "pull": Kind(
        "pull_requests: write",
        rest("POST", ALL, _pull_body),
        number_result,
        notifies=True,
        look=_look_for_pull,
        found=_is_its_pull,
        already=mentions("pull request already exists"),
    ),
    "pull_update": Kind(
        "pull_requests: write", rest("PATCH", ONE, _update_body), number_result, overwrites="given"
    ),
    "pull_draft": Kind(
        "pull_requests: write",
        _draft_request,
        _draft_result,
        resource="graphql",
        stored_values=stored_pull,
        prepare=_node_id_read,
        fits_prepared=lambda data: bool(text(at(data, "node_id"))),
        look=_pull_read,
        entries=single_entry,
        found=_has_its_draft,
        already=mentions("draft"),
        overwrites="all",
    ),
    "reviewers": Kind(
        "pull_requests: write",
        rest("POST", REVIEWERS, lambda sending: sending.pick("reviewers", "team_reviewers")),
        _reviewers_result,
        notifies=True,
    ),
    "merge": Kind(
        "contents: write",
        rest("PUT", f"{ONE}/merge", _merge_body),
        _merge_result,
        notifies=True,
        stored_values=stored_merge_rules,
        unless=_why_not_allowed,
        look=_pull_read,
        entries=single_entry,
        found=_is_merged,
        already=_is_not_mergeable,
        explain=_pull_read,
        state_of=_state_of_pull,
    ),
    "review": Kind(
        "pull_requests: write",
        rest("POST", REVIEWS, _review_body),
        id_result,
        notifies=True,
        look=lambda sending: Request("GET", sending.path(REVIEWS) + "?per_page=100"),
    ),
    "review_reply": Kind(
        "pull_requests: write",
        rest("POST", REPLIES, lambda sending: {"body": sending.body}),
        lambda data: {"comment_id": maybe_number(at(data, "id")), "url": at(data, "html_url")},
        notifies=True,
        look=_look_for_reply,
    ),
}
