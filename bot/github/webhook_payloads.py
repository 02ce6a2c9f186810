"""What GitHub sent, as the inbox keeps it; by webhook or fetched from the log, it is the same."""

import json
from typing import Any

from pydantic_core import from_json

from bot.github.payloads import at, maybe_number, text
from store.inbox.deliveries import Delivery


def parsed(body: bytes) -> Any:
    """JSON. Raise ValueError or RecursionError."""
    try:
        return from_json(body)
    except ValueError:
        # It is stricter: half a surrogate pair, which GitHub may send, stops it.
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
