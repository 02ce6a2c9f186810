"""`hubbub setup` in Debian's Chromium, with and without scripts. GitHub is the simulated one."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import expect

from fixtures.github import SimulatedGitHub
from tests.support.browser import PHONE, Window, open_browser, open_window
from tests.support.setups import Desk, Running, open_desk


@dataclass
class Person:
    """Somebody at their desk, who is signed in at GitHub. `clicks`: the buttons they pressed."""

    desk: Desk
    window: Window
    clicks: list[str]

    async def press(self, button: str) -> None:
        self.clicks.append(button)
        await self.window.page.get_by_role("button", name=button, exact=True).click()

    async def go_on(self, running: Running) -> None:
        """What `hubbub setup` opens in the browser."""
        await self.window.page.goto(await running.page())


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
async def person(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Person]:
    for name in [each for each in os.environ if each.startswith("HUBBUB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    async with (
        SimulatedGitHub() as github,
        open_desk(github, tmp_path) as desk,
        open_browser() as browser,
    ):
        github.lose_deliveries(1.0)
        github.repository("acme/rocket")
        github.add_member("acme", "octocat")
        cookies = github.sign_in("octocat")
        async with open_window(
            browser, github.url, cookies, size=PHONE, javascript=request.param
        ) as window:
            yield Person(desk, window, [])


async def test_three_clicks_in_a_browser_set_up_an_app(person: Person) -> None:
    running = person.desk.start(organization="acme", attended=True)
    await person.go_on(running)
    scripts = "Continue to GitHub" not in await person.window.page.content()
    if not scripts:
        # A script would have pressed it.
        await person.press("Continue to GitHub")
        person.clicks.clear()
    await person.press("Create GitHub App for acme")
    await expect(person.window.page.get_by_text("HUBBUB_GITHUB_APP_ID=")).to_be_visible()
    if scripts:
        assert await person.window.violations() == []
    assert await person.window.overflow() <= 0
    await person.press("Write the settings and install the App")
    await person.press("Install on acme")
    await expect(person.window.page.get_by_role("heading")).to_contain_text("installed on acme")
    await person.go_on(running)
    assert person.clicks == [
        "Create GitHub App for acme",
        "Write the settings and install the App",
        "Install on acme",
    ]
    if scripts:
        assert await person.window.violations() == []
    assert await person.window.overflow() <= 0
    await person.window.page.get_by_label("Cursor").check()
    await person.press("Connect")
    await expect(person.window.page.get_by_text("connects the agent cursor")).to_be_visible()
    await person.press("Finish")
    await expect(person.window.page.get_by_role("heading")).to_have_text("The setup is complete")
    assert await running.task == 0
    assert (person.desk.folder / "home/.cursor/mcp.json").exists()
