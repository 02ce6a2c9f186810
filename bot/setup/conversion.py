"""The exchange of GitHub's code for the App's credentials. A code works once, for an hour."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from bot.github.payloads import at, maybe_number, text
from bot.github.proxies import proxy_for
from bot.public_internet import read_body
from bot.redaction import redact
from bot.setup.failures import SetupFailed

CODE = re.compile(r"[A-Za-z0-9_-]{1,255}")
TIMEOUT_S = 30
LONGEST_ANSWER = 1024**2
KEY_LOST = (
    "GitHub shows the private key once. If the App exists on GitHub now, generate another key on "
    "its settings page and run `hubbub setup --app-id ID --private-key FILE`. Or delete the App "
    "there and run `hubbub setup` again."
)


@dataclass(frozen=True)
class CreatedApp:
    """The App that GitHub has registered."""

    id: int
    slug: str
    name: str
    owner: str
    html_url: str
    client_id: str
    client_secret: str = field(repr=False)
    # Empty if the App has no webhook.
    webhook_secret: str = field(repr=False)
    pem: str = field(repr=False)


def code_in(pasted: str, state: str) -> str:
    """The code in what a person pasted: the code alone, or the whole address. Raise SetupFailed."""
    pasted = pasted.strip()
    if "://" not in pasted and "code=" not in pasted:
        return _check_code(pasted)
    query = parse_qs(urlsplit(pasted).query)
    if query.get("state", [""])[0] != state:
        raise SetupFailed(
            "The address belongs to another run of `hubbub setup`. Paste the address that the "
            "browser shows after you created the App in this run.",
        )
    return _check_code(query.get("code", [""])[0])


def _check_code(code: str) -> str:
    if not CODE.fullmatch(code):
        raise SetupFailed(
            "That is not GitHub's code. Paste the whole address to which GitHub sent the browser; "
            "it contains `code=`.",
        )
    return code


async def exchange(api_url: str, code: str) -> CreatedApp:
    """Raise SetupFailed."""
    url = f"{api_url}/app-manifests/{_check_code(code)}/conversions"
    status, answer = await _post(url)
    if status == 404:
        raise SetupFailed(
            f"{api_url} does not know the code. A code works once, for an hour. {KEY_LOST}",
        )
    if status != 201:
        why = redact(f"{status} {text(at(answer, 'message'))}".strip())
        raise SetupFailed(f"{api_url} answers: {why}. {KEY_LOST}")
    return _read_app(answer, api_url)


async def _post(url: str) -> tuple[int, Any]:
    headers = {"Accept": "application/vnd.github+json", "User-Agent": "hubbub"}
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            aiohttp.ClientSession(proxy=proxy_for(url)) as session,
            session.post(url, headers=headers, allow_redirects=False) as response,
        ):
            raw = await read_body(response, LONGEST_ANSWER)
            is_json = response.content_type == "application/json"
            return response.status, json.loads(raw) if is_json else None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
        raise SetupFailed(
            f"{url} did not answer ({type(exc).__name__}). Try again. {KEY_LOST}"
        ) from exc


def _read_app(answer: Any, api_url: str) -> CreatedApp:
    made = CreatedApp(
        id=maybe_number(at(answer, "id")) or 0,
        slug=text(at(answer, "slug")),
        name=text(at(answer, "name")),
        owner=text(at(answer, "owner", "login")),
        html_url=text(at(answer, "html_url")),
        client_id=text(at(answer, "client_id")),
        client_secret=text(at(answer, "client_secret")),
        webhook_secret=text(at(answer, "webhook_secret")),
        pem=text(at(answer, "pem")),
    )
    if not (made.id and made.slug and made.pem):
        raise SetupFailed(
            f"{api_url} answers with something else than GitHub does. Check the address, and "
            "whether a proxy answers for GitHub.",
        )
    return made
