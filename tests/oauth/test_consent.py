"""The page on which a person decides: what it shows, what it refuses, and who can send it."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import jwt
import pytest

from bot.errors import Refused
from bot.identity.oauth.clients import Client
from bot.identity.oauth.consent import Choice, agent_name, grant_for, usual_choice
from bot.identity.people.browser_sessions import Reach, SignedIn
from store.tables.agents import Role
from tests.support.client_site import GOOD, ID, Site, serving_documents, write_certificate
from tests.support.login import Browser, Page
from tests.support.oauth import (
    AUTHORIZE,
    REDIRECT,
    STATE,
    Authorization,
    Proof,
    answer_of,
    form_of,
    open_authorization,
)
from tests.support.story import PERMISSIONS, Workspace
from webhooks.oauth.pages import Consent, consent


@pytest.fixture
async def server(workspace: Workspace) -> AsyncIterator[Authorization]:
    async with open_authorization(workspace) as made:
        yield made


async def codes(server: Authorization) -> list[dict[str, Any]]:
    q = "SELECT * FROM credentials WHERE installation_id = :i AND kind = 'authorization_code'"
    return await server.surface.rows(q)


# --- Before the redirect address is known to be right ---------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": None},
        {"client_id": "unknown"},
        {"client_id": "http://client.example/x"},
        {"client_id": "https://127.0.0.1/client.json"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:7777/other"},
        {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:7777@evil.example/callback"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "//evil.example"},
        {"state": "x" * 2000},
    ],
    ids=str,
)
async def test_an_error_goes_nowhere_before_the_redirect_address_is_checked(
    server: Authorization, changed: dict[str, str | None]
) -> None:
    page = await server.page(server.browser(), Proof(), **changed)
    assert page.status == 400
    assert "Location" not in page.headers
    assert "This login cannot go on" in page.text


async def test_a_parameter_that_is_given_twice_is_refused(server: Authorization) -> None:
    address = server.address(Proof()) + "&redirect_uri=https://evil.example"
    page = await server.browser().open(address)
    assert (page.status, "Location" in page.headers) == (400, False)


async def test_nobody_who_is_not_logged_in_lets_hubbub_fetch_a_document(
    server: Authorization,
) -> None:
    address = server.address(Proof(), client_id="https://client.example/client.json")
    page = await server.browser(None).open(address)
    assert page.status == 303
    assert page.location.startswith("/login?return_to=/oauth/authorize?")


# --- Errors that the client gets ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"resource": "https://evil.example/mcp"}, "invalid_target"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "x"}, "request_not_supported"),
    ],
    ids=str,
)
async def test_the_client_gets_an_error_with_its_state_and_our_issuer(
    server: Authorization, changed: dict[str, str | None], error: str
) -> None:
    page = await server.page(server.browser(), Proof(), **changed)
    answer = answer_of(page)
    assert page.location.startswith(f"{REDIRECT}?")
    assert (answer["error"], answer["state"], answer["iss"]) == (error, STATE, server.url)
    assert "code" not in answer


@pytest.mark.parametrize("end", ["", "/", "/mcp", "/mcp/"])
async def test_each_form_of_our_address_is_our_resource(server: Authorization, end: str) -> None:
    resource = (server.url + end).replace("http://127", "http://127")
    page = await server.page(server.browser(), Proof(), resource=resource)
    assert page.status == 200


async def test_a_client_without_state_and_resource_is_served(server: Authorization) -> None:
    browser, proof = server.browser(), Proof()
    page = await server.page(browser, proof, state=None, resource=None)
    answer = answer_of(await server.decide(browser, page))
    assert answer.keys() == {"code", "iss"}
    assert (await server.token(answer["code"], proof, resource=None)).status == 200


async def test_a_client_on_this_computer_may_use_any_port(server: Authorization) -> None:
    browser, proof = server.browser(), Proof()
    other = REDIRECT.replace("7777", "50123")
    page = await server.page(browser, proof, redirect_uri=other)
    answer = await server.decide(browser, page)
    assert answer.location.startswith(f"{other}?")
    code = answer_of(answer)["code"]
    assert (await server.token(code, proof)).status == 400, "another address than the code's"
    assert (await server.token(code, proof, redirect_uri=other)).status == 200


# --- The page -------------------------------------------------------------------------------------


async def test_the_page_cannot_be_framed_runs_no_script_and_is_not_kept(
    server: Authorization,
) -> None:
    page = await server.page(server.browser(), Proof())
    policy = page.headers["Content-Security-Policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[\w+/=]+'; "
        r"form-action 'self' http://127\.0\.0\.1:7777; frame-ancestors 'none'; base-uri 'none'",
        policy,
    )
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script" not in page.text


async def test_the_page_warns_of_programs_on_this_computer(server: Authorization) -> None:
    page = await server.page(server.browser(), Proof())
    assert "any program there can use this name" in page.text
    assert html.escape(REDIRECT) in page.text


@pytest.fixture
async def site(tmp_path: Any) -> AsyncIterator[Site]:
    write_certificate(tmp_path / "client.pem")
    async with serving_documents(tmp_path / "client.pem") as made:
        yield made


XSS = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


async def test_a_client_with_a_document_is_shown_by_its_address_and_its_texts_are_escaped(
    workspace: Workspace, site: Site
) -> None:
    elsewhere = "https://other.example/cb?a='b'".replace("'", "")
    site.document = GOOD | {"client_name": XSS, "redirect_uris": [elsewhere]}
    async with open_authorization(workspace, site.fetcher()) as server:
        browser, proof = server.browser(), Proof()
        asked = {"client_id": ID, "redirect_uri": elsewhere, "state": XSS}
        page = await server.page(browser, proof, **asked)
        assert page.status == 200
        assert f"<code>{ID}</code>" in page.text
        assert "another host" in page.text
        assert "<script" not in page.text
        assert "<img" not in page.text
        assert html.escape(XSS)[:40] in page.text
        policy = page.headers["Content-Security-Policy"]
        assert "form-action" not in policy, "the client's page may lead on to a program"
        answer = await server.decide(browser, page)
        assert answer.location.startswith("https://other.example/cb?a=b&code=")
        given = answer_of(answer)
        assert given["state"] == XSS
        token = await server.token(given["code"], proof, client_id=ID, redirect_uri=elsewhere)
        assert token.status == 200


async def test_a_problem_with_the_document_is_shown_to_the_person(
    workspace: Workspace, site: Site
) -> None:
    site.text = "no json"
    async with open_authorization(workspace, site.fetcher()) as server:
        page = await server.page(server.browser(), Proof(), client_id=ID)
        assert page.status == 400
        assert "cannot be used: it is not JSON" in html.unescape(page.text)


# --- The form -------------------------------------------------------------------------------------


async def other_session(server: Authorization) -> tuple[Browser, Page]:
    browser = server.browser()
    return browser, await server.page(browser, Proof())


@pytest.mark.parametrize(
    "changed",
    [
        {"token": ""},
        {"token": "1.x"},
        {"token": "\u0661.x"},
        {"redirect_uri": "http://127.0.0.1:6666/callback"},
        {"client_id": "other"},
        {"code_challenge": "c" * 43},
        {"state": "another"},
        {"installation": "1"},
    ],
    ids=str,
)
async def test_a_form_that_is_not_ours_or_was_changed_grants_nothing(
    server: Authorization, changed: dict[str, str]
) -> None:
    browser = server.browser()
    page = await server.page(browser, Proof())
    answer = await server.decide(browser, page, **changed)
    assert (answer.status, "Location" in answer.headers) == (403, False)
    assert await codes(server) == []


async def test_a_form_of_another_login_grants_nothing(server: Authorization) -> None:
    """An attacker's own form, sent by the browser of a victim."""
    _, theirs = await other_session(server)
    victim = server.browser()
    await server.page(victim, Proof())
    assert (await server.decide(victim, theirs)).status == 403
    assert (await server.decide(server.browser(None), theirs)).status == 403
    assert await codes(server) == []


