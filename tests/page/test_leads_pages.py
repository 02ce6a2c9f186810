"""The pages for those who lead: where notifications go, and what to change."""

import html
import re

from bot.notifications import targets
from bot.notifications.rules import Rules
from bot.notifications.targets import Address
from bot.tenants import usage
from bot.tenants.own_settings import NOBODY
from store.tables.tenants import TenantRow
from store.tenants import own_settings
from tests.support.login import LoginServer
from tests.support.page import HERE, confirm, links, signed_in, text_of


async def test_where_notifications_go_is_shown_and_changed(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    i, address = workspace.installation.id, Address("https://hooks.slack.com/services/T0/secret")
    empty = await text_of(browser, f"{HERE}/notifications")
    assert "hubbub notify add slack our-channel --installation acme" in empty
    await workspace.store.write(
        lambda tx: targets.add(tx, server.keys, i, "slack", "ops", address, Rules(), "operator")
    )
    listed = await text_of(browser, f"{HERE}/notifications")
    assert "hooks.slack.com" in listed
    assert "secret" not in listed
    (pause,) = [each for each in _actions(listed) if "pause-target" in each]
    assert (await confirm(browser, pause)).location == f"{HERE}/notifications?done=pause-target"
    paused = await text_of(browser, f"{HERE}/notifications")
    assert '<span class="state paused">paused</span>' in paused
    (remove,) = [each for each in _actions(paused) if "remove-target" in each]
    await confirm(browser, remove)
    assert "No target yet" in await text_of(browser, f"{HERE}/notifications")


def _actions(text: str) -> list[str]:
    hrefs = re.findall(r'href="([^"]+-target[^"]*)"', text)
    return [html.unescape(each) for each in hrefs]


async def test_what_to_change_is_shown_with_its_evidence(server: LoginServer) -> None:
    workspace, browser = server.workspace, await signed_in(server)
    ada = await workspace.agent("ada")
    assert "Nothing stands out" in await text_of(browser, f"{HERE}/insights")
    for n in range(5):
        name = workspace.name(await workspace.task(f"Part {n}"))
        fence = (await ada.call("claim_task", task=name))["fence"]
        await ada.call(
            "update_task_status", task=name, fence=fence, status="failed", result="No fuel"
        )
    page = await text_of(browser, f"{HERE}/insights?days=1")
    assert "What to change" in page
    assert f'href="{HERE}/tasks/acme/rocket/5"' in page
    assert "This did not work" in await text_of(browser, f"{HERE}/insights?days=x", 422)
    assert "This did not work" in await text_of(browser, f"{HERE}/insights?days=400", 422)


async def test_what_the_account_used_is_shown_under_its_name_and_colour(
    server: LoginServer,
) -> None:
    workspace, i = server.workspace, server.workspace.installation.id
    agent = await workspace.agent("ada")
    await agent.call("send_message", to="ada", body="x")
    row: TenantRow = {**NOBODY, "installation_id": i, "name": "Acme Robots", "color": "#2a7d5f"}
    await workspace.store.write(lambda tx: own_settings.put(tx, row))
    await usage.count(workspace.store, i)
    browser = await signed_in(server)
    page = (await browser.open(f"{HERE}/usage")).text
    assert "Acme Robots</a>" in page
    assert "· Acme Robots</title>" in page
    assert re.search(r"Total</th>(<td[^>]*>\d+</td>)+", page)
    names = re.findall(r'<th scope="col" class="number">([^<]+)</th>', page.partition("Quotas")[0])
    assert names == ["Calls", "Bytes", "Messages", "Agents registered"], "only what was used"
    (sheet,) = re.findall(r'href="([^"]*look\.css[^"]*)"', page)
    style = await browser.open(html.unescape(sheet))
    assert style.text == ":root { --accent: #2a7d5f; --on-accent: #ffffff; }\n"


async def test_only_those_who_lead_have_these_pages_in_the_menu(server: LoginServer) -> None:
    server.workspace.github.person("mona", permissions={"acme/rocket": "write"})
    for login, shown in (("octocat", 1), ("mona", 0)):
        menu = await text_of(await signed_in(server, login), HERE)
        assert len(links(menu, "Insights")) == len(links(menu, "Notifications")) == shown
