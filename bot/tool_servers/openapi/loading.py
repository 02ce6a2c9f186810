"""Reads the document of a service, from an address or a text, without holding up others."""

import asyncio
from dataclasses import dataclass, field

from bot.tool_servers.connections import Unavailable
from bot.tool_servers.network import ERRORS, Network, reason
from bot.tool_servers.openapi import answer_reading
from bot.tool_servers.openapi.document_text import LARGEST, WrongDocument
from bot.tool_servers.openapi.manifest import Manifest
from bot.tool_servers.openapi.options import Options
from bot.tool_servers.openapi.service import read_service
from bot.tool_servers.openapi.tools import Given, manifest_of

TIMEOUT_S = 25.0
ACCEPT = "application/json, application/yaml, */*;q=0.5"


@dataclass(frozen=True)
class Source:
    """`address`: where the document is, unless `text` has it. `base_url`: '' to take its own."""

    address: str = ""
    text: bytes | None = field(default=None, repr=False)
    base_url: str = ""


async def load(
    network: Network,
    source: Source,
    options: Options,
    held: frozenset[tuple[str, str]] = frozenset(),
) -> Manifest:
    """The tools of a service. Raise Unavailable or WrongDocument."""
    text = source.text if source.text is not None else await _fetch(network, source.address)
    # It can take seconds.
    return await asyncio.to_thread(_manifest, text, source, options, held)


def _manifest(
    text: bytes, source: Source, options: Options, held: frozenset[tuple[str, str]]
) -> Manifest:
    service = read_service(text, source.base_url, source.address)
    try:
        return manifest_of(service, options.choice, Given(options.paging, held))
    except RecursionError as exc:
        raise WrongDocument((), "is nested too deeply") from exc


async def _fetch(network: Network, address: str) -> bytes:
    """The document at an address: without a credential, and bounded."""
    headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip"}
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            network.open_session(address, headers) as session,
            session.get(address, allow_redirects=False) as found,
        ):
            answer = await answer_reading.read(found, LARGEST)
    except TimeoutError as exc:
        text = f"The document did not arrive within {TIMEOUT_S:g} s."
        raise Unavailable("timeout", text) from exc
    except ERRORS as exc:
        text = f"The document could not be fetched: {reason(exc)}."
        raise Unavailable("unreachable", text) from exc
    if 300 <= answer.status < 400:
        text = f"The address of the document redirects (status {answer.status}). Hubbub follows no"
        raise Unavailable("refused", f"{text} redirects: pass the address where the document is.")
    if answer.status != 200:
        text = f"The address of the document answered with status {answer.status}"
        raise Unavailable("protocol", f"{text}. Pass an address that answers with the document.")
    return answer.body
