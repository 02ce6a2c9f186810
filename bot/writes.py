"""Every kind of write: what to send, what to keep of the answer, how to find it again.

A kind without `look` may be sent twice without harm. One with it is looked for, after an unknown
outcome, before it is sent again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bot import markers, replies
from bot.actor import BOT
from bot.keys import Keys
from bot.payloads import at, text
from bot.times import SECOND, stamp
from store.transaction import Row

# How far before the send a look begins: clocks differ.
MARGIN = 60 * SECOND


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Any = None


@dataclass(frozen=True)
class Sending:
    """A write with what it takes to send it. `card_comment_id` and `bound`: of its task."""

    write: Row
    repository: str
    keys: Keys
    card_comment_id: int | None = None
    # Its issue, when a webhook has brought it already.
    bound: dict[str, Any] | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = self.write["arguments"]
        return found

    @property
    def marker(self) -> str:
        return markers.write(self.keys, "write", self.write["id"])

    def path(self, tail: str) -> str:
        return f"/repos/{self.repository}{tail}"

    def since(self) -> str:
        began = self.write["sending_at"] or self.write["queued_at"]
        return stamp(began - MARGIN)[:19] + "Z"

    def is_mine(self, value: Any) -> bool:
        """Whether a comment, issue or PR has this write's mark, and a bot for its author."""
        mine = markers.Marker("write", self.write["id"])
        author = text(at(value, "user", "login"))
        return mine in markers.find(self.keys, text(at(value, "body")), author)


@dataclass(frozen=True)
class Kind:
    """`permission`: what the App must have been granted, as in app.yml."""

    permission: str
    request: Callable[[Sending], Request]
    result: Callable[[Any], dict[str, Any]]
    # What to list; the first that `found` accepts is the earlier effect.
    look: Callable[[Sending], Request | None] = lambda _: None
    found: Callable[[Sending, Any], bool] = Sending.is_mine
    # GitHub's word that the effect is there already: look, and take it over.
    already: Callable[[Any], bool] = lambda _: False


def _body(sending: Sending) -> str:
    author = sending.write["author"]
    body = sending.arguments["body"]
    if author != BOT:
        body = replies.signed(body, author)
    return f"{body}\n\n{sending.marker}"


def _comment(sending: Sending) -> Request:
    number = sending.arguments["number"]
    path = sending.path(f"/issues/{number}/comments")
    return Request("POST", path, {"body": _body(sending)})


def _look_for_comment(sending: Sending) -> Request:
    number, since = sending.arguments["number"], sending.since()
    return Request("GET", sending.path(f"/issues/{number}/comments?since={since}&per_page=100"))


def _card(sending: Sending) -> Request:
    if sending.card_comment_id is None:
        return _comment(sending)
    path = sending.path(f"/issues/comments/{sending.card_comment_id}")
    return Request("PATCH", path, {"body": _body(sending)})


def _look_for_card(sending: Sending) -> Request | None:
    return _look_for_comment(sending) if sending.card_comment_id is None else None


def _issue(sending: Sending) -> Request:
    arguments = sending.arguments
    body = _body(sending)
    if task_id := arguments.get("task_id"):
        body += "\n" + markers.write(sending.keys, "task", task_id)
    new = {"title": arguments["title"], "body": body, "labels": arguments["labels"]}
    return Request("POST", sending.path("/issues"), new)


def _look_for_issue(sending: Sending) -> Request:
    query = f"state=all&sort=created&direction=desc&since={sending.since()}&per_page=100"
    return Request("GET", sending.path(f"/issues?{query}"))


def _issue_state(sending: Sending) -> Request:
    arguments = sending.arguments
    new = {"state": arguments["state"], "state_reason": arguments["state_reason"]}
    return Request("PATCH", sending.path(f"/issues/{arguments['number']}"), new)


def _pull(sending: Sending) -> Request:
    arguments = sending.arguments
    new = {name: arguments[name] for name in ("title", "head", "base", "draft")}
    return Request("POST", sending.path("/pulls"), new | {"body": _body(sending)})


def _look_for_pull(sending: Sending) -> Request:
    owner = sending.repository.split("/", maxsplit=1)[0]
    head = quote(f"{owner}:{sending.arguments['head']}", safe="")
    base = quote(sending.arguments["base"], safe="")
    return Request("GET", sending.path(f"/pulls?state=open&head={head}&base={base}"))


def _pull_exists(data: Any) -> bool:
    errors = at(data, "errors")
    messages = [text(at(each, "message")) for each in errors] if isinstance(errors, list) else []
    return any("pull request already exists" in each for each in messages)


def _reaction(sending: Sending) -> Request:
    arguments = sending.arguments
    where = "pulls" if arguments["source"] == "review_comment" else "issues"
    path = sending.path(f"/{where}/comments/{arguments['comment_id']}/reactions")
    return Request("POST", path, {"content": arguments["content"]})


def _comment_result(data: Any) -> dict[str, Any]:
    return {"comment_id": at(data, "id"), "url": at(data, "html_url")}


def _numbered_result(data: Any) -> dict[str, Any]:
    return {"id": at(data, "id"), "number": at(data, "number"), "url": at(data, "html_url")}


KINDS: dict[str, Kind] = {
    "comment": Kind("issues: write", _comment, _comment_result, _look_for_comment),
    "card": Kind("issues: write", _card, _comment_result, _look_for_card),
    "issue": Kind("issues: write", _issue, _numbered_result, _look_for_issue),
    "issue_state": Kind("issues: write", _issue_state, _numbered_result),
    "pull": Kind(
        "pull_requests: write",
        _pull,
        _numbered_result,
        _look_for_pull,
        # One PR can be open for a head and base: that one is it, whoever opened it.
        found=lambda _, __: True,
        already=_pull_exists,
    ),
    "reaction": Kind("issues: write", _reaction, lambda data: {"reaction_id": at(data, "id")}),
}
