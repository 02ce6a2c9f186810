"""Requests to an agent that speaks A2A: its card, and its methods by JSON-RPC."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import aiohttp

from bot import foreign_json, secret_formats
from bot.errors import Refused
from bot.notifications.outcomes import retry_after
from bot.protocols import outgoing
from bot.protocols.a2a import cards, errors, legacy_agents, requests
from bot.protocols.addresses import Address
from bot.protocols.outgoing import Outgoing
from bot.times import SECOND

TIMEOUT_S = 20.0
# Some agents answer to a message only when they have done what it asks.
SEND_TIMEOUT_S = 60.0
MOST_CARD, MOST_ANSWER = 256 * 1024, 2**20
# What other agents call wrong, and must not be sent again. Other errors may be transient.
FINAL = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})
TRANSIENT = frozenset({errors.INTERNAL, errors.REFUSED})
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
        status: int = 0,
    ) -> None:
        super().__init__(why)
        self.why = secret_formats.mask(" ".join(why.split()))[0][:LONGEST_WHY]
        self.sent = sent
        self.is_final = is_final
        self.wait_s = wait_s
        # Of the protocol, if the agent answered with an error.
        self.code = code
        # Of HTTP, if it was another than 200.
        self.status = status


@dataclass(frozen=True)
class Interface:
    """Where the methods of an agent are."""

    url: str
    tenant: str = ""
    version: str = requests.LATEST
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
        found = interface_of(await self._card())
        return replace(found, url=_reachable(found.url, self.address.url))

    async def _card(self) -> dict[str, Any]:
        """Raise Problem."""
        where = card_url(self.address.url)
        try:
            return await self._answer("GET", where, None, MOST_CARD)
        except Problem as exc:
            older = where.removesuffix(cards.WELL_KNOWN) + cards.OLDER_WELL_KNOWN
            if exc.status != 404 or not where.endswith(cards.WELL_KNOWN):
                raise
            try:
                return await self._answer("GET", older, None, MOST_CARD)
            except Problem:
                raise exc from None

    async def call(
        self, where: Interface, method: str, params: Mapping[str, Any], *, sends: bool = False
    ) -> Any:
        """The result. `sends`: the call has an effect. Raise Problem."""
        given = {**params, "tenant": where.tenant} if where.tenant else dict(params)
        name, is_old = method, where.version == requests.OLD
        if is_old:
            name, given = _old_method(method), legacy_agents.request_to(given)
        body = {"jsonrpc": "2.0", "id": method, "method": name, "params": given}
        answer = await self._answer(
            "POST",
            where.url,
            json.dumps(body).encode(),
            MOST_ANSWER,
            sends=sends,
            version=where.version,
        )
        if isinstance(error := answer.get("error"), dict):
            raise _error(error)
        if "result" not in answer:
            raise Problem("its answer is not JSON-RPC: it has no result", sent=sends)
        found = answer["result"]
        return legacy_agents.answer_of(method, found) if is_old else found

    async def _answer(
        self,
        method: str,
        url: str,
        content: bytes | None,
        most: int,
        *,
        sends: bool = False,
        version: str = requests.LATEST,
    ) -> dict[str, Any]:
        timeout_s = SEND_TIMEOUT_S if sends else TIMEOUT_S
        headers = self._headers(version)
        try:
            async with self.outgoing.request(
                method, url, content=content, headers=headers, timeout_s=timeout_s
            ) as answer:
                if answer.status != 200:
                    raise self._status(answer, sends=sends)
                found = foreign_json.value(await outgoing.read(answer, most))
        except Refused as exc:
            raise Problem(exc.message, is_final=True) from exc
        except aiohttp.ClientConnectorError as exc:
            # No connection was made, so nothing was sent.
            raise Problem(outgoing.reason(exc, timeout_s)) from exc
        except json.JSONDecodeError as exc:
            raise Problem("its answer is not JSON", sent=sends) from exc
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as exc:
            raise Problem(outgoing.reason(exc, timeout_s), sent=sends) from exc
        if not isinstance(found, dict):
            raise Problem("its answer is not an object", sent=sends)
        return found

    def _headers(self, version: str) -> dict[str, str]:
        found = {
            "A2A-Version": version,
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
            status=status,
        )


def _error(error: Mapping[str, Any]) -> Problem:
    code = error.get("code")
    known = code if isinstance(code, int) else 0
    text = str(error.get("message", ""))[:LONGEST_WHY]
    is_transient = known in TRANSIENT or known == 0
    return Problem(
        f"it answered with the error {known}: {text}",
        sent=is_transient,
        is_final=not is_transient,
        code=known,
    )


def _old_method(method: str) -> str:
    """Raise Problem if 0.3 does not have the method."""
    if method not in legacy_agents.NAMES:
        raise Problem(f"A2A 0.3 has no {method}", is_final=True, code=errors.NO_METHOD)
    return legacy_agents.NAMES[method]


def card_url(url: str) -> str:
    """The address of a card ends with `.json`, before its query."""
    if urlsplit(url).path.endswith(".json"):
        return url
    return f"{url.rstrip('/')}{cards.WELL_KNOWN}"


def interface_of(card: Mapping[str, Any]) -> Interface:
    """The first interface of 1.0 by JSON-RPC, or else of 0.3. Raise Problem."""
    offered = card.get("supportedInterfaces")
    listed = [*(offered if isinstance(offered, list) else []), *_of_older_card(card)]
    for wanted in (requests.LATEST, requests.OLD):
        for each in listed:
            match each:
                case {
                    "url": str(url),
                    "protocolBinding": "JSONRPC",
                    "protocolVersion": str(version),
                } if version.split(".")[:2] == wanted.split("."):
                    tenant, name = each.get("tenant"), card.get("name")
                    tenant = tenant if isinstance(tenant, str) else ""
                    return Interface(url, tenant, wanted, str(name)[:80])
    raise Problem("its card has no interface of A2A 1.0 or 0.3 by JSON-RPC", is_final=True)


def _of_older_card(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The interfaces of a card of 0.3. Those of 0.2 speak alike, and early ones name no version."""
    version = str(card.get("protocolVersion") or requests.OLD)
    version = requests.OLD if version.startswith("0.2") else version
    more = card.get("additionalInterfaces")
    first = {"url": card.get("url"), "transport": card.get("preferredTransport")}
    return [
        {
            "url": each.get("url"),
            "protocolBinding": str(each.get("transport") or "JSONRPC").upper(),
            "protocolVersion": version,
        }
        for each in [first, *(more if isinstance(more, list) else [])]
        if isinstance(each, dict)
    ]


def _reachable(url: str, given: str) -> str:
    """The endpoint of a card, at the server that people gave. Raise Problem.

    Behind a proxy an agent knows neither its host nor its port, and often not that it has TLS.
    """
    there = urljoin(given.rstrip("/") + "/", url)
    parts, own = _split(there), _split(given)
    if parts is None or parts.scheme not in ("http", "https"):
        raise Problem("its card names no endpoint that can be called", is_final=True)
    assert own is not None
    if parts.hostname != own.hostname and not _is_itself(parts.hostname or ""):
        raise Problem(
            "its card names an endpoint on another server, which gets no secret", is_final=True
        )
    return urlunsplit(parts._replace(scheme=own.scheme, netloc=own.netloc))


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _is_itself(host: str) -> bool:
    """Whether it is how a program calls its own machine."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
