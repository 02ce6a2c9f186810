"""Reactions of the bot and of agents to issues, comments and reviews."""

from typing import Any

from bot.github.payloads import at, maybe_number, text
from bot.github.requests import Request
from bot.outbox.kinds.kind import Kind, Mutation, Result, Sending, graphql, status_result
from store.engine.transaction import Tx
from store.mirror import stored_issues

COMMENT = "/repos/{repository}/issues/comments/{comment_id}"
# REST has no reactions to reviews.
REVIEW = "/repos/{repository}/pulls/{number}/reviews/{review_id}"
PATHS = {
    "issue": "/repos/{repository}/issues/{number}/reactions",
    "comment": f"{COMMENT}/reactions",
    "review_comment": "/repos/{repository}/pulls/comments/{comment_id}/reactions",
}
REACT = """\
mutation React($id: ID!, $content: ReactionContent!) {
  addReaction(input: {subjectId: $id, content: $content}) { reaction { databaseId } }
}"""
TAKE_BACK = """\
mutation TakeBack($id: ID!, $content: ReactionContent!) {
  removeReaction(input: {subjectId: $id, content: $content}) { subject { id } }
}"""

# Reactions as REST and as GraphQL name them.
REACTIONS = {
    "+1": "THUMBS_UP",
    "-1": "THUMBS_DOWN",
    "laugh": "LAUGH",
    "confused": "CONFUSED",
    "heart": "HEART",
    "hooray": "HOORAY",
    "rocket": "ROCKET",
    "eyes": "EYES",
}


def _reaction_request(sending: Sending) -> Request:
    arguments = sending.arguments
    path = sending.path(PATHS[arguments["source"]])
    return Request("POST", path, {"content": arguments["content"]})


def _removal_request(sending: Sending) -> Request:
    """The write before it made the reaction."""
    path = sending.path(PATHS[sending.arguments["source"]])
    return Request("DELETE", f"{path}/{sending.before['reaction_id']}")


def _review_read(sending: Sending) -> list[Request]:
    return [Request("GET", sending.path(REVIEW))]


def _review_variables(sending: Sending) -> dict[str, Any]:
    return {
        "id": at(sending.prepared[0], "node_id"),
        "content": REACTIONS[sending.arguments["content"]],
    }


def _reaction_result(data: Any) -> Result:
    return {"reaction_id": maybe_number(at(data, "reaction", "databaseId"))}


def _removal_result(data: Any) -> Result:
    """GitHub answers the same whether or not the reaction was still there."""
    return {"done": True if text(at(data, "subject", "id")) else None}


async def _react(tx: Tx, sending: Sending) -> Mutation | None:
    subject = await _reaction_subject(tx, sending)
    if not subject:
        return None
    return Mutation(
        "addReaction",
        {"subjectId": subject, "content": REACTIONS[sending.arguments["content"]]},
        "reaction { databaseId }",
        _reaction_result,
    )


async def _take_back(tx: Tx, sending: Sending) -> Mutation | None:
    subject = await _reaction_subject(tx, sending)
    if not subject or "reaction_id" not in sending.before:
        return None
    return Mutation(
        "removeReaction",
        {"subjectId": subject, "content": REACTIONS[sending.arguments["content"]]},
        "subject { id }",
        _removal_result,
    )


async def _reaction_subject(tx: Tx, sending: Sending) -> str | None:
    """The node id of the comment or issue, if the mirror has it."""
    write, arguments = sending.write, sending.arguments
    if arguments["source"] == "comment":
        comment = await stored_issues.comment(tx, write["installation_id"], arguments["comment_id"])
        return comment and comment["node_id"]
    if arguments["source"] != "issue":
        return None
    here = (write["installation_id"], write["repository_id"], arguments["number"])
    issue = await stored_issues.issue(tx, *here)
    return issue["node_id"] if issue and not issue["is_pull_request"] else None


KINDS = {
    "reaction": Kind(
        "issues: write",
        _reaction_request,
        lambda data: {"reaction_id": maybe_number(at(data, "id"))},
        mutation=_react,
    ),
    "reaction_removal": Kind(
        "issues: write",
        _removal_request,
        status_result,
        mutation=_take_back,
        done=(204, 404),
    ),
    "review_reaction": Kind(
        "pull_requests: write",
        graphql(REACT, _review_variables),
        lambda data: _reaction_result(at(data, "data", "addReaction")),
        resource="graphql",
        prepare=_review_read,
        fits_prepared=lambda data: bool(text(at(data, "node_id"))),
    ),
    "review_reaction_removal": Kind(
        "pull_requests: write",
        graphql(TAKE_BACK, _review_variables),
        lambda data: _removal_result(at(data, "data", "removeReaction")),
        resource="graphql",
        prepare=_review_read,
        fits_prepared=lambda data: bool(text(at(data, "node_id"))),
    ),
}
