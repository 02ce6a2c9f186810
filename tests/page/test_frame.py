"""The frame of the page: the way in, the account, headers, errors, and the operator's link."""

import re

from bot.identity.people import operator_links
from tests.support.login import LoginServer
from tests.support.page import HERE, operator, signed_in, text_of


async def test_only_a_browser_gets_the_page_at_the_root(server: LoginServer) -> None:
    async with server.client.get(server.url + "/") as response:
        assert response.content_type == "text/plain"
        assert "POST /webhooks/github" in await response.text()
    browser = server.browser("octocat")
    first = await browser.open("/")
    assert (first.status, first.location) == (303, "/sign-in?return_to=%2F")
    page = await browser.open(f"{HERE}/tasks?state=any")
    assert page.location == "/sign-in?return_to=%2Faccounts%2Facme%2Ftasks%3Fstate%3Dany"
    offered = await text_of(browser, page.location)
    assert 'href="/login?return_to=%2Faccounts%2Facme%2Ftasks%3Fstate%3Dany"' in offered
    back = await browser.log_in("/login?return_to=/accounts/acme/tasks")
    assert back.location == "/accounts/acme/tasks"
    assert (await browser.open("/")).location == HERE


async def test_each_page_has_the_headers_that_protect_it(server: LoginServer) -> None:
    browser = await signed_in(server)
    page = await browser.open(HERE)
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", page.text)
    (style,) = re.findall(r'href="(/static/[0-9a-f]{12}/page\.css)"', page.text)
    asset = await browser.open(style)
    assert (asset.status, asset.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in asset.headers["Cache-Control"]
    other = await browser.open(re.sub(r"[0-9a-f]{12}", "0" * 12, style))
    assert other.status == 404, "an address of another version"
    assert (await browser.open("/static/x/../visit.py")).status == 404


async def test_an_account_without_a_role_is_not_found(server: LoginServer) -> None:
    browser = await signed_in(server)
    for account in ("other", "%00", "acme%2F..", "a" * 500):
        assert "There is no such account" in await text_of(browser, f"/accounts/{account}", 404)
    assert "Overview" in await text_of(browser, "/accounts/ACME"), "GitHub compares without case"


async def test_a_wrong_filter_says_what_is_wrong(server: LoginServer) -> None:
    browser = await signed_in(server)
    text = await text_of(browser, f"{HERE}/tasks?state=%3Cb%3E", 422)
    assert "This did not work" in text
    assert "<b>" not in text
    assert "`cursor` is wrong" in await text_of(browser, f"{HERE}/tasks?cursor=nonsense", 422)
    assert "no fragment" in await text_of(browser, f"{HERE}/tasks?fragment=base", 400)


async def test_the_login_ends_with_the_logout(server: LoginServer) -> None:
    browser = await signed_in(server)
    cookies = dict(browser.cookies)
    await browser.open("/logout", "POST")
    browser.cookies = cookies
    assert (await browser.open(HERE)).status == 303
    fragment = await browser.open(f"{HERE}?fragment=working")
    assert (fragment.status, fragment.text) == (401, "")
    assert fragment.headers["HX-Redirect"].startswith("/sign-in")


async def test_the_operator_sees_nothing_of_an_account_that_removed_the_app(
    server: LoginServer,
) -> None:
    workspace, browser = server.workspace, await operator(server)
    secret = await workspace.store.write(
        lambda tx: operator_links.add(tx, server.keys, workspace.installation.id)
    )
    assert "Overview" in await text_of(browser, HERE)
    workspace.github.uninstall(workspace.installation)
    await workspace.settle()
    for path in ("", "/agents", "/updates"):
        assert "There is no such account" in await text_of(browser, HERE + path, 404)
    late = server.browser()
    assert "does not work" in await text_of(late, f"/link/{secret}", 404)
    assert (await late.open(f"/link/{secret}", "POST")).status == 404


async def test_a_one_time_link_opens_the_page_once_for_the_operator(server: LoginServer) -> None:
    workspace = server.workspace
    secret = await workspace.store.write(
        lambda tx: operator_links.add(tx, server.keys, workspace.installation.id)
    )
    browser, other = server.browser(), server.browser()
    assert "Sign in as the operator" in await text_of(browser, f"/link/{secret}")
    assert "Sign in as the operator" in await text_of(other, f"/link/{secret}"), (
        "a look uses nothing"
    )
    assert (await browser.open(f"/link/{secret}", "POST")).location == "/"
    assert "operator" in await text_of(browser, HERE)
    for method in ("GET", "POST"):
        assert (await other.open(f"/link/{secret}", method)).status == 404
    assert other.cookies == {}
    rows = await workspace.rows(
        "SELECT operation, surface FROM audit WHERE installation_id = :i AND actor = 'operator' "
        "AND operation IN ('login', 'logout') ORDER BY seq"
    )
    assert rows == [{"operation": "login", "surface": "page"}]
    cookies = dict(browser.cookies)
    await browser.open("/logout", "POST")
    browser.cookies = cookies
    assert (await browser.open(HERE)).status == 303


async def test_a_link_ends_after_ten_minutes(server: LoginServer) -> None:
    workspace = server.workspace
    secret = await workspace.store.write(
        lambda tx: operator_links.add(tx, server.keys, workspace.installation.id)
    )
    workspace.clock.forward(operator_links.LINK_S + 1)
    assert (await server.browser().open(f"/link/{secret}", "POST")).status == 404
    assert (await server.browser().open("/link/%27", "POST")).status == 404
