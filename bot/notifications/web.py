"""Sends a message to a web address that a person chose."""

import asyncio
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from ssl import SSLContext
from urllib.parse import unquote, urlsplit

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver

from bot import secret_formats
from bot.errors import Refused
from bot.notifications import outcomes
from bot.notifications.addresses import check_web
from bot.notifications.message import Message, one_line
from bot.notifications.outcomes import Failed, Outcome
from bot.notifications.services import discord, slack, teams, webhook
from bot.notifications.targets import Address
from bot.public_internet import NotPublic, is_public, open_session
from store.tables.notifications import TargetKind

# Until the status of the answer, and from there to its body.
TIMEOUT_S, BODY_S = 15.0, 2.0
# Bytes of an answer that are read.
MOST_READ = 2000
# Shorter parts of an address are words such as `api`.
SHORTEST_SECRET = 6
SEPARATORS = re.compile(r"[/&=;,:+]")
PAYLOADS = {"slack": slack.payload, "discord": discord.payload, "teams": teams.payload}
HEADERS = {"User-Agent": "hubbub", "Accept-Encoding": "identity"}


@dataclass(frozen=True)
class Web:
    """`trusted`: origins that the operator allowed. The rest is for tests."""

    trusted: Collection[str] = ()
    resolver: AbstractResolver | None = None
    tls: SSLContext | None = None
    allows: Callable[[str], bool] = is_public

    async def send(self, kind: TargetKind, address: Address, message: Message) -> Outcome:
        """Send it once. A server that took it and did not answer gets it again with its id."""
        try:
            checked = check_web(address.to, self.trusted)
            allows = (lambda _: True) if checked.is_trusted else self.allows
            content, headers = _request(kind, address, message)
            return await self._post(checked.url, content, headers, allows, message.at)
        except Refused as exc:
            return Failed(exc.message)
        except TimeoutError:
            return Failed(f"it did not answer within {TIMEOUT_S:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Failed(f"it could not be reached: {_reason(exc)}")

    async def _post(
        self,
        url: str,
        content: bytes,
        headers: Mapping[str, str],
        allows: Callable[[str], bool],
        now: float,
    ) -> Outcome:
        async with (
            open_session(HEADERS, self.resolver, self.tls or True, allows) as session,
            asyncio.timeout(TIMEOUT_S) as limit,
            session.post(url, data=content, headers=headers, allow_redirects=False) as answer,
        ):
            # The status counts: what becomes of the body is no reason to send the message again.
            limit.reschedule(None)
            said = without_address(await _body(answer), url)
            return outcomes.of_answer(answer.status, answer.headers, said, now)


async def _body(answer: aiohttp.ClientResponse) -> str:
    """The beginning of the body in one line, if it comes soon."""
    try:
        async with asyncio.timeout(BODY_S):
            text = await answer.content.read(MOST_READ)
    except (aiohttp.ClientError, OSError):
        return ""
    return one_line(text.decode(errors="replace"))


def without_address(text: str, url: str) -> str:
    """The text without parts of the path and the query, which may be secrets.

    Some servers repeat the path when they do not know it.
    """
    parts = urlsplit(url)
    words = {*SEPARATORS.split(parts.path), *SEPARATORS.split(parts.query)}
    for word in sorted({*words, *map(unquote, words)}, key=len, reverse=True):
        if len(word) >= SHORTEST_SECRET:
            text = text.replace(word, "…")
    return secret_formats.mask(text)[0]


def _request(kind: TargetKind, address: Address, message: Message) -> tuple[bytes, dict[str, str]]:
    if kind == "webhook":
        content = webhook.body(message)
        return content, webhook.headers(message, content, address.secret)
    return orjson.dumps(PAYLOADS[kind](message)), {"Content-Type": "application/json"}


def _reason(exc: Exception) -> str:
    """Without the address, which may be a secret."""
    if isinstance(exc.__cause__, NotPublic):
        return str(exc.__cause__)
    return type(exc).__name__
