"""One request to an app: a delivery as GitHub sends it, signed with the app's own secret."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from bot.errors import Refused
from bot.notifications.outcomes import retry_after
from bot.protocols import outgoing
from bot.protocols.outgoing import Outgoing

# As GitHub itself waits.
TIMEOUT_S = 10.0
LARGEST = 8 * 1024**2
CONNECTION = {"User-Agent": "GitHub-Hookshot/hubbub", "Accept": "*/*"}


@dataclass(frozen=True)
class App:
    """`installation`: the number of the app's own installation, if it is another App than ours."""

    url: str
    secret: str = field(repr=False)
    installation: int | None = None


@dataclass(frozen=True)
class Letter:
    guid: str
    event: str
    payload: bytes


@dataclass(frozen=True)
class Failed:
    why: str
    wait_s: float | None = None


async def send(network: Outgoing, app: App, letter: Letter, now_s: float) -> Failed | None:
    """None: the app took it."""
    content = _content(app, letter.payload)
    if len(content) > LARGEST:
        return Failed(f"its payload has {len(content)} bytes; the limit is {LARGEST}")
    try:
        async with network.request(
            "POST",
            app.url,
            content=content,
            headers=headers(app, letter, content),
            timeout_s=TIMEOUT_S,
        ) as answer:
            if 200 <= answer.status < 300:
                return None
            wait_s = retry_after(answer.headers.get("Retry-After", ""), now_s)
            return Failed(f"the app answered {answer.status}", wait_s)
    except Refused as exc:
        return Failed(exc.message)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
        return Failed(outgoing.reason(exc, TIMEOUT_S))


def headers(app: App, letter: Letter, content: bytes) -> dict[str, str]:
    """Those of GitHub's webhooks that apps read."""
    signature = hmac.new(app.secret.encode(), content, hashlib.sha256).hexdigest()
    return {
        **CONNECTION,
        "Content-Type": "application/json",
        "X-GitHub-Event": letter.event,
        "X-GitHub-Delivery": letter.guid,
        "X-Hub-Signature-256": f"sha256={signature}",
    }


def _content(app: App, payload: bytes) -> bytes:
    if app.installation is None:
        return payload
    found: Any = orjson.loads(payload)
    if isinstance(found, dict) and isinstance(found.get("installation"), dict):
        found["installation"]["id"] = app.installation
        found["installation"].pop("node_id", None)
    return orjson.dumps(found)