async def test_a_form_from_another_site_grants_nothing(server: Authorization) -> None:
    browser = server.browser()
    form = form_of(await server.page(browser, Proof()))
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 303)):
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        headers = {"Cookie": cookies, "Sec-Fetch-Site": site}
        async with server.client.post(
            server.url + AUTHORIZE, data=form, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == status


async def test_a_form_is_too_old_after_a_quarter_of_an_hour(server: Authorization) -> None:
    browser = server.browser()
    page = await server.page(browser, Proof())
    server.workspace.clock.forward(15 * 60 + 1)
    assert (await server.decide(browser, page)).status == 403


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"agent": ""}, "The agent's id must have"),
        ({"agent": "Ada!"}, "The agent's id must have"),
        ({"agent": "everybody"}, "everybody cannot be an agent"),
        ({"agent": "actions-15"}, "actions-15 cannot be an agent"),
        ({"agent": "@octocat"}, "The agent's id must have"),
        ({"agent": "a" * 64}, "The agent's id must have"),
        ({"role": "owner"}, "The role must be one of"),
        ({"role": ""}, "The role must be one of"),
        ({"repository": []}, "Choose at least one repository"),
        ({"repository": ["1"]}, "You do not have the role developer"),
    ],
    ids=str,
)
async def test_a_wrong_choice_is_shown_again_with_what_is_wrong(
    server: Authorization, changed: dict[str, Any], why: str
) -> None:
    browser = server.browser()
    page = await server.page(browser, Proof())
    again = await server.decide(browser, page, **changed)
    assert again.status == 422
    assert why in html.unescape(again.text)
    assert await codes(server) == []


