"""A webhook delivery as the inbox stores it, received or fetched from GitHub's delivery log."""

import json
from typing import Any

import orjson

from bot.github.payloads import at, maybe_number, maybe_time, text
from store.inbox.deliveries import Delivery

# Events with a text that may have commands: where the text is, and what it is about.
TEXTS = {
    "issue_comment": ("comment", "issue"),
    "issues": ("issue", "issue"),
    "pull_request": ("pull_request", "pull_request"),
    "pull_request_review": ("review", "pull_request"),
    "pull_request_review_comment": ("comment", "pull_request"),
}
# What adds commands to a text, or removes some.
WRITING = {"opened", "created", "submitted", "edited", "deleted"}


def json_of(body: bytes) -> Any:
    """The JSON of a body. Raise ValueError or RecursionError.

    An integer of more than 64 bits may be a float. Neither is an id, or fits into a column.
    """
    try:
        return orjson.loads(body)
    except ValueError:
        # orjson refuses lone surrogates and 1e400, which GitHub may pass on from somebody.
        return json.loads(body)


def delivery(guid: str, event: str, body: bytes, payload: dict[str, Any]) -> Delivery:
    action = text(at(payload, "action"), 80)
    number, text_at = _text_place(event, action, payload)
    return Delivery(
        installation_id=maybe_number(at(payload, "installation", "id")) or 0,
        guid=guid,
        event=event,
        action=action,
        repository_id=maybe_number(at(payload, "repository", "id")),
        payload=body,
        number=number,
        text_at=text_at,
    )


def _text_place(
    event: str, action: str, payload: dict[str, Any]
) -> tuple[int, int] | tuple[None, None]:
    """The issue or pull request of the text that the event wrote, and when the text began.

    A command that was written later than this waits until the delivery is processed, because an
    edit may add an older command to the text, or remove one.
    """
    where = TEXTS.get(event)
    if where is None or action not in WRITING:
        return None, None
    value, number = at(payload, where[0]), maybe_number(at(payload, where[1], "number"))
    began = maybe_time(at(value, "created_at")) or maybe_time(at(value, "submitted_at")) or 0
    return (None, None) if number is None else (number, began)
