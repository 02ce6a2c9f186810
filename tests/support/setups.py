"""`hubbub setup` in this process, beside a simulated GitHub and a browser."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from bot.cli import setup
from bot.cli.setup import Options
from bot.cli.setup_choices import Choices
from bot.cli.setup_terminal import Terminal
from fixtures.github import SimulatedGitHub
from tests.support.patience import SOON_S
from tests.support.web_forms import FormBrowser, Page

PUBLIC = "https://hubbub.example.com"


@dataclass
class Running:
    """A `hubbub setup` under way. `said`: the lines that it printed."""

    task: asyncio.Task[int]
    said: list[str]
    opened: asyncio.Queue[str]

    async def page(self) -> str:
        """The next address that it opened in the browser."""
        getting = asyncio.create_task(self.opened.get())
        await asyncio.wait([getting, self.task], return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            getting.cancel()
            self.task.result()
            raise AssertionError("the setup ended")
        return getting.result()

    async def says(self, part: str) -> None:
        """Wait until it has printed that."""
        async with asyncio.timeout(SOON_S):
            while not any(part in each for each in self.said):  # noqa: ASYNC110 - a list
                await asyncio.sleep(0.01)

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


@dataclass
class Desk:
    """A person's machine: the folder with `.env`, a browser, and GitHub."""

    github: SimulatedGitHub
    folder: Path
    browser: FormBrowser
    running: list[Running] = field(default_factory=list)
    answers: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    @property
    def env(self) -> Path:
        return self.folder / ".env"

    def start(
        self,
        options: Options | None = None,
        *,
        attended: bool = False,
        has_browser: bool = True,
        **given: Any,
    ) -> Running:
        """`given`: choices for the App."""
        said: list[str] = []
        opened: asyncio.Queue[str] = asyncio.Queue()

        def open_page(address: str) -> bool:
            if has_browser:
                opened.put_nowait(address)
            return has_browser

        async def ask(question: str) -> str:
            said.append(question)
            return await self.answers.get()

        chosen = replace(options or Options(), env=self.env, port=0)
        chosen = replace(chosen, choices=Choices(**{"public_url": PUBLIC} | given))
        terminal = Terminal(said.append, ask, open_page, attended)
        made = Running(asyncio.create_task(setup.run(chosen, terminal)), said, opened)
        self.running.append(made)
        return made

    async def create(self, url: str, name: str = "") -> Page:
        """From the setup's page to GitHub, create the App there, and come back."""
        page = await self.browser.open(url)
        there = await self.browser.submit(page)  # the page's script does this
        if "login" not in dict(there.forms[0].fields):
            there = await self.browser.submit(there, login="octocat")
        if name:
            return await self.browser.click(there, name=name)
        return await self.browser.click(there)

    async def install(self, page: Page, form: int = 0) -> Page:
        """Agree to the settings, and install the App."""
        there = await self.browser.click(page)
        return await self.browser.click(there, form)


@asynccontextmanager
async def open_desk(
    github: SimulatedGitHub, folder: Path, api_url: str = ""
) -> AsyncIterator[Desk]:
    (folder / ".env").write_text(
        f"HUBBUB_GITHUB_API_URL={api_url or github.url}\n"
        f"HUBBUB_DATABASE_URL=sqlite:///{folder / 'hubbub.db'}\n"
    )
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        made = Desk(github, folder, FormBrowser(session))
        try:
            yield made
        finally:
            for each in made.running:
                await each.kill()
