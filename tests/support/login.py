"""People who log in: browsers with cookies, Hubbub's server, and the simulated GitHub."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.identity.keyring import Keys
from bot.identity.tokens import Tokens
from bot.inbox.backpressure import Backpressure
from bot.settings import GitHubLogin
from fixtures.github import SimulatedGitHub
from tests.support.story import Workspace
from webhooks.addresses import LOCAL, Addresses
from webhooks.app import create_app
from webhooks.connection import Patience
from webhooks.login import Login
from webhooks.oauth.server import OAuthServer
from webhooks.sockets import SOCKETS


@dataclass(frozen=True)
class Page:
    status: int
    headers: Any
    text: str
    # The headers that set cookies.
    cookies: list[str]

    @property
    def location(self) -> str:
        return str(self.headers["Location"])


class Browser:
    """A browser with its cookies, in which somebody may be signed in at GitHub."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self.client = client
        self.url = url
        self.cookies: dict[str, str] = {}
        self.at_github: dict[str, str] = {}
        self.accept = "text/html"
        # Which site a browser says that the request comes from, if it says so.
        self.site = ""

    async def open(self, address: str, method: str = "GET", **form: str) -> Page:
        """Open a page. `address` may also be a path of Hubbub's. Redirects are not followed."""
        url = self.url + address if address.startswith("/") else address
        ours = url.startswith(self.url)
        jar = self.cookies if ours else self.at_github
        header = {"Accept": self.accept}
        if self.site:
            header["Sec-Fetch-Site"] = self.site
        if jar:
            header["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        async with self.client.request(
            method, url, headers=header, data=form or None, allow_redirects=False
        ) as response:
            set_cookies = response.headers.getall("Set-Cookie", [])
            if ours:
                self._keep(response.cookies)
            return Page(response.status, response.headers, await response.text(), set_cookies)

    def _keep(self, cookies: Any) -> None:
        for name, morsel in cookies.items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value

    async def log_in(self, path: str = "/login") -> Page:
        """Go to GitHub, authorize the App, and come back; the last page."""
        there = await self.open(path)
        back = await self.open(there.location)
        if back.status == 200:  # GitHub asks whether the App may
            query = {
                name: each for name, (each,) in parse_qs(urlsplit(there.location).query).items()
            }
            page = urlsplit(there.location)
            decide = f"{page.scheme}://{page.netloc}{page.path}"
            back = await self.open(decide, "POST", **query, authorize="1")
        return await self.open(back.location)


@dataclass
class LoginServer:
    """Hubbub's server with the login switched on, beside a workspace on the same store."""

    workspace: Workspace
    url: str
    login: Login
    tokens: Tokens
    client: aiohttp.ClientSession
    app: web.Application

    @property
    def github(self) -> SimulatedGitHub:
        return self.workspace.github

    @property
    def keys(self) -> Keys:
        return self.workspace.dispatcher.shared.keys

    def browser(self, login: str | None = None) -> Browser:
        """A browser; with `login`, somebody is signed in at GitHub in it."""
        made = Browser(self.client, self.url)
        if login is not None:
            self.github.person(login)
            made.at_github = self.github.sign_in(login)
        return made


AUDIENCE = "https://hubbub.example.com/mcp"


@asynccontextmanager
async def open_login_server(
    workspace: Workspace, *, public_url: str | None = None, client_secret: str | None = None
) -> AsyncIterator[LoginServer]:
    """`public_url`: the address of Hubbub for others, if it is not that of the server itself."""
    github, store = workspace.github, workspace.store
    app = GitHubLogin(
        client_id=github.app.client_id,
        client_secret=client_secret or github.app.client_secret,
        web_url=github.url,
        api_url=github.url,
        time_out_s=5,
    )

    async def client_id() -> str:
        return app.client_id

    keys = workspace.dispatcher.shared.keys
    login = Login(app, store, keys, client_id)
    addresses = Addresses(public_url) if public_url else LOCAL
    tokens = Tokens(store, keys, (AUDIENCE, addresses.audience), look_every_s=0)
    made = create_app(
        workspace.dispatcher,
        tokens,
        pressure=Backpressure(),
        webhook_secrets=[github.app.webhook_secret],
        addresses=addresses,
        login=login,
        oauth=OAuthServer(store, keys),
    )
    made[SOCKETS].patience = Patience(look_every_s=0.02)
    server = TestServer(made)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        await server.start_server()
        url = str(server.make_url("")).rstrip("/")
        github.app.callback_urls = [f"{public_url or url}/login/callback"]
        try:
            yield LoginServer(workspace, url, login, tokens, client, made)
        finally:
            await server.close()


async def _ready() -> dict[str, str]:
    return {}
