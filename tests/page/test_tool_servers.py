"""The page of tool servers: what they are, their tools and logs, and the buttons."""

import html
import re
from collections.abc import AsyncIterator

import pytest

from tests.support.login import LoginServer
from tests.support.mounts import put_in
from tests.support.page import HERE, confirm, signed_in, text_of
from tests.support.tool_server import ToolServer, open_tool_server
from tests.support.upstreams import reaching

SECRET = "k3y-of-ours-0123456789"


@pytest.fixture
async def tickets() -> AsyncIterator[ToolServer]:
    async with open_tool_server(token=SECRET) as opened:
        yield opened


def buttons(text: str, name: str) -> list[str]:
    return [html.unescape(each) for each in re.findall(rf'href="([^"]*/do/{name}[^"]*)"', text)]


async def test_a_server_is_shown_stopped_and_removed(server: LoginServer) -> None:
    browser = await signed_in(server)
    assert "No tool server yet" in await text_of(browser, f"{HERE}/tool-servers")
    await put_in(server.workspace, "tickets", "search")
    listed = await text_of(browser, f"{HERE}/tool-servers")
    assert "https://tickets.example.com" not in listed
    (stop,) = buttons(listed, "stop-mount")
    assert (await confirm(browser, stop)).location == f"{HERE}/tool-servers?done=stop-mount"
    shown = await text_of(browser, f"{HERE}/tool-servers/tickets")
    for each in ("Looks for tickets.", "Stopped by @octocat.", "bearer", ">stopped<"):
        assert each in shown, each
    assert "secret" not in shown.split("<main", 1)[1].lower()
    (remove,) = buttons(shown, "remove-mount")
    await confirm(browser, remove)
    assert "No tool server yet" in await text_of(browser, f"{HERE}/tool-servers")


async def test_a_server_is_added_by_a_form_that_does_not_show_its_secret(
    server: LoginServer, tickets: ToolServer
) -> None:
    browser = await signed_in(server)
    async with reaching(server.workspace, tickets.origin):
        form = await text_of(browser, f"{HERE}/do/add-mount")
        assert '<input type="password" name="secret"' in form
        for wrong, why in (
            (
                {"mount": "My own", "url": tickets.url},
                ("mount", "pass a name of small letters"),
            ),
            ({"mount": "tickets", "url": "ftp://x"}, ("url", "it must begin with https://")),
            (
                {"mount": "tickets", "url": tickets.url, "auth": "bearer"},
                ("secret", "pass it for bearer"),
            ),
        ):
            page = await browser.open(f"{HERE}/do/add-mount", "POST", **wrong)
            assert page.status == 422
            assert errors_beside(page.text) == [why[0]]
            assert why[1] in page.text.partition('class="wrong"')[2][:200]
        given = {"mount": "tickets", "url": tickets.url, "auth": "bearer", "secret": SECRET}
        preview = await browser.open(f"{HERE}/do/add-mount", "POST", **given)
        assert "Hubbub connects to the address with the credential" in preview.text
        assert "Nothing is sent" not in preview.text
        done = await confirm(
            browser,
            f"{HERE}/do/add-mount",
            mount="tickets",
            url=tickets.url,
            auth="bearer",
            secret=SECRET,
            back=f"{HERE}/tool-servers",
        )
        assert done.location == f"{HERE}/tool-servers?done=add-mount"
        assert "connected" in await text_of(browser, f"{HERE}/tool-servers")


def errors_beside(text: str) -> list[str]:
    """The fields beside which an error stands."""
    return re.findall(r'name="([^"]+)" aria-invalid="true" aria-describedby="wrong-\d+"', text)
