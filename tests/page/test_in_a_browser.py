"""The whole page in Debian's Chromium: watched live, by keyboard, narrow, dark, without scripts.

On SQLite alone, because the engine plays no part in what a browser shows.
"""

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from bot.plugins import installing
from bot.workflows import effects
from store.engine.database import open_store
from store.engine.transaction import Store
from tests.conftest import sqlite_copy
from tests.support.api_keys import add_api_key
from tests.support.browser import PHONE, Scheme, Window, open_browser, open_window
from tests.support.login import LoginServer, open_login_server
from tests.support.mounts import put_in
from tests.support.page import HERE, signed_in
from tests.support.page_story import PageStory, play
from tests.support.plugin_packages import package
from tests.support.plugin_registry import RegistryFolder
from tests.support.story import Clock, open_workspace
from webhooks.page.routes import PAGES

pytestmark = pytest.mark.asyncio(loop_scope="session")
PICTURES = Path(__file__).parents[2] / "docs/reference"
# A variable part of an address, with its pattern.
VARIABLE = re.compile(r"{(\w+)[^}]*}")


@dataclass(frozen=True)
class World:
    browser: Browser
    server: LoginServer
    story: PageStory
    cookies: dict[str, str]

    @property
    def url(self) -> str:
        return self.server.url

    def addresses(self) -> dict[str, str]:
        """The address of each page of the table, with examples for its variable parts."""
        values = {
            "guid": self.story.guid,
            "agent": "ada",
            "owner": "acme",
            "repository": "rocket",
            "number": str(self.story.pump.number),
            "task": self.story.task_id,
            "context": self.story.context_id,
            "workflow": self.story.workflow_id,
            "file": self.story.file_id,
            "mount": "tickets",
            "tool": "tickets__search",
            "plugin": "echo",
        }
        pages = [each.path for each in PAGES if each.path != "trackers/{tracker}"]
        filled = {path: VARIABLE.sub(lambda m: values[m[1]], path) for path in pages}
        return {path: f"{HERE}/{part}".rstrip("/") for path, part in filled.items()}


async def put_plugins(store: Store, folder: Path) -> None:
    """One that is installed, and that a registry has too."""
    given = installing.of_package(package())
    await installing.install(store, given, "operator", unsigned=True, update=False)
    registry = RegistryFolder(folder)
    registry.put(package())
    registry.build()
    await registry.add_to(store)
    await registry.look(store)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory, openapi: Path | None
) -> AsyncIterator[World]:
    """One browser, one server and one workspace for all tests here."""
    clock = Clock()
    url = sqlite_copy(migrated_sqlite_file, tmp_path_factory.mktemp("page") / "page.db")
    store = await open_store(url, clock, before_commit=effects.follow)
    async with (
        open_workspace(store, clock, openapi) as workspace,
        open_login_server(workspace) as server,
        open_browser() as browser,
    ):
        story = await play(workspace)
        await put_in(workspace, "tickets", "search")
        await put_plugins(store, tmp_path_factory.mktemp("registry"))
        cookies = (await signed_in(server)).cookies
        yield World(browser, server, story, cookies)
    await store.close()


async def test_axe_finds_nothing_on_any_page_in_light_and_dark_on_sqlite(world: World) -> None:
    found = {}
    # Only colours differ in the dark.
    rules_of: dict[Scheme, tuple[str, ...]] = {"light": (), "dark": ("color-contrast",)}
    for scheme, rules in rules_of.items():
        async with open_window(world.browser, world.url, world.cookies, scheme=scheme) as window:
            for path, address in world.addresses().items():
                await window.open(address)
                if violations := await window.violations(*rules):
                    found[scheme, path] = violations
    assert found == {}


async def test_no_page_is_wider_than_a_phone_on_sqlite(world: World) -> None:
    found = {}
    async with open_window(world.browser, world.url, world.cookies, size=PHONE) as window:
        for path, address in world.addresses().items():
            await window.open(address)
            found[path] = await window.overflow()
    assert {path: n for path, n in found.items() if n > 0} == {}


async def test_each_page_works_without_javascript_on_sqlite(world: World) -> None:
    async with open_window(world.browser, world.url, world.cookies, javascript=False) as window:
        page = window.page
        for address in world.addresses().values():
            await window.open(address)
            await expect(page.locator("h1")).to_be_visible()
        await window.open(f"{HERE}/tasks")
        await page.get_by_label("State").select_option("failed")
        await page.get_by_role("button", name="Filter").click()
        await expect(page.get_by_role("row")).to_have_count(2)
        await window.open(f"{HERE}/budget")
        await page.get_by_text("as a table").first.click()
        await expect(page.get_by_role("table").nth(2)).to_be_visible()


