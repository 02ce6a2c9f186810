"""The page of a tool: the change that waits, the policy, and the bench to try it."""

import html
import json
import re

from bot.repository.settings_file import PATH
from tests.support.login import LoginServer
from tests.support.page import HERE, confirm, hidden, signed_in, text_of
from tests.support.tool_desk import ToolDesk, spec, text

T = "linear__create_issue"


async def desk_of(server: LoginServer) -> ToolDesk:
    workspace = server.workspace
    desk = ToolDesk(workspace.dispatcher, workspace.clock, workspace.installation.id)
    await desk.mount("linear", spec("create_issue"), spec("list_issues"))
    return desk


def button(page: str, name: str) -> str:
    (found,) = re.findall(rf'href="([^"]*/do/{name}\?[^"]*)"', page)
    return html.unescape(found)


async def test_a_person_reads_the_difference_and_accepts_it(server: LoginServer) -> None:
    desk, browser = await desk_of(server), await signed_in(server)
    changed = spec("create_issue", description="Now <b>other</b> words.")
    await desk.relist("linear", changed, spec("list_issues"))
    listed = await text_of(browser, f"{HERE}/tool-servers/linear")
    assert f'href="{HERE}/tools/{T}"' in listed
    overview = await text_of(browser, HERE)
    assert f'href="{HERE}/tools/{T}">Read the difference</a>' in overview
    servers = await text_of(browser, f"{HERE}/tool-servers")
    assert f'href="{HERE}/tool-servers/linear?state=parked"' in servers
    parked = await text_of(browser, f"{HERE}/tool-servers/linear?state=parked")
    assert (f"/tools/{T}" in parked, "/tools/linear__list_issues" in parked) == (True, False)
    page = await text_of(browser, f"{HERE}/tools/{T}")
    for words in ("parked", "Only its words or hints change.", "Now &lt;b&gt;other&lt;/b&gt;"):
        assert words in page, words
    await confirm(browser, button(page, "accept-tool"))
    row = await desk.tool("linear", "create_issue")
    assert (row["state"], row["accepted_by"], row["version"]) == ("active", "@octocat", 2)


async def test_a_person_changes_the_policy_and_pins_the_tool(server: LoginServer) -> None:
    desk, browser = await desk_of(server), await signed_in(server)
    page = await text_of(browser, f"{HERE}/tools/{T}")
    form = await text_of(browser, button(page, "set-tool"))
    assert 'Time-out, in seconds <span class="muted">now: 30</span>' in form
    wrong = await browser.open(f"{HERE}/do/set-tool", "POST", tool=T, **{"policy.retries": "many"})
    assert 'name="policy.retries" aria-invalid="true"' in wrong.text
    fields = {"policy.role": "tester", "policy.timeout_s": "5", "policy.capabilities": "a, b"}
    await confirm(browser, f"{HERE}/do/set-tool", tool=T, **fields)
    await confirm(browser, button(page, "pin-tool"))
    row = await desk.tool("linear", "create_issue")
    assert row["pinned"] == 1
    assert row["policy"] == {"role": "tester", "timeout_s": 5, "capabilities": ["a", "b"]}
    await confirm(browser, f"{HERE}/do/set-tool", tool=T, **{"policy.timeout_s": "-"})
    row = await desk.tool("linear", "create_issue")
    assert row["policy"] == {"role": "tester", "capabilities": ["a", "b"]}


async def test_a_person_tries_the_tool_once_for_each_form(server: LoginServer) -> None:
    desk, browser = await desk_of(server), await signed_in(server)
    desk.servers.answers[T] = [text("Made <i>LIN-1</i>.")]
    sent = hidden(await text_of(browser, f"{HERE}/tools/{T}"))
    given = {"argument.title": "Leak", "argument.count": "2"}
    for _ in range(2):
        page = await browser.open(f"{HERE}/tools/{T}", "POST", **sent, **given)
        assert page.status == 200, page.text
        assert "Made &lt;i&gt;LIN-1&lt;/i&gt;." in page.text
    assert desk.servers.calls == [("linear", "create_issue", {"title": "Leak", "count": 2})]
    wrong = hidden(page.text) | {"argument.count": "many"}
    page = await browser.open(f"{HERE}/tools/{T}", "POST", **wrong)
    assert "<code>title</code> is missing" in page.text
    assert 'name="argument.title" aria-invalid="true"' in page.text
    page = await browser.open(f"{HERE}/tools/{T}", "POST", **given, token="x", key="0" * 32)
    assert page.status == 400
    assert len(desk.servers.calls) == 1


async def test_a_composed_tool_is_drawn_with_its_calls_and_tried(server: LoginServer) -> None:
    desk, browser = await desk_of(server), await signed_in(server)
    steps = [
        {"id": "made", "call": T, "with": {"title": "${{ arguments.what }} <b>"}},
        {"id": "again", "call": T, "if": "steps.made.outcome == 'ok'", "with": {"title": "Hm"}},
    ]
    chain = {"description": "Makes two.", "arguments": {"what": {}}, "steps": steps}
    workspace = server.workspace
    text_of_file = json.dumps({"tools": {"double": chain}})
    workspace.person.push(workspace.repository, "main", {PATH: text_of_file})
    await workspace.settle()
    listed = await text_of(browser, f"{HERE}/tool-servers/tools_rocket")
    name = "tools_rocket__double"
    assert f'href="{HERE}/tools/{name}"' in listed
    assert "refresh-mount" not in listed
    page = await text_of(browser, f"{HERE}/tools/{name}")
    for words in ("<svg", 'data-before="0" data-after="1"', "${{ arguments.what }} &lt;b&gt;"):
        assert words in page, words
    tried = await browser.open(
        f"{HERE}/tools/{name}", "POST", **hidden(page), **{"argument.what": "A"}
    )
    assert "the tool servers linear, through tools_rocket" in tried.text
    assert [call[2] for call in desk.servers.calls] == [{"title": "A <b>"}, {"title": "Hm"}]
