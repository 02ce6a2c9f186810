"""Comments, replies to commands, and the card: the status comment that Hubbub keeps on a task."""

from typing import Any

from bot.comments import card
from bot.github import rate_limit_store
from bot.github.payloads import at, maybe_number, text
from bot.github.requests import Request
from bot.outbox.kinds.kind import (
    Kind,
    Mutation,
    Result,
    Sending,
    big_number,
    graphql,
    rest,
    status_result,
)
from bot.tasks import publishing
from store.engine.transaction import Tx
from store.mirror import mirror_rows, stored_issues
from store.outbox import queued_replies, write_history
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


def comment_result(data: Any) -> Result:
    return {"comment_id": maybe_number(at(data, "id")), "url": at(data, "html_url")}


def _body(sending: Sending) -> dict[str, Any]:
    return {"body": sending.body}


def look_for_comment(sending: Sending) -> Request:
    path = sending.path(CREATE)
    return Request("GET", f"{path}?since={sending.since()}&per_page=100")


async def stored_card(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """The card's comment, if the task has one that nobody deleted, and the card's text now."""
    i, task_id = write["installation_id"], write["task_id"]
    task = await tasks.get(tx, i, task_id) if task_id else None
    if task is None:
        return {}
    comment_id = task["card_comment_id"]
    if await mirror_rows.is_deleted(tx, "comments", i, comment_id):
        comment_id = None
    shown = await card.digest(tx, task)
    return {"comment_id": comment_id, "text": await card.text(tx, task), "shown": shown}


async def is_shown_already(tx: Tx, write: WriteRow) -> bool:
    """Whether an edit of a card has nothing new that people act on, nor a note that is due."""
    here = (tx, write["installation_id"])
    task = await tasks.get(*here, write["task_id"]) if write["task_id"] else None
    last = next(iter(await write_history.results(*here, write["target"], 1)), None)
    if task is None or last is None or last["result"] is None or write["state"] != "queued":
        return False
    comment_id = task["card_comment_id"]
    if comment_id is None or await mirror_rows.is_deleted(tx, "comments", here[1], comment_id):
        return False
    if publishing.is_redraw(write):
        return False
    if last["result"].get("shown") != await card.digest(tx, task):
        return False
    return "every" not in write["arguments"] or await rate_limit_store.is_short(*here)


def _card_body(sending: Sending) -> str:
    return f"{sending.marker}\n{sending.known.get('text', '')}"


def _card_request(sending: Sending) -> Request:
    body = {"body": _card_body(sending)}
    if sending.known.get("comment_id") is None:
        return Request("POST", sending.path(CREATE), body)
    return Request("PATCH", sending.path(ONE), body)


def _look_for_card(sending: Sending) -> Request | None:
    return look_for_comment(sending) if sending.known.get("comment_id") is None else None


async def stored_reply(tx: Tx, write: WriteRow) -> dict[str, Any]:
    """The comment of the reply so far, unless somebody deleted it."""
    found = None if write["arguments"].get("new") else await queued_replies.comment_of(tx, write)
    here = (tx, "comments", write["installation_id"])
    if found is not None and await mirror_rows.is_deleted(*here, found):
        found = None
    return {"comment_id": found}


def _reply_request(sending: Sending) -> Request:
    body = {"body": sending.body}
    if sending.known.get("comment_id") is None:
        return Request("POST", sending.path(CREATE), body)
    return Request("PATCH", sending.path(ONE), body)


async def stored_comment(tx: Tx, write: WriteRow) -> dict[str, Any]:
    here = (tx, write["installation_id"], write["arguments"]["comment_id"])
    row = await stored_issues.comment(*here)
    return {"node_id": row["node_id"]} if row and row["node_id"] else {}


def _comment_read(sending: Sending) -> list[Request]:
    """Reads the comment, if the mirror does not have its node id."""
    return [] if "node_id" in sending.known else [Request("GET", sending.path(ONE))]


def _minimize_variables(sending: Sending) -> dict[str, Any]:
    node_id = sending.known.get("node_id") or at(sending.prepared[0], "node_id")
    return {"id": node_id, "classifier": sending.arguments["classifier"]}


def _minimize_result(data: Any) -> Result:
    return _minimize_answer(at(data, "data", "minimizeComment", "minimizedComment"))


async def _add_comment(tx: Tx, sending: Sending) -> Mutation | None:
    """For an issue. The mirror's node id of a pull request's issue may be that of either."""
    return await _new_comment(tx, sending, sending.body)


async def _new_comment(tx: Tx, sending: Sending, body: str) -> Mutation | None:
    write = sending.write
    here = (tx, write["installation_id"], write["repository_id"], sending.arguments["number"])
    issue = await stored_issues.issue(*here)
    # The answer to the first text shows the id of our bot user. Only REST's has it.
    if issue is None or issue["is_pull_request"] or not issue["node_id"] or sending.bot is None:
        return None
    return Mutation(
        "addComment",
        {"subjectId": issue["node_id"], "body": body},
        "commentEdge { node { fullDatabaseId url } }",
        lambda data: _comment_in(at(data, "commentEdge", "node")),
    )


def _comment_in(data: Any) -> Result:
    return {"comment_id": big_number(at(data, "fullDatabaseId")), "url": at(data, "url")}


async def _show_card(tx: Tx, sending: Sending) -> Mutation | None:
    return await _post_or_edit(tx, sending, _card_body(sending))


async def _show_reply(tx: Tx, sending: Sending) -> Mutation | None:
    return await _post_or_edit(tx, sending, sending.body)


async def _post_or_edit(tx: Tx, sending: Sending, body: str) -> Mutation | None:
    comment_id = sending.known.get("comment_id")
    if comment_id is None:
        return await _new_comment(tx, sending, body)
    stored = await stored_issues.comment(tx, sending.write["installation_id"], comment_id)
    if stored is None or not stored["node_id"]:
        return None
    return Mutation(
        "updateIssueComment",
        {"id": stored["node_id"], "body": body},
        "issueComment { fullDatabaseId url }",
        lambda data: _comment_in(at(data, "issueComment")),
    )


async def _minimize(_tx: Tx, sending: Sending) -> Mutation | None:
    if "node_id" not in sending.known:
        return None
    variables = {
        "subjectId": sending.known["node_id"],
        "classifier": sending.arguments["classifier"],
    }
    return Mutation(
        "minimizeComment",
        variables,
        "minimizedComment { isMinimized minimizedReason }",
        lambda data: _minimize_answer(at(data, "minimizedComment")),
    )


def _minimize_answer(found: Any) -> Result:
    return {"minimized": found if at(found, "isMinimized") is True else None}


KINDS = {
    "comment": Kind(
        "issues: write",
        rest("POST", CREATE, _body),
        comment_result,
        notifies=True,
        mutation=_add_comment,
        look=look_for_comment,
    ),
    # One reply to each text with commands. It is posted once, and edited from then on.
    "reply": Kind(
        "issues: write",
        _reply_request,
        comment_result,
        notifies=True,
        stored_values=stored_reply,
        mutation=_show_reply,
        look=_look_for_card,
    ),
    "comment_edit": Kind("issues: write", rest("PATCH", ONE, _body), comment_result),
    "comment_delete": Kind(
        "issues: write", rest("DELETE", ONE), status_result, done=(204, 404, 410)
    ),
    "comment_minimize": Kind(
        "issues: write",
        graphql(MINIMIZE, _minimize_variables),
        _minimize_result,
        resource="graphql",
        stored_values=stored_comment,
        prepare=_comment_read,
        fits_prepared=lambda data: bool(text(at(data, "node_id"))),
        mutation=_minimize,
    ),
    "card": Kind(
        "issues: write",
        # Hubbub posts the card once and edits it from then on, because an edit notifies nobody.
        _card_request,
        comment_result,
        stored_values=stored_card,
        keeps=lambda sending: {"shown": sending.known.get("shown")},
        changes_nothing=is_shown_already,
        mutation=_show_card,
        look=_look_for_card,
        overwrites="all",
    ),
}
