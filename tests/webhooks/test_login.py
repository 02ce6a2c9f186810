"""People log in with GitHub in a browser."""

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import WSMsgType

from bot.errors import Refused
from bot.identity import sessions
from bot.identity.access_tokens import ACCESS_S
from bot.identity.actors import Actor
from bot.identity.credentials import Grant
from bot.identity.people.browser_sessions import SignedIn, find
from store.tables.agents import Role
from tests.support.login import AUDIENCE, Browser, LoginServer, open_login_server
from tests.support.patience import SOON_S
from tests.support.story import Workspace
from webhooks.login import is_local

HUBBUB = "https://hubbub.example.com"


@pytest.fixture
async def server(workspace: Workspace) -> AsyncIterator[LoginServer]:
    async with open_login_server(workspace) as made:
        yield made


async def who(server: LoginServer, browser: Browser) -> SignedIn | None:
    cookie = browser.cookies.get("hubbub_session", "")
    return await server.workspace.store.read(lambda tx: find(tx, server.keys, cookie))


async def roles(server: LoginServer, browser: Browser) -> dict[int, Role]:
    found = await who(server, browser)
    assert found is not None
    return dict(found.reach[0].roles) if found.reach else {}


async def log_in(server: LoginServer, login: str = "octocat") -> Browser:
    browser = server.browser(login)
    page = await browser.log_in()
    assert page.status == 303
    return browser


async def access_token(server: LoginServer, browser: Browser) -> sessions.Issued:
    """A session of the person, as OAuth clients get one."""
    found = await who(server, browser)
    assert found is not None
    (reach,) = found.reach
    grant = Grant(reach.installation_id, f"@{found.login}", "observer", person_id=found.person_id)
    return await server.workspace.store.write(
        lambda tx: sessions.start(tx, server.keys, grant, audience=AUDIENCE)
    )


async def actor_of(server: LoginServer, issued: sessions.Issued) -> Actor:
    return await server.tokens.authenticate(issued.access_token)


# Logging in and out


async def test_a_person_logs_in_and_out(server: LoginServer) -> None:
    browser = server.browser("octocat")
    page = await browser.log_in()
    assert (page.status, page.location) == (303, "/login")
    welcome = await browser.open("/login")
    assert "You are logged in as @octocat" in welcome.text
    assert "acme: 1 repository" in welcome.text
    assert await roles(server, browser) == {server.workspace.repository.id: "tech-lead"}
    cookie = dict(browser.cookies)
    assert (await browser.open("/logout", "POST")).status == 200
    assert browser.cookies == {}
    browser.cookies = cookie
    assert await who(server, browser) is None, "the cookie is worth nothing any more"


async def test_the_login_goes_back_to_where_it_was_needed(server: LoginServer) -> None:
    browser = server.browser("octocat")
    page = await browser.log_in("/login?return_to=/oauth/authorize%3Fclient_id%3Dx")
    assert page.location == "/oauth/authorize?client_id=x"
    again = await browser.open("/login?return_to=/healthz")
    assert (again.status, again.location) == (303, "/healthz")


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example",
        "evil",
        "javascript:alert(1)",
        "/" + "a" * 3000,
        "//[",
        "//[x/",
    ],
)
async def test_the_login_leads_to_no_other_server(server: LoginServer, address: str) -> None:
    assert not is_local(address)
    browser = server.browser("octocat")
    there = await browser.client.get(
        f"{server.url}/login", params={"return_to": address}, allow_redirects=False
    )
    browser.cookies = {name: each.value for name, each in there.cookies.items()}
    back = await browser.open(there.headers["Location"])
    if back.status == 200:
        server.github.world.sign_ins.authorized.add(server.workspace.person.account)
        back = await browser.open(there.headers["Location"])
    assert (await browser.open(back.location)).location == "/login"


