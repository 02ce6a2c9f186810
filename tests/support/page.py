"""People at the page: their browsers, forms and streams of updates."""

import asyncio
import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from bot.identity.people import operator_links
from tests.support.login import Browser, LoginServer, Page
from tests.support.patience import SOON_S

HERE = "/accounts/acme"


async def signed_in(server: LoginServer, login: str = "octocat") -> Browser:
    browser = server.browser(login)
    assert (await browser.log_in()).status == 303
    return browser


async def operator(server: LoginServer) -> Browser:
    """A browser that the operator signed in by a one-time link."""
    i = server.workspace.installation.id
    store, keys = server.workspace.store, server.keys
    secret = await store.write(lambda tx: operator_links.add(tx, keys, i))
    browser = server.browser()
    assert (await browser.open(f"/link/{secret}", "POST")).status == 303
    return browser


async def text_of(browser: Browser, address: str, status: int = 200) -> str:
    """The HTML of a page."""
    page = await browser.open(address)
    assert page.status == status, page.text
    assert page.headers["Content-Type"].startswith("text/html")
    return page.text


def links(text: str, label: str) -> list[str]:
    """The addresses of the links with this label."""
    found = re.findall(rf'<a [^>]*href="([^"]+)"[^>]*>{re.escape(label)}</a>', text)
    return [html.unescape(each) for each in found]


def hidden(text: str) -> dict[str, str]:
    """The hidden fields of the form that has a token."""
    (form,) = [
        each for each in re.findall(r"<form.*?</form>", text, re.DOTALL) if 'name="token"' in each
    ]
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', form)
    return {name: html.unescape(value) for name, value in found}


async def confirm(browser: Browser, address: str, **fields: str) -> Page:
    """Look at the effect of an action, and confirm it."""
    page = await (browser.open(address, "POST", **fields) if fields else browser.open(address))
    assert page.status == 200, page.text
    return await browser.open(address.partition("?")[0], "POST", **hidden(page.text))


@dataclass
class Updates:
    response: aiohttp.ClientResponse

    async def next(self) -> list[str]:
        """The names in the next message. `ended` if it is the last one."""
        kind = ""
        async with asyncio.timeout(SOON_S):
            async for line in self.response.content:
                name, _, value = line.decode().strip().partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    return ["ended"] if kind == "ended" else value.split(" ")
        return []


@asynccontextmanager
async def updates(browser: Browser, query: str = "", status: int = 200) -> AsyncIterator[Updates]:
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    async with browser.client.get(
        f"{browser.url}{HERE}/updates{query}", headers={"Cookie": cookies}
    ) as response:
        # The text of a stream has no end.
        is_stream = response.content_type == "text/event-stream"
        assert response.status == status, is_stream or await response.text()
        yield Updates(response)
