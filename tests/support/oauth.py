"""OAuth clients of Hubbub's authorization server, and people who decide on its page."""

import base64
import hashlib
import html
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp

from bot.identity.keyring import Keys
from bot.identity.oauth.clients import registered_clients
from bot.identity.oauth.document_fetcher import DocumentFetcher
from bot.settings import GitHubLogin
from tests.support.login import Browser, Page
from tests.support.server_in_process import Answer, Surface, serving
from tests.support.story import Workspace
from webhooks.addresses import LOCAL, Addresses
from webhooks.client_address import NO_PROXIES, Proxies
from webhooks.login import Login
from webhooks.oauth.server import OAuthServer

CLIENT = "tool"
# What a client may send: characters that a query must escape.
STATE = "a+b/c=d&e %20"
REDIRECT = "http://127.0.0.1:7777/callback"
AUTHORIZE, TOKEN, REVOKE = "/oauth/authorize", "/oauth/token", "/oauth/revoke"


@dataclass(frozen=True)
class Proof:
    """PKCE of one login."""

    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


@dataclass
class Authorization:
    """Hubbub's server with the simulated GitHub, for browsers and OAuth clients."""

    workspace: Workspace
    surface: Surface
    oauth: OAuthServer
    # Without cookies of its own: each browser has its own.
    client: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.surface.url

    def browser(self, login: str | None = "octocat") -> Browser:
        """A browser; with `login`, somebody is signed in at GitHub in it."""
        made = Browser(self.client, self.url)
        if login is not None:
            self.workspace.github.person(login)
            made.at_github = self.workspace.github.sign_in(login)
        return made

    def address(self, proof: Proof, **changed: str | None) -> str:
        """Where a client sends the browser. None leaves a parameter out."""
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": CLIENT,
            "redirect_uri": REDIRECT,
            "state": STATE,
            "code_challenge": proof.challenge,
            "code_challenge_method": "S256",
            "resource": f"{self.url}/mcp",
        }
        given = {name: each for name, each in (asked | changed).items() if each is not None}
        return f"{AUTHORIZE}?{urlencode(given)}"

    async def page(self, browser: Browser, proof: Proof, **changed: str | None) -> Page:
        """The page on which the person decides, after the login at GitHub."""
        address = self.address(proof, **changed)
        page = await browser.open(address)
        if page.status == 303 and page.location.startswith("/login"):
            back = await browser.log_in(page.location)
            page = await browser.open(back.location)
        return page

    async def decide(self, browser: Browser, page: Page, **changed: Any) -> Page:
        """Press a button of the page."""
        return await browser.open(AUTHORIZE, "POST", **{**form_of(page), **changed})

    async def code(self, browser: Browser, proof: Proof, **changed: str | None) -> str:
        page = await self.page(browser, proof, **changed)
        answer = await self.decide(browser, page)
        return answer_of(answer)["code"]

    async def ask(self, path: str, **form: str | None) -> Answer:
        given = {name: each for name, each in form.items() if each is not None}
        return await self.surface.send("POST", path, data=given)

    async def token(self, given: str, proof: Proof, /, **changed: str | None) -> Answer:
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": given,
            "client_id": CLIENT,
            "redirect_uri": REDIRECT,
            "code_verifier": proof.verifier,
            "resource": f"{self.url}/mcp",
        }
        return await self.ask(TOKEN, **(form | changed))

    async def refresh(self, refresh_token: str, /, **changed: str | None) -> Answer:
        form: dict[str, str | None] = {
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_id": CLIENT,
        }
        return await self.ask(TOKEN, **(form | changed))

    async def login(self, browser: Browser | None = None) -> dict[str, Any]:
        """The tokens of a whole login."""
        proof = Proof()
        answer = await self.token(await self.code(browser or self.browser(), proof), proof)
        assert answer.status == 200, answer.data
        found: dict[str, Any] = answer.data
        return found


def form_of(page: Page) -> dict[str, Any]:
    """What a browser sends if the person changes nothing and presses the first button."""
    assert page.status == 200, page.text
    found: dict[str, Any] = {"decision": "allow"}
    repositories = []
    for tag in re.findall(r"<input [^>]+>", page.text):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        name, value = attributes["name"], html.unescape(attributes.get("value", ""))
        chosen = attributes.get("type") not in ("radio", "checkbox") or " checked" in tag
        if chosen and name == "repository":
            repositories.append(value)
        elif chosen:
            found[name] = value
    return found | {"repository": repositories}


def answer_of(page: Page) -> dict[str, str]:
    """What the client gets at its redirect address."""
    assert page.status == 303, page.text
    return dict(parse_qsl(urlsplit(page.location).query))


@asynccontextmanager
async def open_authorization(
    workspace: Workspace,
    documents: DocumentFetcher | None = None,
    addresses: Addresses = LOCAL,
    proxies: Proxies = NO_PROXIES,
) -> AsyncIterator[Authorization]:
    github, keys = workspace.github, workspace.dispatcher.shared.keys
    oauth = OAuthServer(
        workspace.store,
        keys,
        registered_clients(f"{CLIENT}={REDIRECT} other={REDIRECT}"),
        documents or DocumentFetcher(),
    )
    login = _login(workspace, keys)
    async with (
        serving(
            workspace.store,
            workspace.installation.id,
            keys=keys,
            addresses=addresses,
            login=login,
            oauth=oauth,
            proxies=proxies,
            look_every_s=0,
        ) as surface,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
    ):
        github.app.callback_urls = [f"{surface.url}/login/callback"]
        yield Authorization(workspace, surface, oauth, client)


def _login(workspace: Workspace, keys: Keys) -> Login:
    github = workspace.github
    app = GitHubLogin(
        client_id=github.app.client_id,
        client_secret=github.app.client_secret,
        web_url=github.url,
        api_url=github.url,
        time_out_s=5,
    )

    async def client_id() -> str:
        return app.client_id

    return Login(app, workspace.store, keys, client_id)
