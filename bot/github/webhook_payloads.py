"""A webhook delivery as the inbox stores it, received or fetched from GitHub's delivery log."""

import json
from typing import Any

from pydantic_core import from_json

from bot.github.payloads import at, maybe_number, text
from store.inbox.deliveries import Delivery


def json_of(body: bytes) -> Any:
    """The JSON of a body. Raise ValueError or RecursionError."""
    try:
        return from_json(body)
    except ValueError:
        # pydantic's parser is stricter: it refuses lone surrogates, which GitHub may send.
        return json.loads(body)


def delivery(guid: str, event: str, body: bytes, payload: dict[str, Any]) -> Delivery:
    return Delivery(
        installation_id=maybe_number(at(payload, "installation", "id")) or 0,
        guid=guid,
        event=event,
        action=text(at(payload, "action"), 80),
        repository_id=maybe_number(at(payload, "repository", "id")),
        payload=body,
    )
