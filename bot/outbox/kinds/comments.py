"""Comments, reactions, and the card that the bot keeps on a task."""

from typing import Any

from bot.comments import card
from bot.github.payloads import at
from bot.github.requests import Request
from bot.outbox.kinds.kind import Kind, Result, Sending, did, graphql, rest
from store.engine.transaction import Tx
from store.mirror import mirror_rows
from store.tables.outbox import WriteRow
from store.tasks import tasks

CREATE = "/repos/{repository}/issues/{number}/comments"
ONE = "/repos/{repository}/issues/comments/{comment_id}"
MINIMIZE = """\
mutation Minimize($id: ID!, $classifier: ReportedContentClassifiers!) {
  minimizeComment(input: {subjectId: $id, classifier: $classifier}) {
    minimizedComment { isMinimized minimizedReason }
  }
}"""


def commented(data: Any) -> Result:
    return {"comment_id": at(data, "id"), "url": at(data, "html_url")}


def _text(sending: Sending) -> dict[str, Any]:
    return {"body": sending.body}


def look_for_comment(sending: Sending) -> Request:
    path = sending.path(CREATE)
    return Request("GET", f"{path}?since={sending.since()}&per_page=100")


async def know_card(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """The comment that is edited, once there is one, and what it shall say."""
    task_id = write["task_id"]
    task = await tasks.get(tx, write["installation_id"], task_id) if task_id else None
    return (
        {"comment_id": task["card_comment_id"], "text": await card.text(tx, task)} if task else {}
    )


def _card(sending: Sending) -> Request:
    body = {"body": f"{sending.marker}\n{sending.known.get('text', '')}"}
    if sending.known.get("comment_id") is None:
        return Request("POST", sending.path(CREATE), body)
    return Request("PATCH", sending.path(ONE), body)


def _look_for_card(sending: Sending) -> Request | None:
    return look_for_comment(sending) if sending.known.get("comment_id") is None else None


async def know_comment(tx: Tx, write: WriteRow) -> dict[str, Any]:
    here = (tx, write["installation_id"], write["arguments"]["comment_id"])
    row = await mirror_rows.comment(*here)
    return {"node_id": row["node_id"]} if row and row["node_id"] else {}


def _comment_itself(sending: Sending) -> list[Request]:
    """For its node id, where the mirror has none."""
    return [] if "node_id" in sending.known else [Request("GET", sending.path(ONE))]


def _minimized(sending: Sending) -> dict[str, Any]:
    node_id = sending.known.get("node_id") or at(sending.prepared[0], "node_id")
    return {"id": node_id, "classifier": sending.arguments["classifier"]}


def _reaction(sending: Sending) -> Request:
    arguments = sending.arguments
    paths = {
        "issue": "/repos/{repository}/issues/{number}/reactions",
        "comment": f"{ONE}/reactions",
        "review_comment": "/repos/{repository}/pulls/comments/{comment_id}/reactions",
    }
    path = sending.path(paths[arguments["source"]])
    return Request("POST", path, {"content": arguments["content"]})


KINDS = {
    "comment": Kind(
        "issues: write",
        rest("POST", CREATE, _text),
        commented,
        notifies=True,
        look=look_for_comment,
    ),
    "comment_edit": Kind("issues: write", rest("PATCH", ONE, _text), commented),
    "comment_delete": Kind("issues: write", rest("DELETE", ONE), did, done=(204, 404, 410)),
    "comment_minimize": Kind(
        "issues: write",
        graphql(MINIMIZE, _minimized),
        lambda data: {"minimized": at(data, "data", "minimizeComment", "minimizedComment")},
        resource="graphql",
        know=know_comment,
        prepare=_comment_itself,
    ),
    "card": Kind(
        "issues: write",
        # Made once, and then edited: that notifies nobody.
        _card,
        commented,
        know=know_card,
        look=_look_for_card,
        overwrites="all",
    ),
    "reaction": Kind("issues: write", _reaction, lambda data: {"reaction_id": at(data, "id")}),
}
