"""Requests to an agent that speaks A2A: its card, and its methods by JSON-RPC."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from bot import secret_formats
from bot.errors import Refused
from bot.notifications.outcomes import retry_after
from bot.protocols import outgoing
from bot.protocols.a2a import cards, errors, requests
from bot.protocols.addresses import Address
from bot.protocols.outgoing import Outgoing
from bot.times import SECOND

TIMEOUT_S = 20.0
MOST_CARD, MOST_ANSWER = 256 * 1024, 2**20
# What other agents call wrong, and must not be sent again. The rest may pass.
FINAL = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})
PASSING = frozenset({errors.INTERNAL, errors.REFUSED})
LONGEST_WHY = 250


class Problem(Exception):
    """The agent was not reached, or answered wrong.

    `sent`: whether the request may have had an effect. `is_final`: the same would happen again.
    """

    def __init__(
        self,
        why: str,
        *,
        sent: bool = False,
        is_final: bool = False,
        wait_s: float = 0,
        code: int = 0,
    ) -> None:
        super().__init__(why)
        self.why = secret_formats.mask(" ".join(why.split()))[0][:LONGEST_WHY]
        self.sent = sent
        self.is_final = is_final
        self.wait_s = wait_s
        # Of the protocol, if the agent answered with an error.
        self.code = code


@dataclass(frozen=True)
class Interface:
    """Where the methods of an agent are."""

    url: str
    tenant: str = ""
    name: str = ""


@dataclass(frozen=True)
class Remote:
    """`key_header`: the header of the secret, if it is not sent as a bearer token."""

    outgoing: Outgoing
    address: Address
    # Microseconds UTC.
    now: int
    key_header: str | None = None

    async def read_card(self) -> Interface:
        """Raise Problem."""
        url = self.address.url
        if not url.endswith(".json"):
            url = f"{url.rstrip('/')}{cards.WELL_KNOWN}"
        card = await self._answer("GET", url, None, MOST_CARD, sends=False)
        found = interface_of(card)
        if _origin(found.url) != _origin(self.address.url):
            raise Problem(
                "its card names an endpoint on another server, which gets no secret", is_final=True
            )
        return found

    async def call(
        self, where: Interface, method: str, params: Mapping[str, Any], *, sends: bool = False
    ) -> Any:
        """The result. `sends`: the call has an effect. Raise Problem."""
        given = {**params, "tenant": where.tenant} if where.tenant else dict(params)
        body = {"jsonrpc": "2.0", "id": method, "method": method, "params": given}
        answer = await self._answer(
            "POST", where.url, json.dumps(body).encode(), MOST_ANSWER, sends=sends
        )
        if isinstance(error := answer.get("error"), dict):
            raise _error(error)
        if "result" not in answer:
            raise Problem("its answer is not JSON-RPC: it has no result", sent=sends)
        return answer["result"]

    async def _answer(
        self, method: str, url: str, content: bytes | None, most: int, *, sends: bool
    ) -> dict[str, Any]:
        try:
            async with self.outgoing.request(
                method, url, content=content, headers=self._headers(), timeout_s=TIMEOUT_S
            ) as answer:
                if answer.status != 200:
                    raise self._status(answer, sends=sends)
                found = orjson.loads(await outgoing.read(answer, most))
        except Refused as exc:
            raise Problem(exc.message, is_final=True) from exc
        except aiohttp.ClientConnectorError as exc:
            # No connection was made, so nothing was sent.
            raise Problem(outgoing.reason(exc, TIMEOUT_S)) from exc
        except orjson.JSONDecodeError as exc:
            raise Problem("its answer is not JSON", sent=sends) from exc
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
            raise Problem(outgoing.reason(exc, TIMEOUT_S), sent=sends) from exc
        if not isinstance(found, dict):
            raise Problem("its answer is not an object", sent=sends)
        return found

    def _headers(self) -> dict[str, str]:
        found = {
            "A2A-Version": requests.LATEST,
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        if self.address.secret and self.key_header:
            found[self.key_header] = self.address.secret
        elif self.address.secret:
            found["Authorization"] = f"Bearer {self.address.secret}"
        return found

    def _status(self, answer: aiohttp.ClientResponse, *, sends: bool) -> Problem:
        status = answer.status
        if 300 <= status < 400:
            return Problem(f"it answered {status}; redirects are not followed", is_final=True)
        wait_s = retry_after(answer.headers.get("Retry-After", ""), self.now // SECOND)
        return Problem(
            f"it answered {status}",
            sent=sends and status >= 500,
            is_final=status in FINAL,
            wait_s=wait_s,
        )


def _error(error: Mapping[str, Any]) -> Problem:
    code = error.get("code")
    known = code if isinstance(code, int) else 0
    text = str(error.get("message", ""))[:LONGEST_WHY]
    passing = known in PASSING or known == 0
    return Problem(
        f"it answered with the error {known}: {text}",
        sent=passing,
        is_final=not passing,
        code=known,
    )


def interface_of(card: Mapping[str, Any]) -> Interface:
    """The first interface of 1.0 by JSON-RPC. Raise Problem."""
    offered = card.get("supportedInterfaces")
    for each in offered if isinstance(offered, list) else ():
        match each:
            case {"url": str(url), "protocolBinding": "JSONRPC", "protocolVersion": str(version)}:
                if version.split(".")[:2] == requests.LATEST.split("."):
                    tenant, name = each.get("tenant"), card.get("name")
                    return Interface(url, tenant if isinstance(tenant, str) else "", str(name)[:80])
    raise Problem("its card has no interface of A2A 1.0 by JSON-RPC", is_final=True)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()
