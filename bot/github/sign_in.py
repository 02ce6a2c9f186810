"""GitHub's login of people through the App: addresses, tokens of people, and what these show.

The token of a person counts against that person's own rate limit, and not against the App's. So
these requests need no turn on the channel.
"""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bot.github import webhook_payloads
from bot.github.client import API_VERSION, USER_AGENT, open_client
from bot.github.payloads import at, maybe_number, text
from bot.github.proxies import proxy_for
from bot.github.rate_limits import is_limit
from bot.github.requests import Answer, OutcomeUnknown, Unreachable, next_page
from bot.redaction import redact
from bot.settings import GitHubApp, GitHubLogin

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
# An answer is at most this long, in bytes: a page of a hundred repositories has half of it.
LONGEST = 4 * 1024**2
# The code of a refusal that is about what was asked for. It is not about the token.
CLOSED, CLOSED_BY = "closed", (403, 404, 451)
# More pages of a hundred repositories or installations than anybody has.
MOST_PAGES = 50


class SignInRefused(Exception):
    """GitHub says no. `code` is OAuth's, such as `access_denied`, or CLOSED."""

    def __init__(self, code: str, message: str, interval: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        # For `slow_down`: the seconds to wait from now on.
        self.interval = interval


@dataclass(frozen=True)
class Device:
    """A device that waits until its person has entered `user_code` at `verification_uri`."""

    code: str = field(repr=False)
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int


def authorize_url(
    app: GitHubLogin, client_id: str, redirect_uri: str, state: str, verifier: str
) -> str:
    """Where a browser goes so that its person lets the App know who they are."""
    query = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    return f"{app.web_url}/login/oauth/authorize?{urlencode(query)}"


def challenge(verifier: str) -> str:
    """The challenge of PKCE with S256 (RFC 7636)."""
    digest = hashlib.sha256(verifier.encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class SignIn:
    """Talks to GitHub for one login. The methods raise Unreachable or SignInRefused."""

    def __init__(self, session: aiohttp.ClientSession, app: GitHubLogin, client_id: str) -> None:
        self._session = session
        self._app = app
        self._client_id = client_id

    async def token_for_code(self, code: str, verifier: str, redirect_uri: str) -> str:
        """The token of the person whom GitHub sent back with a code."""
        return await self._token(
            client_secret=self._app.client_secret,
            code=code,
            code_verifier=verifier,
            redirect_uri=redirect_uri,
        )

    async def token_for_device(self, device_code: str) -> str:
        """The token of the person who entered the device's code."""
        return await self._token(grant_type=DEVICE_GRANT, device_code=device_code)

    async def start_device(self) -> Device:
        data = await self._post("/login/device/code", client_id=self._client_id)
        return Device(
            code=_text_in(data, "device_code"),
            user_code=_text_in(data, "user_code"),
            verification_uri=_text_in(data, "verification_uri"),
            expires_in=maybe_number(at(data, "expires_in")) or 900,
            interval=maybe_number(at(data, "interval")) or 5,
        )

    async def revoke(self, token: str) -> None:
        """End the token of a person, which Hubbub needs no more."""
        auth = aiohttp.encode_basic_auth(self._client_id, self._app.client_secret)
        path = f"{self._app.api_url}/applications/{self._client_id}/token"
        await self._send("DELETE", path, {"Authorization": auth}, json={"access_token": token})

    async def get(self, token: str, path: str) -> Any:
        return (await self._get(token, self._app.api_url + path)).data

    async def all_pages(self, token: str, path: str, items: str) -> list[Any]:
        """The entries of a list, which GitHub answers under the name `items`."""
        found: list[Any] = []
        url: str | None = f"{self._app.api_url}{path}?per_page=100"
        for _ in range(MOST_PAGES):
            answer = await self._get(token, str(url))
            page = at(answer.data, items)
            if not isinstance(page, list):
                raise Unreachable(f"GitHub's answer has no list of {items}")
            found += page
            url = next_page(answer, str(url))
            # The token goes to GitHub's API alone.
            if url is None or not url.startswith(f"{self._app.api_url}/"):
                break
        return found

    async def _get(self, token: str, url: str) -> Answer:
        answer = await self._send("GET", url, {"Authorization": f"Bearer {token}"})
        if answer.status != 200:
            raise _refusal(answer)
        return answer

    async def _token(self, **given: str) -> str:
        data = await self._post("/login/oauth/access_token", client_id=self._client_id, **given)
        return _text_in(data, "access_token")

    async def _post(self, path: str, **given: str) -> Any:
        answer = await self._send("POST", self._app.web_url + path, {}, data=given)
        if code := text(at(answer.data, "error"), 60):
            description = text(at(answer.data, "error_description"), 300)
            raise SignInRefused(
                code, redact(description), maybe_number(at(answer.data, "interval"))
            )
        if answer.status != 200:
            raise _refusal(answer)
        return answer.data

    async def _send(self, method: str, url: str, headers: Mapping[str, str], **body: Any) -> Answer:
        known = {
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            "X-GitHub-Api-Version": API_VERSION,
        }
        try:
            async with (
                asyncio.timeout(self._app.time_out_s),
                self._session.request(
                    method, url, headers={**known, **headers}, allow_redirects=False, **body
                ) as response,
            ):
                raw = await _read(response)
                return Answer(response.status, response.headers, _json(raw), len(raw))
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise Unreachable(redact(f"{type(exc).__name__} {exc}".strip())) from exc


class ClientId:
    """The App's client id, which GitHub is asked for once if no setting has it."""

    def __init__(self, known: str, identity: GitHubApp) -> None:
        self._identity = identity
        self._known = known

    async def get(self) -> str:
        """Raise Unreachable."""
        if not self._known:
            async with open_client(self._identity) as client:
                try:
                    answer = await client.app_request("GET", "/app")
                except OutcomeUnknown as exc:
                    raise Unreachable(str(exc)) from exc
            self._known = _text_in(answer.data, "client_id")
        return self._known


@asynccontextmanager
async def open_sign_in(app: GitHubLogin, client_id: str) -> AsyncIterator[SignIn]:
    async with aiohttp.ClientSession(proxy=proxy_for(app.web_url)) as session:
        yield SignIn(session, app, client_id)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for chunk in response.content.iter_any():
        found += chunk
        if len(found) > LONGEST:
            raise Unreachable("GitHub's answer is too long")
    return bytes(found)


def _text_in(data: Any, name: str) -> str:
    found = text(at(data, name), 2000)
    if not found:
        raise Unreachable(f"GitHub's answer has no {name}")
    return found


def _refusal(answer: Answer) -> SignInRefused | Unreachable:
    message = redact(text(at(answer.data, "message"), 300))
    if answer.status >= 500 or is_limit(answer.status, answer.headers, message):
        return Unreachable(f"GitHub answered {answer.status}")
    code = CLOSED if answer.status in CLOSED_BY else "access_denied"
    return SignInRefused(code, f"GitHub answered {answer.status} {message}".strip())


def _json(raw: bytes) -> Any:
    try:
        return webhook_payloads.json_of(raw) if raw else None
    except (ValueError, RecursionError):
        return None