async def test_github_keeps_no_token_of_a_login_and_the_database_no_secret(
    server: LoginServer,
) -> None:
    browser = await log_in(server)
    assert server.github.world.sign_ins.tokens == {}
    rows = await server.workspace.store.read(
        lambda tx: tx.all("SELECT * FROM credentials WHERE kind = 'browser' AND revoked_at IS NULL")
    )
    stored = repr(rows)
    assert browser.cookies["hubbub_session"].split("_", 2)[2] not in stored
    assert "ghu_" not in stored


async def test_cookies_are_for_this_host_alone_and_not_for_scripts(workspace: Workspace) -> None:
    async with open_login_server(workspace, public_url=HUBBUB) as server:
        browser = server.browser("octocat")
        there = await browser.open("/login")
        (started,) = there.cookies
        assert re.fullmatch(
            r"__Host-hubbub_login_[\w-]{8}=\S+; "
            r"HttpOnly; Max-Age=600; Path=/; SameSite=Lax; Secure",
            started,
        )
        server.github.world.sign_ins.authorized.add(workspace.person.account)
        back = await browser.open(there.location)
        done = await browser.open(back.location.replace(HUBBUB, server.url))
        assert any(
            re.fullmatch(
                r"__Host-hubbub_session=\S+; HttpOnly; Max-Age=28800; Path=/; SameSite=Lax; Secure",
                each,
            )
            for each in done.cookies
        ), done.cookies
        assert done.headers["Cache-Control"] == "no-store"


async def test_the_pages_load_nothing_and_go_into_no_frame(server: LoginServer) -> None:
    page = await server.browser().open("/login/callback")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["X-Frame-Options"] == "DENY"


# Who is refused


async def test_a_login_that_another_browser_began_is_refused(server: LoginServer) -> None:
    mallory, victim = server.browser("octocat"), server.browser("ben")
    server.github.world.sign_ins.authorized.add(server.workspace.person.account)
    there = await mallory.open("/login")
    link = (await mallory.open(there.location)).location
    page = await victim.open(link)
    assert page.status == 400
    assert "This login did not begin in this browser" in page.text
    await victim.open("/login")
    asked = len(server.github.requests)
    page = await victim.open(link)
    assert "This login did not begin in this browser" in page.text, "nor with one of its own"
    assert len(server.github.requests) == asked, "GitHub did not get the code"
    assert "hubbub_session" not in victim.cookies


async def test_a_login_gives_a_new_cookie_whatever_the_browser_had(server: LoginServer) -> None:
    mallory = await log_in(server)
    planted = mallory.cookies["hubbub_session"]
    ben = server.github.person("ben", {"acme/rocket": "write"})
    server.github.world.sign_ins.authorized.add(ben.account)
    victim = server.browser("ben")
    back = await victim.open((await victim.open("/login")).location)
    victim.cookies["hubbub_session"] = planted
    await victim.open(back.location)
    assert victim.cookies["hubbub_session"] != planted
    found = await who(server, victim)
    assert found is not None
    assert found.login == "ben"
    assert await who(server, mallory) is None, "the planted login has ended"


async def test_a_login_under_way_ends_after_ten_minutes(server: LoginServer) -> None:
    browser = server.browser("octocat")
    server.github.world.sign_ins.authorized.add(server.workspace.person.account)
    back = await browser.open((await browser.open("/login")).location)
    server.workspace.clock.forward(600)
    assert (await browser.open(back.location)).status == 400


async def test_a_login_is_finished_once(server: LoginServer) -> None:
    browser = server.browser("octocat")
    server.github.world.sign_ins.authorized.add(server.workspace.person.account)
    there = await browser.open("/login")
    started = dict(browser.cookies)
    back = await browser.open(there.location)
    assert (await browser.open(back.location)).status == 303
    browser.cookies |= started
    page = await browser.open(back.location)
    assert (page.status, "GitHub did not accept the login" in page.text) == (400, True)


