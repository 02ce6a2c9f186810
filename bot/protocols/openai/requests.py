"""One request to a model."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import orjson

from bot import foreign_json, secret_formats
from bot.errors import Refused
from bot.notifications.outcomes import retry_after
from bot.protocols import outgoing
from bot.protocols.link import Delivery, Link
from bot.protocols.openai import chat, responses
from bot.protocols.openai.options import Options
from bot.protocols.openai.replayed import replayable
from bot.protocols.openai.replies import BadReply, Reply
from bot.protocols.outcomes import Failed, Rejected
from bot.times import SECOND

APIS: dict[str, ModuleType] = {"chat": chat, "responses": responses}
# Bytes of an answer, and characters of its error that people see.
MOST_READ, LONGEST_ERROR = 4_000_000, 200
# These pass; every other answer of 400 to 499 would be the same again.
TRANSIENT = (408, 409, 425, 429)


@dataclass
class Dialect:
    """What was found out about an endpoint. `limit`: what it calls the limit of tokens."""

    limit: str = chat.OLDER_LIMIT


async def ask(
    link: Link,
    delivery: Delivery,
    options: Options,
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]],
    dialect: Dialect | None = None,
) -> Reply | Failed | Rejected:
    dialect = dialect or Dialect()
    found = await _ask(link, delivery, options, messages, tools, dialect)
    is_refused = isinstance(found, Rejected) and chat.LIMIT in found.why
    if options.api == "chat" and is_refused and dialect.limit != chat.LIMIT:
        dialect.limit = chat.LIMIT
        return await _ask(link, delivery, options, messages, tools, dialect)
    return found


async def _ask(
    link: Link,
    delivery: Delivery,
    options: Options,
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]],
    dialect: Dialect,
) -> Reply | Failed | Rejected:
    api = APIS[options.api]
    content = orjson.dumps(api.request(options, replayable(messages), tools, dialect.limit))
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
            return _reply(api, body, delivery)
    except Refused as exc:
        return Rejected(exc.message)
    except BadReply as exc:
        return Failed(str(exc))
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
        return Failed(outgoing.reason(exc, options.timeout_s))


def _address(base: str, path: str) -> str:
    """Some people give the whole address."""
    parts = urlsplit(base)
    given = parts.path.rstrip("/").removesuffix(path)
    return urlunsplit(parts._replace(path=given + path))


def _reply(api: ModuleType, body: bytes, delivery: Delivery) -> Reply:
    """Raise BadReply."""
    try:
        found = foreign_json.value(body)
    except ValueError as exc:
        is_stream = body.lstrip().startswith((b"data:", b"event:", b":"))
        what = "a stream of events, which was not asked for" if is_stream else "no JSON"
        raise BadReply(f"its answer is {what}") from exc
    # Gateways answer 200, although what is behind them failed.
    if isinstance(found, dict) and found.get("error"):
        why = _error_text(body, delivery.address.secret)
        raise BadReply(f"it answered 200 with an error: {why}")
    reply: Reply = api.parse(found)
    return reply


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
        found = foreign_json.value(body)
        error = found.get("error", found)
        text = error.get("message", "") if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        text = body.decode(errors="replace")
    line = " ".join(str(text).split())
    if secret:
        line = line.replace(secret, "…")
    return secret_formats.mask(line)[0][:LONGEST_ERROR]