async def test_a_person_watches_work_as_it_happens_on_sqlite(world: World) -> None:
    """The story of the demo: a task is opened, claimed, worked on and finished. No reload."""
    workspace, name = world.story.workspace, ""
    async with open_window(world.browser, world.url, world.cookies) as window:
        page = window.page
        await window.open(f"{HERE}/tasks?state=any")
        await page.evaluate("window.kept = true")
        issue = await workspace.task("Fill the tank", "With kerosene.")
        name = workspace.name(issue)
        row = page.get_by_role("row").filter(has_text="Fill the tank")
        await expect(row).to_contain_text("waiting")
        agent = await workspace.agent("fay")
        fence = (await agent.call("claim_task", task=name))["fence"]
        await expect(row).to_contain_text("in progress")
        await expect(row).to_contain_text("fay")
        await agent.call("update_task_status", task=name, fence=fence, status="completed")
        await workspace.settle()
        await expect(row).to_contain_text("completed")
        assert await page.evaluate("window.kept"), "the page was loaded again"


async def test_what_somebody_opened_stays_open_when_the_page_follows_on_sqlite(
    world: World,
) -> None:
    workspace = world.story.workspace
    issue = await workspace.task("Clean the tank", "With water.")
    async with open_window(world.browser, world.url, world.cookies) as window:
        page = window.page
        await window.open(f"{HERE}/tasks/acme/rocket/{issue.number}")
        await page.get_by_text("Data of these events").click()
        rows = page.get_by_role("group", name="Data of the events").get_by_role("row")
        await expect(rows.first).to_be_visible()
        before = await rows.count()
        agent = await workspace.agent("flo")
        await agent.call("claim_task", task=workspace.name(issue))
        await expect(rows).not_to_have_count(before)
        await expect(rows.first).to_be_visible()


async def test_a_workflow_is_started_and_watched_as_it_happens_on_sqlite(world: World) -> None:
    workspace = world.story.workspace
    async with open_window(world.browser, world.url, world.cookies) as window:
        page = window.page
        await window.open(f"{HERE}/workflows")
        await page.get_by_role("link", name="Start feature of acme/rocket").click()
        await page.get_by_label("feature: What to build (required)").fill("the door")
        await page.get_by_role("button", name="Show the effect").click()
        await page.get_by_role("button", name="Start the workflow").click()
        await expect(page.get_by_text("Done: Start the workflow.")).to_be_visible()
        await workspace.settle()
        running = page.get_by_role("table").first.get_by_role("row")
        await expect(running).to_have_count(3)
        await running.nth(1).get_by_role("link").first.click()
        await page.wait_for_url("**/workflows/wf_*")
        await page.evaluate("window.kept = true")
        design = page.get_by_role("row").filter(has=page.get_by_role("link", name="design"))
        await expect(design).to_contain_text("Design the door")
        agent = await workspace.agent("dan")
        name = await design.get_by_role("link").first.get_attribute("href")
        assert name
        task = "#".join(name.rsplit("/tasks/")[1].rsplit("/", 1))
        fence = (await agent.call("claim_task", task=task))["fence"]
        await expect(design).to_contain_text("in progress")
        await expect(page.locator(".workflow a").first).to_contain_text("dan")
        await agent.call("send_message", to="bob", body="Which door?", task=task)
        await expect(page.get_by_text("Which door?")).to_be_visible()
        await agent.call("update_task_status", task=task, fence=fence, status="completed")
        await workspace.settle()
        await expect(design).to_contain_text("completed")
        build = page.get_by_role("row").filter(has=page.get_by_role("link", name="build-1"))
        await expect(build).to_contain_text("ready")
        assert await page.evaluate("window.kept"), "the page was loaded again"
        await page.get_by_role("link", name="Cancel the workflow").click()
        await page.get_by_role("button", name="Show the effect").click()
        await page.get_by_role("button", name="Cancel the workflow").click()
        await expect(page.get_by_text("Done: Cancel the workflow.")).to_be_visible()