async def test_logins_in_several_tabs_end_in_any_order(server: LoginServer) -> None:
    browser = server.browser("octocat")
    server.github.world.sign_ins.authorized.add(server.workspace.person.account)
    tabs = [await browser.open(f"/login?return_to=/{each}") for each in ("first", "second")]
    backs = [await browser.open(each.location) for each in tabs]
    assert (await browser.open(backs[0].location)).location == "/first"
    session = dict(browser.cookies)["hubbub_session"]
    assert (await browser.open(backs[1].location)).location == "/second"
    assert browser.cookies == {"hubbub_session": session}, "the first tab's page is still valid"


async def test_tabs_opened_at_the_same_time_do_not_forget_each_other(server: LoginServer) -> None:
    server.github.world.sign_ins.authorized.add(server.workspace.person.account)
    alone = [server.browser("octocat") for _ in range(2)]
    theirs = [await each.open(f"/login?return_to=/{k}") for k, each in enumerate(alone)]
    both = alone[0].cookies | alone[1].cookies
    assert len(both) == 2
    browser = server.browser("octocat")
    browser.cookies = both
    for k, each in enumerate(theirs):
        back = await browser.open(each.location)
        assert (await browser.open(back.location)).location == f"/{k}"


async def test_many_logins_under_way_leave_no_pile_of_cookies(server: LoginServer) -> None:
    browser = server.browser("octocat")
    server.github.world.sign_ins.authorized.add(server.workspace.person.account)
    longest = "/" + "a" * 2000
    for path in ["/x", longest] * 20:
        last = await browser.open(f"/login?return_to={path}")
        server.workspace.clock.forward(1)
        size = sum(len(name) + len(each) for name, each in browser.cookies.items())
        assert size < 3600
    back = await browser.open(last.location)
    assert (await browser.open(back.location)).location == longest


async def test_who_logs_in_again_later_gets_a_new_cookie(server: LoginServer) -> None:
    browser = await log_in(server)
    kept = dict(browser.cookies)
    server.workspace.clock.forward(600)
    browser.cookies.clear()
    there = await browser.open("/login")
    browser.cookies |= kept
    back = await browser.open(there.location)
    await browser.open(back.location)
    assert browser.cookies["hubbub_session"] != kept["hubbub_session"]


async def test_who_declines_is_told_so(server: LoginServer) -> None:
    browser = server.browser("octocat")
    there = await browser.open("/login")
    state = re.search(r"state=([^&]+)", there.location)
    assert state is not None
    page = await browser.open(f"/login/callback?error=access_denied&state={state[1]}")
    assert (page.status, "You declined on GitHub" in page.text) == (403, True)


async def test_a_stranger_is_told_what_to_do(server: LoginServer) -> None:
    browser = server.browser("stranger")
    page = await browser.log_in()
    assert page.status == 403
    assert "you have no role in any repository on which this App is installed" in page.text
    assert "hubbub_session" not in browser.cookies


async def test_a_wrong_client_secret_or_an_absent_github_breaks_nothing(
    workspace: Workspace,
) -> None:
    async with open_login_server(workspace, client_secret="wrong") as server:
        page = await server.browser("octocat").log_in()
        assert (page.status, "GitHub did not accept the login" in page.text) == (400, True)
    async with open_login_server(workspace) as server:
        server.github.fault("GET", "/user$", "502")
        page = await server.browser("octocat").log_in()
        assert (page.status, "GitHub does not answer" in page.text) == (503, True)


# What a login lasts, and how it follows GitHub


async def test_a_login_lasts_eight_hours(server: LoginServer) -> None:
    browser = await log_in(server)
    server.workspace.clock.forward(8 * 3600 - 5)
    assert await who(server, browser) is not None
    server.workspace.clock.forward(5)
    assert await who(server, browser) is None


