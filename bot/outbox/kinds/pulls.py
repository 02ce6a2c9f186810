"""Pull requests, their reviews, and their merge."""

from typing import Any
from urllib.parse import quote

from bot.comments import replies
from bot.github.payloads import at
from bot.github.requests import Request
from bot.outbox.kinds.kind import (
    Kind,
    Result,
    Sending,
    graphql,
    itself,
    made,
    numbered,
    rest,
    says,
)
from bot.repository import repository_settings
from store.engine.transaction import Tx
from store.mirror import mirror_rows
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


def _pull(sending: Sending) -> dict[str, Any]:
    return sending.pick("title", "head", "base", "draft") | {"body": sending.body}


def _look_for_pull(sending: Sending) -> Request:
    head = quote(f"{sending.owner}:{sending.arguments['head']}", safe="")
    base = quote(sending.arguments["base"], safe="")
    return Request("GET", f"{sending.path(ALL)}?state=all&head={head}&base={base}")


def _is_its_pull(sending: Sending, entry: Any) -> bool:
    """Ours; or the one that is open for the head and base, whoever opened it: there can be one."""
    return sending.is_mine(entry) or at(entry, "state") == "open"


def _update(sending: Sending) -> dict[str, Any]:
    fields = sending.pick("title", "state", "base")
    return fields | {"body": sending.body} if "body" in sending.arguments else fields


def _the_pull(sending: Sending) -> Request:
    return Request("GET", sending.path(ONE))


async def know_pull(tx: Tx, write: WriteRow) -> dict[str, Any]:
    here = (write["installation_id"], write["repository_id"], write["arguments"]["number"])
    row = await mirror_rows.pull_request(tx, *here)
    return {"node_id": row["node_id"]} if row and row["node_id"] else {}


def _pull_itself(sending: Sending) -> list[Request]:
    """For its node id, where the mirror has none."""
    return [] if "node_id" in sending.known else [_the_pull(sending)]


def _turned(sending: Sending) -> Request:
    document = DRAFT if sending.arguments["draft"] else READY
    node_id = sending.known.get("node_id") or at(sending.prepared[0], "node_id")
    return graphql(document, lambda _: {"id": node_id})(sending)


def _draft_result(data: Any) -> Result:
    """Of the mutation, or of the pull request as a look found it."""
    for name in ("convertPullRequestToDraft", "markPullRequestReadyForReview"):
        if found := at(data, "data", name, "pullRequest"):
            return {"draft": at(found, "isDraft")}
    return {"draft": at(data, "draft")}


def _has_its_draft(sending: Sending, entry: Any) -> bool:
    return bool(at(entry, "draft") is sending.arguments["draft"])


def _is_merged(_sending: Sending, entry: Any) -> bool:
    return at(entry, "merged") is True


async def know_whether_agents_merge(tx: Tx, write: WriteRow) -> dict[str, Any]:
    here = (write["installation_id"], write["repository_id"])
    return {"agents_may": (await repository_settings.of(tx, *here)).agents_may_merge}


def _not_allowed(sending: Sending) -> str | None:
    """Somebody may have decided otherwise since it was asked for."""
    if sending.arguments.get("by_agent") and not sending.known["agents_may"]:
        return "agents may not merge here any more: .github/hubbub.yml says so"
    return None


def _merge(sending: Sending) -> dict[str, Any]:
    fields = sending.pick("sha", "merge_method")
    if title := sending.arguments.get("title"):
        fields["commit_title"] = title
    return fields


def _merged(data: Any) -> Result:
    """Of the merge, or of the pull request as a look found it."""
    return {"merged": at(data, "merged")}


def _not_mergeable(status: int, _data: Any) -> bool:
    """So GitHub says also when it is merged, and while it still works that out."""
    return status == 405


def _review(sending: Sending) -> dict[str, Any]:
    author = sending.write["author"]
    comments = [
        each | {"body": replies.with_author(each["body"], author)}
        for each in sending.arguments["comments"]
    ]
    return sending.pick("event", "commit_id") | {"body": sending.body, "comments": comments}


def _look_for_reply(sending: Sending) -> Request:
    query = f"sort=created&direction=desc&since={sending.since()}&per_page=100"
    return Request("GET", f"{sending.path(ONE)}/comments?{query}")


def _asked(data: Any) -> Result:
    found = at(data, "requested_reviewers")
    logins = [at(each, "login") for each in found] if isinstance(found, list) else []
    return numbered(data) | {"reviewers": logins}


KINDS = {
    "pull": Kind(
        "pull_requests: write",
        rest("POST", ALL, _pull),
        numbered,
        notifies=True,
        look=_look_for_pull,
        found=_is_its_pull,
        already=says("pull request already exists"),
    ),
    "pull_update": Kind(
        "pull_requests: write", rest("PATCH", ONE, _update), numbered, overwrites="given"
    ),
    "pull_draft": Kind(
        "pull_requests: write",
        _turned,
        _draft_result,
        resource="graphql",
        know=know_pull,
        prepare=_pull_itself,
        look=_the_pull,
        entries=itself,
        found=_has_its_draft,
        already=says("draft"),
        overwrites="all",
    ),
    "reviewers": Kind(
        "pull_requests: write",
        rest("POST", REVIEWERS, lambda sending: sending.pick("reviewers", "team_reviewers")),
        _asked,
        notifies=True,
    ),
    "merge": Kind(
        "contents: write",
        rest("PUT", f"{ONE}/merge", _merge),
        _merged,
        notifies=True,
        know=know_whether_agents_merge,
        unless=_not_allowed,
        look=_the_pull,
        entries=itself,
        found=_is_merged,
        already=_not_mergeable,
        explain=_the_pull,
        state_of=lambda data: {"head": at(data, "head", "sha"), "state": at(data, "state")},
    ),
    "review": Kind(
        "pull_requests: write",
        rest("POST", REVIEWS, _review),
        made,
        notifies=True,
        look=lambda sending: Request("GET", sending.path(REVIEWS) + "?per_page=100"),
    ),
    "review_reply": Kind(
        "pull_requests: write",
        rest("POST", REPLIES, lambda sending: {"body": sending.body}),
        lambda data: {"comment_id": at(data, "id"), "url": at(data, "html_url")},
        notifies=True,
        look=_look_for_reply,
    ),
}
