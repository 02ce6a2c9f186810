"""Sends requests to a foreign tracker: bounded in time and size, and no redirect is followed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from bot import foreign_json
from bot.errors import Refused
from bot.protocols import outgoing
from bot.protocols.outgoing import Outgoing
from bot.trackers.gitlab import Ask

TIMEOUT_S = 15.0
MOST_BYTES = 30_000_000


class Unreachable(Exception):
    """No answer came. `may_have_effect`: the request may have arrived."""

    def __init__(self, why: str, *, may_have_effect: bool = True) -> None:
        super().__init__(why)
        self.why = why
        self.may_have_effect = may_have_effect


@dataclass(frozen=True)
class Reply:
    """`headers`: names in any case, because proxies write them as they like."""

    status: int
    headers: Mapping[str, str]
    data: Any = None


@dataclass(frozen=True)
class Client:
    url: str
    token: str = field(repr=False)
    outgoing: Outgoing

    async def ask(self, ask: Ask, etag: str | None = None) -> Reply:
        """Raise Unreachable."""
        headers = {"PRIVATE-TOKEN": self.token, "Accept": "application/json"}
        if etag:
            headers["If-None-Match"] = etag
        content = None
        if ask.body is not None:
            headers["Content-Type"] = "application/json"
            content = orjson.dumps(ask.body)
        url = f"{self.url}/api/v4{ask.path}"
        try:
            async with self.outgoing.request(
                ask.method, url, content=content, headers=headers, timeout_s=TIMEOUT_S
            ) as answer:
                body = await outgoing.read(answer, MOST_BYTES)
                return Reply(answer.status, answer.headers, _json(answer.status, body))
        except Refused as exc:
            raise Unreachable(exc.message, may_have_effect=False) from exc
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
            raise Unreachable(outgoing.reason(exc, TIMEOUT_S)) from exc


def _json(status: int, body: bytes) -> Any:
    """Raise ValueError for a success that is no JSON."""
    if status == 304 or not body:
        return None
    try:
        return foreign_json.value(body)
    except ValueError:
        if 200 <= status < 300:
            raise
        return None