async def test_a_role_follows_the_permission_when_github_says_so(server: LoginServer) -> None:
    server.github.person("ben", {"acme/rocket": "admin"})
    browser = await log_in(server, "ben")
    issued = await access_token(server, browser)
    assert (await actor_of(server, issued)).role == "tech-lead"
    server.github.set_permission("acme/rocket", "ben", "read")
    await server.workspace.process_delivery()
    with pytest.raises(Refused, match="@ben has no role in any repository"):
        await actor_of(server, issued)
    await server.workspace.settle()
    assert await roles(server, browser) == {server.workspace.repository.id: "observer"}
    assert (await actor_of(server, issued)).role == "observer"
    server.github.set_permission("acme/rocket", "ben", None)
    await server.workspace.settle()
    assert await roles(server, browser) == {}
    with pytest.raises(Refused):
        await actor_of(server, issued)


async def test_a_permission_that_comes_later_counts_without_a_new_login(
    server: LoginServer,
) -> None:
    browser = await log_in(server)
    issued = await access_token(server, browser)
    api = server.github.repository("acme/api", private=True)
    server.github.add_repositories(server.workspace.installation, ["acme/api"])
    await server.workspace.settle()
    assert api.id not in await roles(server, browser)
    server.github.set_permission("acme/api", "octocat", "write")
    await server.workspace.settle()
    assert (await roles(server, browser))[api.id] == "developer"
    actor = await actor_of(server, issued)
    assert (actor.role_in(api.id), actor.role) == ("developer", "developer")


async def test_a_change_without_a_webhook_is_seen_after_the_next_refresh(
    server: LoginServer,
) -> None:
    server.github.person("ben", {"acme/rocket": "admin"})
    await server.workspace.settle()
    browser = await log_in(server, "ben")
    issued = await access_token(server, browser)
    server.github.hold_deliveries()
    server.github.set_permission("acme/rocket", "ben", None)
    server.workspace.clock.forward(ACCESS_S - 1)
    assert (await actor_of(server, issued)).role == "tech-lead"
    again = await server.workspace.store.write(
        lambda tx: sessions.refresh(tx, server.keys, issued.refresh_token, audience=AUDIENCE)
    )
    assert isinstance(again, sessions.Issued)
    await server.workspace.settle()
    with pytest.raises(Refused):
        await actor_of(server, again)


async def test_a_page_that_is_open_for_long_asks_github_again(server: LoginServer) -> None:
    server.github.person("ben", {"acme/rocket": "admin"})
    await server.workspace.settle()
    browser = await log_in(server, "ben")
    server.github.hold_deliveries()
    server.github.set_permission("acme/rocket", "ben", "triage")
    server.workspace.clock.forward(601)
    await browser.open("/login")
    await server.workspace.settle()
    assert await roles(server, browser) == {server.workspace.repository.id: "tester"}


async def test_a_repository_that_the_app_loses_is_lost_for_people_too(server: LoginServer) -> None:
    browser = await log_in(server)
    issued = await access_token(server, browser)
    server.github.remove_repositories(server.workspace.installation, ["acme/rocket"])
    await server.workspace.settle()
    assert await roles(server, browser) == {}
    with pytest.raises(Refused):
        await actor_of(server, issued)


async def test_a_person_keeps_who_they_are_after_a_change_of_their_login(
    server: LoginServer,
) -> None:
    task = await server.workspace.task()
    browser = await log_in(server)
    issued = await access_token(server, browser)
    actor = await actor_of(server, issued)
    claimed = await server.workspace.dispatcher.call(
        actor, "claim_task", {"task": server.workspace.name(task)}
    )
    assert claimed["task"]["holder"] == "@octocat"
    server.github.rename_account("octocat", "hexacat")
    other = server.github.person("octocat", {"acme/rocket": "read"})
    await server.workspace.settle()
    browser.cookies.clear()
    page = await browser.log_in()
    assert page.status == 303
    renamed = await actor_of(server, issued)
    assert (renamed.name, renamed.role) == ("@hexacat", "tech-lead")
    shown = await server.workspace.dispatcher.call(
        renamed, "get_task", {"task": server.workspace.name(task)}
    )
    assert shown["task"]["holder"] == "@hexacat"
    theirs = server.browser()
    theirs.at_github = server.github.sign_in("octocat")
    assert (await theirs.log_in()).status == 303
    found = await who(server, theirs)
    assert found is not None
    assert (found.person_id, found.login) == (other.id, "octocat")
    assert await roles(server, theirs) == {server.workspace.repository.id: "observer"}


