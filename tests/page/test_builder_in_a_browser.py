"""The builder of workflows in Chromium: the picture, the form and the text say the same.

On SQLite alone, because the engine plays no part in what a browser shows.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, expect

from store.engine.database import open_store
from tests.conftest import sqlite_copy
from tests.support.browser import PHONE, Scheme, open_browser, open_window
from tests.support.login import LoginServer, open_login_server
from tests.support.page import HERE, signed_in
from tests.support.story import Clock, open_workspace

pytestmark = pytest.mark.asyncio(loop_scope="session")
PICTURES = Path(__file__).parents[2] / "docs/reference"
EDIT = f"{HERE}/workflows/edit"
TEXT = """\
# How we build a feature.
description: Build a feature
inputs:
  feature: {description: What to build,  required: true}   # odd  spaces
steps:
  - id: design   # first
    title: 'Design ${{ inputs.feature }}'
    body: |
      Write down what it does.
    outputs: [api]

  - id: agree
    title: Approve the design
    approve: maintainers
    needs: [design]

  # All at once.
  - id: build
    title: Build ${{ inputs.feature }}
    body: Make it work.
    needs: [ agree ]   # after the gate
    retry: 2
    on_failure: {compensate: undo}
  - id: docs
    title: Describe ${{ inputs.feature }}
    body: In the manual.
    needs: [agree]
  - id: tell
    title: Tell the others that it failed
    body: Write to the list.
    needs: [build]
    if: failure
  - id: undo
    title: Undo the build
    body: Revert it.
"""
LARGE = "steps:\n" + "".join(
    f"""
  # Step {n} of many
  - id: s{n}
    title: Do number {n}
    body: |
      Do it
      well.
    needs: [{", ".join(f"s{k}" for k in range(max(0, n - 10), n, 4))}]