async def test_nobody_takes_over_the_agent_of_somebody_else(server: Authorization) -> None:
    await server.surface.token("ada")
    browser = server.browser()
    page = await server.page(browser, Proof())
    refused = await server.decide(browser, page, agent="ada")
    assert refused.status == 422
    assert "There is an agent ada that you did not connect" in html.unescape(refused.text)
    assert await codes(server) == []


async def test_a_person_connects_their_own_agent_again(server: Authorization) -> None:
    for _ in range(2):
        tokens = await server.login()
        answer = await server.surface.call(
            tokens["access_token"], "register_agent", agent_id="octocat-tool", name="x"
        )
        assert answer.status == 200


async def test_a_person_grants_no_more_than_they_may_do(server: Authorization) -> None:
    here = server.workspace.repository.full_name
    server.workspace.github.person("reader", {here: "read"})
    browser = server.browser("reader")
    page = await server.page(browser, Proof())
    assert 'value="developer"' not in page.text
    refused = await server.decide(browser, page, role="developer")
    assert refused.status == 422
    answer = await server.decide(browser, page)
    (row,) = await codes(server)
    assert (answer.status, row["role"]) == (303, "observer")


async def test_a_person_with_several_accounts_chooses_one_first(server: Authorization) -> None:
    github, workspace = server.workspace.github, server.workspace
    github.repository("umbrella/lab", private=True)
    github.person("octocat", {"umbrella/lab": "write"})
    other = github.install("umbrella", ["umbrella/lab"], permissions=dict(PERMISSIONS))
    await workspace.settle()
    browser, proof = server.browser(), Proof()
    page = await server.page(browser, proof)
    assert "For which account?" in page.text
    (link,) = re.findall(rf'href="([^"]+installation={other.id})"', page.text)
    page = await browser.open(AUTHORIZE + html.unescape(link))
    assert "umbrella/lab" in page.text
    assert "acme/rocket" not in page.text
    answer = await server.decide(browser, page)
    token = await server.token(answer_of(answer)["code"], proof)
    claims = jwt.decode(token.data["access_token"], options={"verify_signature": False})
    assert claims["ins"] == other.id
    repository = workspace.repository.id
    page = await browser.open(AUTHORIZE + html.unescape(link))
    crossed = await server.decide(browser, page, repository=[str(repository)])
    assert crossed.status == 422


async def test_the_form_says_how_many_repositories_it_does_not_list() -> None:
    roles: dict[int, Role] = dict.fromkeys(range(1, 151), "developer")
    reach = Reach(9, "acme", roles)
    names = {each: f"acme/r{each}" for each in range(1, 101)}
    usual = usual_choice(OCTOCAT, reach, Client("c", "c", ()))
    assert len(usual.repositories) == 100
    asked = Consent(OCTOCAT, Client("c", "c", ()), REDIRECT, reach, names, usual, [], 50)
    assert "50 more repositories are not listed" in str(consent(asked).text)


OCTOCAT = SignedIn(1, "octocat", (), "s", 0)
TWO = Reach(9, "acme", {1: "tech-lead", 2: "observer"})


def test_the_usual_choice_is_a_developer_where_the_person_is_one() -> None:
    usual = usual_choice(OCTOCAT, TWO, Client("c", "Claude Code", ()))
    assert usual == Choice("octocat-claude-code", "developer", frozenset({1}))


@pytest.mark.parametrize(
    ("role", "repositories", "may"),
    [
        ("tech-lead", {1}, True),
        ("developer", {1}, True),
        ("observer", {1, 2}, True),
        ("tester", {1, 2}, False),
        ("tech-lead", {2}, False),
        ("observer", {3}, False),
    ],
    ids=str,
)
def test_a_role_is_granted_only_where_the_person_has_it_everywhere(
    role: str,
    repositories: set[int],
    may: bool,  # noqa: FBT001 - the expected answer
) -> None:
    choice = Choice("a", role, frozenset(repositories))
    with nullcontext() if may else pytest.raises(Refused, match="You do not have the role"):
        assert grant_for(OCTOCAT, TWO, Client("c", "c", ()), choice).role == role


@pytest.mark.parametrize(
    ("login", "client", "name"),
    [
        ("Octo-Cat", "Claude Code", "octo-cat-claude-code"),
        ("a", "\u2603", "a"),
        ("\u2603", "\u2603", "agent"),
        ("a", "x" * 100, "a-" + "x" * 61),
    ],
)
def test_an_agent_is_named_after_its_person_and_client(login: str, client: str, name: str) -> None:
    assert agent_name(login, client) == name
