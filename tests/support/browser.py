"""Debian's Chromium, driven by Playwright: one browser for a worker, a fresh context for a test.

Playwright's own browsers are not used: they come from its host, and Debian's has security updates.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    async_playwright,
    expect,
)

from tests.support.debian_packages import install_missing, path_of

PROGRAMS = ("chromium",)
# A font, because Debian's Chromium brings none.
PACKAGES = ("chromium", "fonts-dejavu-core")
# Chromium's sandbox refuses root, who runs tests in containers, where /dev/shm is small. What the
# browser would look up by itself is switched off.
FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--font-render-hinting=none",
)
AXE = Path(__file__).parent / "vendor/axe-core/axe.min.js"
# WCAG 2.2 at the levels A and AA, and what axe calls good practice.
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
# For an element to come, a click to be possible, a page to load: a busy machine takes long.
SLOW_MS = 60_000
Scheme: TypeAlias = Literal["light", "dark"]
DESKTOP, PHONE = (1280, 900), (360, 740)
expect.set_options(timeout=SLOW_MS)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Raise NotInstalled with the command that installs Chromium."""
    install_missing(PROGRAMS, PACKAGES)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path_of("chromium"), args=FLAGS, timeout=SLOW_MS
        )
        yield browser
        await browser.close()


@dataclass
class Window:
    """A tab of a fresh context. What the page complains of is kept."""

    page: Page
    context: BrowserContext
    complaints: list[str]
    url: str

    async def open(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def violations(self, *rules: str) -> list[str]:
        """What axe finds by these rules, or by all: each rule with the elements that break it."""
        # A policy of the page forbids scripts that it does not serve, so axe comes by the driver.
        await self.page.evaluate(AXE.read_text())
        chosen = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": RULES}
        options = {"runOnly": chosen, "resultTypes": ["violations"]}
        found: Any = await self.page.evaluate(f"axe.run(document, {json.dumps(options)})")
        return [
            f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    async def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(await self.page.evaluate(script))

    async def focused(self) -> str:
        """The text, or the name, of what has the focus of the keyboard."""
        script = (
            "(document.activeElement.name || document.activeElement.innerText || "
            "document.activeElement.ariaLabel || document.activeElement.tagName).trim()"
        )
        return str(await self.page.evaluate(script))


@asynccontextmanager
async def open_window(
    browser: Browser,
    url: str,
    cookies: dict[str, str],
    *,
    scheme: Scheme = "light",
    size: tuple[int, int] = DESKTOP,
    javascript: bool = True,
) -> AsyncIterator[Window]:
    """A window in which somebody is logged in by these cookies. It leaves with no complaint."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        java_script_enabled=javascript,
        reduced_motion="reduce",
        # The clock of tests begins elsewhere; a text that depends on the zone would change.
        timezone_id="UTC",
        locale="en-GB",
    )
    context.set_default_timeout(SLOW_MS)
    await context.add_cookies([{"name": n, "value": v, "url": url} for n, v in cookies.items()])
    page = await context.new_page()
    complaints: list[str] = []

    def note(each: ConsoleMessage) -> None:
        if each.type == "error":
            complaints.append(each.text)

    page.on("console", note)
    page.on("pageerror", lambda each: complaints.append(str(each)))
    yield Window(page, context, complaints, url)
    await context.close()
    assert complaints == [], complaints