async def test_a_person_calls_operations_with_their_session(server: LoginServer) -> None:
    task = await server.workspace.task()
    issued = await access_token(server, await log_in(server))
    async with server.client.post(
        f"{server.url}/api/v1/claim_task",
        json={"task": server.workspace.name(task)},
        headers={"Authorization": f"Bearer {issued.access_token}"},
    ) as response:
        assert (response.status, (await response.json())["task"]["holder"]) == (200, "@octocat")


async def test_a_socket_of_a_person_closes_when_their_permission_changes(
    server: LoginServer,
) -> None:
    server.github.person("ben", {"acme/rocket": "admin"})
    issued = await access_token(server, await log_in(server, "ben"))
    bearer = {"Authorization": f"Bearer {issued.access_token}"}
    async with server.client.ws_connect(f"{server.url}/ws", headers=bearer) as socket:
        server.github.set_permission("acme/rocket", "ben", "read")
        await server.workspace.settle()
        ended = await socket.receive(timeout=SOON_S)
        assert (ended.type, ended.extra) == (
            WSMsgType.CLOSE,
            "unauthenticated: your permissions changed",
        )


async def test_who_revokes_the_app_on_github_is_logged_out_everywhere(server: LoginServer) -> None:
    browser = await log_in(server)
    issued = await access_token(server, browser)
    server.github.revoke_authorization("octocat")
    await server.workspace.settle()
    assert await who(server, browser) is None
    with pytest.raises(Refused, match="was revoked"):
        await actor_of(server, issued)
    other = await log_in(server)
    assert await who(server, other) is not None


async def test_reading_a_public_repository_gives_no_role(server: LoginServer) -> None:
    server.github.repository("acme/public")
    server.github.add_repositories(server.workspace.installation, ["acme/public"])
    server.github.person("ben", {"acme/public": "write"})
    await server.workspace.settle()
    browser = await log_in(server, "ben")
    issued = await access_token(server, browser)
    assert (await actor_of(server, issued)).role == "developer"
    server.github.set_permission("acme/public", "ben", None)  # as a stranger, ben still reads it
    await server.workspace.settle()
    assert await roles(server, browser) == {}
    with pytest.raises(Refused):
        await actor_of(server, issued)
    browser.cookies.clear()
    assert (await browser.log_in()).status == 403


async def test_an_address_cannot_make_hubbub_ask_github_without_end(server: LoginServer) -> None:
    server.github.world.sign_ins.authorized.add(server.workspace.person.account)
    answers = [(await server.browser("octocat").log_in()).status for _ in range(31)]
    assert answers == [303] * 30 + [429]


async def test_the_audit_has_logins_and_logouts(server: LoginServer) -> None:
    browser = await log_in(server)
    await browser.open("/logout", "POST")
    rows = await server.workspace.rows(
        "SELECT actor, operation, surface, remote FROM audit WHERE installation_id = :i "
        "AND operation IN ('login', 'logout') ORDER BY seq"
    )
    assert rows == [
        {"actor": "@octocat", "operation": each, "surface": "page", "remote": "127.0.0.1"}
        for each in ("login", "logout")
    ]
    # The login itself belongs to no installation.
    (ended,) = await server.workspace.rows(
        "SELECT actor, credential, subject FROM audit WHERE installation_id = 0 "
        "AND operation = 'credential.revoked' AND subject = "
        "(SELECT MAX(id) FROM credentials WHERE person_id = :person AND kind = 'browser')",
        person=server.workspace.person.account.id,
    )
    assert ended["actor"] == "@octocat"
    assert ended["credential"] == ended["subject"]
