"""One request to a model."""

from types import ModuleType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import orjson

from bot import secret_formats
from bot.errors import Refused
from bot.notifications.outcomes import retry_after
from bot.protocols import outgoing
from bot.protocols.link import Delivery, Link
from bot.protocols.openai import chat, responses
from bot.protocols.openai.options import Options
from bot.protocols.openai.replies import BadReply, Reply
from bot.protocols.outcomes import Failed, Rejected
from bot.times import SECOND

APIS: dict[str, ModuleType] = {"chat": chat, "responses": responses}
# Bytes of an answer, and characters of its error that people see.
MOST_READ, LONGEST_ERROR = 4_000_000, 200
# These pass; every other answer of 400 to 499 would be the same again.
TRANSIENT = (408, 409, 425, 429)


async def ask(
    link: Link,
    delivery: Delivery,
    options: Options,
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]],
) -> Reply | Failed | Rejected:
    api = APIS[options.api]
    content = orjson.dumps(api.request(options, messages, tools))
    headers = {"Content-Type": "application/json"}
    if delivery.address.secret:
        headers["Authorization"] = f"Bearer {delivery.address.secret}"
    url = _address(delivery.address.url, api.PATH)
    try:
        async with link.outgoing.request(
            "POST", url, content=content, headers=headers, timeout_s=options.timeout_s
        ) as answer:
            body = await outgoing.read(answer, MOST_READ)
            if answer.status != 200:
                return _failure(answer, body, delivery)
            reply: Reply = api.parse(_json(body))
            return reply
    except Refused as exc:
        return Rejected(exc.message)
    except BadReply as exc:
        return Failed(str(exc))
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
        return Failed(outgoing.reason(exc, options.timeout_s))


def _address(base: str, path: str) -> str:
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=parts.path.rstrip("/") + path))


def _json(body: bytes) -> Any:
    """Raise BadReply."""
    try:
        return orjson.loads(body)
    except ValueError as exc:
        raise BadReply("its answer is no JSON") from exc


def _failure(answer: aiohttp.ClientResponse, body: bytes, delivery: Delivery) -> Failed | Rejected:
    status, text = answer.status, _error_text(body, delivery.address.secret)
    if 300 <= status < 400:
        return Rejected(f"it answered {status}; redirects are not followed")
    why = f"it answered {status}{f': {text}' if text else ''}"
    if 400 <= status < 500 and status not in TRANSIENT:
        return Rejected(why)
    now = delivery.now / SECOND
    return Failed(why, retry_after(answer.headers.get("Retry-After", ""), now))


def _error_text(body: bytes, secret: str) -> str:
    """What the endpoint says is wrong, without secrets: some repeat the key."""
    try:
        found = orjson.loads(body)
        error = found.get("error", found)
        text = error.get("message", "") if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        text = body.decode(errors="replace")
    line = " ".join(str(text).split())
    if secret:
        line = line.replace(secret, "…")
    return secret_formats.mask(line)[0][:LONGEST_ERROR]
