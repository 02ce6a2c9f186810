"""The page of `hubbub setup` as a server on loopback. Its address has a secret part."""

import asyncio
import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.settings import WrongSettings
from bot.setup import app_settings
from bot.setup.run import Setup
from webhooks.setup import pages

HOST = "127.0.0.1"
LARGEST = 64 * 1024
STRANGE = "The address does not belong to this setup. Use the one that the command printed."
NONE_CHOSEN = "No client is ticked. Tick those that you use, or press Finish."

Connect = Callable[[Sequence[str]], Awaitable[list[str]]]


@dataclass
class SetupPage:
    """`connect` writes the configuration of clients and says what it wrote."""

    setup: Setup
    connect: Connect
    url: str = ""
    # The account, once the App is installed, and what `doctor` found.
    account: str = ""
    checks: list[tuple[bool, str]] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    # Whether a browser shows these pages.
    is_used: bool = False
    is_finished: asyncio.Event = field(default_factory=asyncio.Event)
    # Sent with each form, so that no other site can send one.
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def routes(self) -> list[web.RouteDef]:
        start = f"/{self.setup.journal.key}"
        return [
            web.get(f"{start}/", self.begin),
            web.get(f"{start}/created", self.receive),
            web.get(f"{start}/review", self.review),
            web.post(f"{start}/write", self.write),
            web.get(f"{start}/done", self.show_done),
            web.post(f"{start}/connect", self.connect_clients),
            web.post(f"{start}/finish", self.finish),
        ]

    async def begin(self, _: web.Request) -> web.Response:
        if self.setup.is_written.is_set():
            raise web.HTTPSeeOther("done")
        if self.setup.is_created.is_set():
            raise web.HTTPSeeOther("review")
        made = self.setup.manifest(f"{self.url}created")
        return pages.create(self.setup.journal, self.setup.target, made)

    async def receive(self, request: web.Request) -> web.Response:
        """Where GitHub sends the browser back with a code."""
        if not self.setup.owns(request.query.get("state", "")):
            return pages.failure(
                "This App was not created in this setup",
                "The answer of GitHub belongs to another run of `hubbub setup`, or somebody else "
                "made the link that led you here. Nothing was changed.",
                400,
            )
        await self.setup.exchange(request.query.get("code", ""))
        raise web.HTTPSeeOther("review")

    async def review(self, _: web.Request) -> web.Response:
        self.is_used = True
        if not self.setup.is_created.is_set():
            raise web.HTTPSeeOther("./")
        if self.setup.is_written.is_set():
            raise web.HTTPSeeOther("done")
        added, created = self.setup.new_settings(), self.setup.app
        key = app_settings.key_path(self.setup.file, created)
        files = [str(self.setup.file.path.absolute()), str(key)]
        return pages.review(
            created.name, created.owner, app_settings.masked_lines(added), files, self.token
        )

    async def write(self, request: web.Request) -> web.Response:
        await self._check_token(request)
        if not self.setup.is_created.is_set():
            raise web.HTTPSeeOther("./")
        await self.setup.write()
        raise web.HTTPSeeOther(self.setup.installation_page)

    async def show_done(self, _: web.Request) -> web.Response:
        if not self.account:
            return pages.waiting(self.setup.installation_page)
        return pages.done_page(self.account, self.checks, self.results, self.token)

    async def connect_clients(self, request: web.Request) -> web.Response:
        await self._check_token(request)
        chosen = [str(each) for each in (await request.post()).getall("client", [])]
        if self.account:
            self.results = await self.connect(chosen) if chosen else [NONE_CHOSEN]
        raise web.HTTPSeeOther("done")

    async def finish(self, request: web.Request) -> web.Response:
        await self._check_token(request)
        self.is_finished.set()
        return pages.end_page()

    async def _check_token(self, request: web.Request) -> None:
        given = str((await request.post()).get("token", ""))
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise web.HTTPForbidden(text=STRANGE)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer only requests for this machine, so that no web page can reach it by another name.

    What stops a step is shown; the command goes on, and the person can try again.
    """
    if (request.url.host or "") not in (HOST, "localhost"):
        raise web.HTTPMisdirectedRequest(text=STRANGE)
    try:
        return await handler(request)
    except WrongSettings as exc:
        return pages.failure("The setup cannot go on", str(exc), 409)


@asynccontextmanager
async def serve(page: SetupPage, port: int) -> AsyncIterator[int]:
    """Serve the page as long as the context lasts. Yield the port: another one if it is taken."""
    app = web.Application(client_max_size=LARGEST, middlewares=[guard])
    app.add_routes(page.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError:
            await web.TCPSite(runner, HOST, 0).start()
        found = int(runner.addresses[0][1])
        page.url = f"http://{HOST}:{found}/{page.setup.journal.key}/"
        yield found
    finally:
        await runner.cleanup()