"""
    for n in range(200)
).replace("    needs: []\n", "")
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
PATH = ".github/hubbub/workflows/feature.yml"
FEATURE = f"{EDIT}?repository=acme/rocket&name=feature"


@dataclass(frozen=True)
class World:
    browser: Browser
    server: LoginServer
    cookies: dict[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory, openapi: Path | None
) -> AsyncIterator[World]:
    """One browser, one server and one workspace with a workflow file for all tests here."""
    clock = Clock()
    url = sqlite_copy(migrated_sqlite_file, tmp_path_factory.mktemp("builder") / "page.db")
    store = await open_store(url, clock)
    async with (
        open_workspace(store, clock, openapi) as workspace,
        open_login_server(workspace) as server,
        open_browser() as browser,
    ):
        workspace.person.push(workspace.repository, "main", {PATH: TEXT})
        await workspace.settle()
        me = await signed_in(server)
        for _ in range(4):  # until the file was read from GitHub
            await me.open(FEATURE)
            await workspace.settle()
        yield World(browser, server, me.cookies)
    await store.close()


def text(page: Page) -> Locator:
    return page.locator("textarea[name=text]")


def node(page: Page, name: str) -> Locator:
    """A step in the picture."""
    return page.locator("#builder-picture a").filter(has=page.get_by_text(name, exact=True))


def side(page: Page) -> Locator:
    return page.locator("#builder-side")


async def text_now(page: Page) -> str:
    return await text(page).input_value()


async def put(page: Page, changed: str) -> None:
    """A whole text at once, as pasting does. Typing a long one takes the driver many seconds."""
    paste = "(t, v) => { t.value = v; t.dispatchEvent(new Event('input', { bubbles: true })); }"
    await text(page).evaluate(paste, changed)


async def test_axe_finds_nothing_in_the_builder_in_light_and_dark_on_sqlite(world: World) -> None:
    found = {}
    for scheme in SCHEMES:
        async with open_window(
            world.browser, world.server.url, world.cookies, scheme=scheme
        ) as window:
            page = window.page
            await window.open(FEATURE)
            found[scheme, "file"] = await window.violations()
            for name in ("build", "agree"):
                await node(page, name).click()
                await expect(page.locator("#side-title")).to_have_text(f"Step {name}")
                found[scheme, name] = await window.violations()
            await put(page, TEXT.replace("needs: [design]", "needs: [desgin]"))
            await expect(page.locator("#builder-status")).to_have_text("1 problem.")
            found[scheme, "problem"] = await window.violations()
    assert {key: each for key, each in found.items() if each} == {}


async def test_the_builder_is_no_wider_than_a_phone_on_sqlite(world: World) -> None:
    async with open_window(world.browser, world.server.url, world.cookies, size=PHONE) as window:
        await window.open(FEATURE)
        await node(window.page, "design").click()
        await expect(window.page.locator("#side-title")).to_have_text("Step design")
        assert await window.overflow() <= 0


async def test_an_edit_of_the_picture_changes_only_its_lines_of_the_text_on_sqlite(
    world: World,
) -> None:
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(FEATURE)
        await node(page, "build").click()
        await side(page).get_by_label("Title").fill("Build it all")
        await side(page).get_by_label("Further attempts").click()
        built = TEXT.replace("title: Build ${{ inputs.feature }}", "title: Build it all")
        await expect(text(page)).to_have_value(built)
        await expect(node(page, "build")).to_contain_text("Build it all")
        await side(page).get_by_label("Another step").select_option("docs")
        await side(page).get_by_role("button", name="Connect").click()
        connected = built.replace("[ agree ]   # after", "[ agree, docs ]   # after")
        await expect(text(page)).to_have_value(connected)
        await side(page).get_by_role("button", name="Remove agree").click()
        await expect(text(page)).to_have_value(connected.replace("agree, docs", "docs"))
        for expected in (connected, built, TEXT):
            await page.get_by_role("button", name="Undo", exact=True).click()
            await expect(text(page)).to_have_value(expected)
        await expect(node(page, "build")).to_contain_text("inputs.feature")


@asynccontextmanager
async def slow_answers(page: Page) -> AsyncIterator[None]:
    """Until the end of the block, an answer of the server stays on its way."""
    arrive = asyncio.Event()

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        await arrive.wait()
        await route.fulfill(response=answer)

    await page.route("**/*fragment=builder", hold)
    yield
    arrive.set()
    await page.unroute_all(behavior="wait")


async def test_undo_twice_goes_two_edits_back_however_slow_the_server_is_on_sqlite(
    world: World,
) -> None:
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(FEATURE)
        await page.get_by_role("button", name="Add a gate").click()
        await expect(node(page, "gate-1")).to_have_count(1)
        await page.get_by_role("button", name="Add a tool").click()
        await expect(node(page, "tool-1")).to_have_count(1)
        async with slow_answers(page):
            for _ in range(2):
                await page.get_by_role("button", name="Undo", exact=True).click()
        await expect(node(page, "gate-1")).to_have_count(0)
        await expect(text(page)).to_have_value(TEXT)


async def test_what_is_typed_while_an_edit_is_on_its_way_stays_on_sqlite(world: World) -> None:
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(FEATURE)
        await node(page, "docs").click()
        await expect(page.locator("#side-title")).to_have_text("Step docs")
        async with slow_answers(page):
            await side(page).get_by_label("Title").fill("Describe all")
            await text(page).fill(TEXT.replace("# How we build", "# As we build"))
        expected = TEXT.replace("# How we build", "# As we build")
        expected = expected.replace("Describe ${{ inputs.feature }}", "Describe all")
        await expect(text(page)).to_have_value(expected)
        async with slow_answers(page):
            await side(page).get_by_label("Title").fill("Describe more")
            await side(page).get_by_label("Title").press("Enter")
            await side(page).get_by_label("What to do").fill("In a new chapter.")
        await expect(node(page, "docs")).to_contain_text("Describe more")
        await expect(side(page).get_by_label("What to do")).to_have_value("In a new chapter.")
        await side(page).get_by_label("Title").focus()
        expected = expected.replace("Describe all", "Describe more")
        await expect(text(page)).to_have_value(
            expected.replace("In the manual.", "In a new chapter.")
        )


async def test_a_step_is_meant_by_its_id_when_an_edit_moves_it_on_sqlite(world: World) -> None:
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(FEATURE)
        await node(page, "tell").focus()
        async with slow_answers(page):
            await page.keyboard.press("Delete")
            await page.keyboard.press("Delete")
            await node(page, "undo").click()
        await expect(page.locator("#side-title")).to_have_text("Step undo")
        rest = TEXT[: TEXT.index("  - id: tell")] + TEXT[TEXT.index("  - id: undo") :]
        await expect(text(page)).to_have_value(rest)


async def test_what_is_saved_has_the_edit_that_is_on_its_way_on_sqlite(world: World) -> None:
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(FEATURE)
        await node(page, "docs").click()
        await expect(page.locator("#side-title")).to_have_text("Step docs")
        async with slow_answers(page):
            await side(page).get_by_label("Title").fill("Describe all of it")
            await page.get_by_role("button", name="Save as a pull request").click()
        await expect(
            page.get_by_role("heading", name="What happens when you confirm")
        ).to_be_visible()
        await expect(page.locator("main")).to_contain_text("Describe all of it")


async def test_typing_yaml_draws_it_again_and_keeps_every_character_on_sqlite(
    world: World,
) -> None:
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(FEATURE)
        typed = TEXT + "  - id: party   # at last\n    title: Celebrate\n    body:   Cake\n"
        await put(page, typed)
        await expect(node(page, "party")).to_contain_text("Celebrate")
        await expect(text(page)).to_have_value(typed)
        await put(page, typed.replace("steps:", "steps"))
        await expect(page.locator("#builder-status")).to_contain_text("cannot be read")
        await put(page, typed.replace("[design]", "[desgin]"))
        problem = page.locator("#builder-problems li")
        await expect(problem).to_contain_text("Line 15, steps.agree.needs")
        await expect(page.locator("#builder-picture .wrong")).to_contain_text("agree")
        await problem.get_by_role("link").click()
        chosen = "[t => t.value.slice(t.selectionStart, t.selectionEnd)][0]"
        assert await text(page).evaluate(chosen) == "    needs: [desgin]"


async def test_steps_are_connected_by_dragging_on_sqlite(world: World) -> None:
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(FEATURE)
        before = await page.locator("#builder-picture [data-port]").first.bounding_box()
        after = await node(page, "docs").bounding_box()
        assert before
        assert after
        await page.mouse.move(before["x"] + 8, before["y"] + 8)
        await page.mouse.down()
        await page.mouse.move(after["x"] + 30, after["y"] + 20, steps=4)
        await page.mouse.up()
        connected = TEXT.replace("needs: [agree]", "needs: [agree, design]")
        await expect(text(page)).to_have_value(connected)


async def test_a_workflow_is_built_by_the_keyboard_alone_on_sqlite(world: World) -> None:
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page, keyboard = window.page, window.page.keyboard
        await window.open(FEATURE)
        await node(page, "design").focus()
        await keyboard.press("ArrowRight")
        await expect(node(page, "agree")).to_be_focused()
        await keyboard.press("Enter")
        await expect(page.locator("#side-title")).to_be_focused()
        await expect(page.locator("#side-title")).to_have_text("Step agree")
        await keyboard.press("Tab")
        await keyboard.type("agree-all")
        await keyboard.press("Enter")
        agreed = TEXT.replace("id: agree", "id: agree-all").replace("[ agree ]", "[ agree-all ]")
        agreed = agreed.replace("[agree]", "[agree-all]")
        await expect(text(page)).to_have_value(agreed)
        await keyboard.press("Escape")
        await expect(node(page, "agree-all")).to_be_focused()
        await keyboard.press("Delete")
        await expect(node(page, "agree-all")).to_have_count(0)
        await page.locator("#builder-picture a").first.focus()
        await keyboard.press("Control+z")
        await expect(text(page)).to_have_value(agreed)


async def test_the_builder_works_without_javascript_on_sqlite(world: World) -> None:
    async with open_window(
        world.browser, world.server.url, world.cookies, javascript=False
    ) as window:
        page = window.page
        await window.open(FEATURE)
        await page.get_by_role("button", name="docs", exact=True).click()
        await side(page).get_by_label("Title").fill("Describe all")
        await side(page).get_by_role("button", name="Apply").click()
        described = TEXT.replace("Describe ${{ inputs.feature }}", "Describe all")
        await expect(text(page)).to_have_value(described)
        await page.get_by_role("button", name="Add a gate").click()
        await expect(page.locator("#side-title")).to_have_text("Step gate-1")
        await page.get_by_role("button", name="Undo", exact=True).click()
        await expect(text(page)).to_have_value(described)
        await text(page).fill(TEXT.replace("[design]", "[desgin]"))
        await page.get_by_role("button", name="Check and draw").click()
        await expect(page.locator("#builder-problems li")).to_have_count(1)


async def test_a_step_that_a_tool_does_is_built_and_its_comments_stay_on_sqlite(
    world: World,
) -> None:
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(FEATURE)
        await node(page, "design").click()
        await page.get_by_role("button", name="Add a tool").click()
        await expect(page.locator("#side-title")).to_have_text("Step tool-1")
        await side(page).get_by_label("Tool (SERVER").fill("weather__forecast")
        await side(page).get_by_label("Another argument").fill("city")
        await expect(node(page, "tool-1")).to_contain_text("weather__forecast")
        await side(page).get_by_label("Another argument").fill("city")
        await side(page).get_by_label("Its value").fill("${{ inputs.feature }}")
        await side(page).get_by_role("button", name="Add the argument").click()
        added = "    arguments: {city: '${{ inputs.feature }}'}\n"
        await expect(side(page).get_by_label("Argument city")).to_be_visible()
        assert added in await text_now(page)
        await expect(side(page).get_by_label("Lowest role")).to_have_count(0)
        block = (
            "    arguments:\n      # Where we are.\n      city: Turin   # at home\n      days: 3\n"
        )
        written = (await text_now(page)).replace(added, block)
        await put(page, written)
        await expect(side(page).get_by_label("Argument days")).to_have_value("3")
        await side(page).get_by_label("Argument days").fill("5")
        await side(page).get_by_label("Further attempts").click()
        await expect(text(page)).to_have_value(written.replace("days: 3", "days: 5"))
        await side(page).get_by_role("button", name="Remove days").click()
        await expect(text(page)).to_have_value(written.replace("      days: 3\n", ""))
        await expect(page.locator("#builder-status")).to_contain_text("no problems")


async def test_hostile_titles_are_only_text_on_sqlite(world: World) -> None:
    title = "</textarea></title><script>alert(1)</script><img src=x onerror=alert(2)>"
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(FEATURE)
        changed = TEXT.replace("Approve the design", f"'{title}'")
        changed = changed.replace("name: x", "")
        await put(page, changed)
        await expect(page.locator("#builder-list")).to_contain_text(title)
        await node(page, "agree").click()
        await expect(side(page).get_by_label("Title")).to_have_value(title)
        assert await page.locator("main script, main img").count() == 0


async def test_two_hundred_steps_are_drawn_and_edited_on_sqlite(world: World) -> None:
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(EDIT)
        await put(page, LARGE)
        await expect(page.locator("#builder-picture a")).to_have_count(200)
        await node(page, "s100").click()
        await expect(page.locator("#side-title")).to_have_text("Step s100")
        await side(page).get_by_label("Id", exact=True).fill("middle")
        await side(page).get_by_label("Id", exact=True).press("Enter")
        await expect(node(page, "middle")).to_have_count(1)
        renamed = re.sub(r"\bs100\b", "middle", LARGE)
        assert await text_now(page) == renamed


async def test_a_workflow_is_saved_as_a_pull_request_on_sqlite(world: World) -> None:
    workspace = world.server.workspace
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(FEATURE)
        await node(page, "docs").click()
        await side(page).get_by_label("Title").fill("Describe all")
        described = TEXT.replace("Describe ${{ inputs.feature }}", "Describe all")
        await side(page).get_by_label("Title").press("Enter")
        await expect(text(page)).to_have_value(described)
        await page.get_by_role("button", name="Save as a pull request").click()
        await expect(
            page.get_by_role("heading", name="What happens when you confirm")
        ).to_be_visible()
        await page.get_by_role("button", name="Save as a pull request").click()
        await page.wait_for_url("**done=save-workflow**")
    await workspace.settle()
    (pull,) = workspace.repository.pulls.values()
    head = workspace.repository.branches[pull.head]
    assert workspace.repository.commits[head].files[PATH] == described


@pytest.mark.skipif(not os.environ.get("HUBBUB_UPDATE_SNAPSHOTS"), reason="draws a new picture")
async def test_the_picture_of_the_builder_is_drawn_on_sqlite(world: World) -> None:
    """HUBBUB_UPDATE_SNAPSHOTS=1 draws the picture of the docs."""
    async with open_window(world.browser, world.server.url, world.cookies) as window:
        page = window.page
        await window.open(FEATURE)
        await node(page, "agree").click()
        await expect(page.locator("#side-title")).to_have_text("Step agree")
        await page.locator("#builder-picture .scroll").evaluate("e => e.scrollTo(0, 0)")
        await page.evaluate("window.scrollTo(0, 0)")
        await page.screenshot(path=PICTURES / "page-builder-light.png")