async def test_an_action_shows_its_effect_before_it_runs_on_sqlite(world: World) -> None:
    workspace, ada = world.story.workspace, world.story.ada
    hull = workspace.name(world.story.hull)
    await ada.write("github_comment_issue", issue=hull, body="Coat 2 is wet")
    await ada.write("github_comment_issue", issue=hull, body="Coat 3 is wet")
    async with open_window(world.browser, world.url, world.cookies) as window:
        page = window.page
        await window.open(f"{HERE}/outbox?author=ada")
        await expect(page.get_by_text("Coat 3")).to_be_visible()
        await page.get_by_role("link", name="Cancel the comment of ada").first.click()
        await expect(page.get_by_role("heading", name="What happens")).to_be_visible()
        live = "SELECT id FROM writes WHERE installation_id = :i AND state = 'queued'"
        before = await workspace.rows(live)
        await page.get_by_role("button", name="Cancel the write").click()
        await expect(page.get_by_text("Done: Cancel the write.")).to_be_visible()
        await expect(page.get_by_text("Coat 3")).not_to_be_visible()
        assert len(await workspace.rows(live)) == len(before) - 1


async def test_the_page_is_used_by_the_keyboard_alone_on_sqlite(world: World) -> None:
    async with open_window(world.browser, world.url, world.cookies) as window:
        keyboard, page = window.page.keyboard, window.page
        await window.open(HERE)
        await keyboard.press("Tab")
        assert await window.focused() == "Skip to the content"
        await keyboard.press("Enter")
        await expect(page.locator("#main")).to_be_focused()
        await _tab_to(window, "Tasks", back=True)
        await keyboard.press("Enter")
        await page.wait_for_url("**/tasks")
        await _tab_to(window, "state")
        await keyboard.type("failed")
        await _tab_to(window, "Filter")
        await keyboard.press("Enter")
        await page.wait_for_url("**state=failed**")
        await _tab_to(window, "Tasks", skip=12)


async def _tab_to(window: Window, text: str, *, back: bool = False, skip: int = 0) -> None:
    """Press the key until what has this text has the focus."""
    for n in range(60):
        await window.page.keyboard.press("Shift+Tab" if back else "Tab")
        if n >= skip and await window.focused() == text:
            return
    raise AssertionError(f"{text} is not reached by the key Tab")


async def test_the_charts_are_drawn_and_follow_the_size_on_sqlite(world: World) -> None:
    async with open_window(world.browser, world.url, world.cookies) as window:
        await window.open(f"{HERE}/budget")
        charts = window.page.locator("figure.chart canvas")
        figures = await window.page.locator("figure.chart").count()
        assert figures >= 4
        await expect(charts).to_have_count(figures)
        await window.page.set_viewport_size({"width": 360, "height": 740})
        await expect(charts).to_have_count(figures)
        assert await window.overflow() == 0


async def test_an_operation_is_tried_on_the_page_of_the_api_on_sqlite(world: World) -> None:
    workspace = world.server.workspace
    i, keys = workspace.installation.id, workspace.dispatcher.shared.keys
    token = await workspace.store.write(lambda tx: add_api_key(tx, keys, i, "ada", "observer"))
    async with open_window(world.browser, world.url, {}) as window:
        page = window.page
        await window.open("/api/v1/docs")
        await page.get_by_role("button", name="Authorize").first.click()
        await page.get_by_label("auth-bearer-value").fill(token)
        await page.locator(".modal-ux .authorize").click()
        await page.locator(".btn-done").click()
        operation = page.locator("#operations-tasks-list_tasks")
        await operation.locator(".opblock-summary-control").click()
        await operation.get_by_role("button", name="Try it out").click()
        await operation.locator("textarea").fill('{"repository": "acme/rocket"}')
        await operation.get_by_role("button", name="Execute").click()
        answer = operation.locator(".live-responses-table .response").first
        await expect(answer).to_contain_text("200")
        await expect(answer).to_contain_text("acme/rocket#")


@pytest.mark.skipif(not os.environ.get("HUBBUB_UPDATE_SNAPSHOTS"), reason="draws new pictures")
async def test_the_pictures_of_the_page_are_drawn_on_sqlite(world: World) -> None:
    """HUBBUB_UPDATE_SNAPSHOTS=1 draws the pictures of README and docs."""
    task = f"{HERE}/tasks/acme/rocket/{world.story.pump.number}"
    shown: list[tuple[str, str, Scheme]] = [
        ("overview", HERE, "light"),
        ("overview", HERE, "dark"),
        ("task", task, "dark"),
        ("graph", f"{HERE}/graph", "light"),
        ("workflow", f"{HERE}/workflows/{world.story.workflow_id}", "light"),
    ]
    for name, address, scheme in shown:
        async with open_window(world.browser, world.url, world.cookies, scheme=scheme) as window:
            await window.open(address)
            await window.page.wait_for_load_state("load")
            await window.page.screenshot(path=PICTURES / f"page-{name}-{scheme}.png")
