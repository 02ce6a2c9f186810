"""A webhook of one's own, signed as https://www.standardwebhooks.com says."""

import base64
import hashlib
import hmac
from typing import Any

import orjson

from bot.notifications.message import Message
from bot.notifications.targets import SECRET


def body(message: Message) -> bytes:
    """The bytes that are sent and signed."""
    return orjson.dumps(
        {
            "type": "attention",
            "id": message.id,
            "account": message.account,
            "summary": message.headline,
            "items": [_item(message, n) for n in range(len(message.entries))],
            "more": message.more,
            "page": message.links.page,
        }
    )


def _item(message: Message, n: int) -> dict[str, Any]:
    entry = message.entries[n]
    return entry.model_dump() | {"url": message.links.of(entry.name)}


def headers(message: Message, content: bytes, secret: str) -> dict[str, str]:
    """The id, the time and the signature. The time is that of this attempt."""
    return signed_headers(message.id, message.at, content, secret)


def signed_headers(message_id: str, at: int, content: bytes, secret: str) -> dict[str, str]:
    """`at`: in seconds. `secret`: SECRET and base64."""
    key = base64.b64decode(secret.removeprefix(SECRET))
    signed = f"{message_id}.{at}.".encode() + content
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{signature}",
    }
