"""A person logs in with GitHub and grants an agent to a client, which then calls operations."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import jwt
import pytest

from bot.errors import Refused
from bot.identity.oauth.authorization_codes import MOST_SESSIONS
from bot.identity.people.people_roles import LONGEST_S
from tests.support.oauth import (
    AUTHORIZE,
    CLIENT,
    REDIRECT,
    REVOKE,
    STATE,
    TOKEN,
    Authorization,
    Proof,
    answer_of,
    form_of,
    open_authorization,
)
from tests.support.story import Workspace
from webhooks.client_address import Proxies, networks
from webhooks.oauth.server import MOST_PAGES, MOST_TOKENS
from webhooks.request_limits import Limit


@pytest.fixture
async def server(workspace: Workspace) -> AsyncIterator[Authorization]:
    async with open_authorization(workspace) as made:
        yield made


async def register(server: Authorization, token: str, agent: str) -> tuple[int, Any]:
    answer = await server.surface.call(token, "register_agent", agent_id=agent, name=agent)
    return answer.status, answer.data


async def test_a_client_gets_tokens_for_the_agent_that_its_person_granted(
    server: Authorization,
) -> None:
    proof, browser = Proof(), server.browser()
    page = await server.page(browser, proof)
    assert "Connect tool to Hubbub?" in page.text
    assert "@octocat" in page.text
    answer = await server.decide(browser, page)
    assert answer.location.startswith(f"{REDIRECT}?")
    given = answer_of(answer)
    assert given == {"code": given["code"], "state": STATE, "iss": server.url}
    token = await server.token(given["code"], proof)
    assert token.status == 200
    assert token.headers["Cache-Control"] == "no-store"
    assert {name: token.data[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "hubbub",
    }
    claims = jwt.decode(token.data["access_token"], options={"verify_signature": False})
    repository = server.workspace.repository.id
    assert (claims["sub"], claims["role"], claims["repos"]) == (
        "octocat-tool",
        "developer",
        [repository],
    )
    status, _ = await register(server, token.data["access_token"], "octocat-tool")
    assert status == 200


async def test_a_client_in_a_browser_reads_its_tokens_and_errors(server: Authorization) -> None:
    allowed = await server.surface.send("OPTIONS", TOKEN, headers={"Origin": "http://localhost"})
    assert "POST" in allowed.headers["Access-Control-Allow-Methods"]
    proof = Proof()
    code = await server.code(server.browser(), proof)
    for answer in (await server.token(code, proof), await server.token("", proof)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers
    page = await server.page(server.browser(), proof)
    assert "Access-Control-Allow-Origin" not in page.headers


async def test_the_person_chooses_the_agent_and_a_lower_role(server: Authorization) -> None:
    proof, browser = Proof(), server.browser()
    page = await server.page(browser, proof)
    answer = await server.decide(browser, page, agent="reader", role="observer")
    token = (await server.token(answer_of(answer)["code"], proof)).data["access_token"]
    assert (await register(server, token, "reader"))[0] == 200
    refused = await server.surface.call(token, "claim_task")
    assert (refused.status, refused.code) == (403, "forbidden")


async def test_a_refresh_token_gives_the_next_tokens_once(server: Authorization) -> None:
    first = await server.login()
    second = await server.refresh(first["refresh_token"])
    assert second.status == 200
    assert (await register(server, second.data["access_token"], "octocat-tool"))[0] == 200


async def test_a_stolen_refresh_token_ends_the_session_when_it_is_used_again(
    server: Authorization,
) -> None:
    first = await server.login()
    second = (await server.refresh(first["refresh_token"])).data
    stolen = await server.refresh(first["refresh_token"])
    assert (stolen.status, stolen.data["error"]) == (400, "invalid_grant")
    assert "used before" in stolen.data["error_description"]
    assert (await server.refresh(second["refresh_token"])).status == 400
    assert (await register(server, second["access_token"], "octocat-tool"))[0] == 401


async def test_a_code_that_comes_twice_ends_the_session_that_it_gave(
    server: Authorization,
) -> None:
    proof = Proof()
    code = await server.code(server.browser(), proof)
    first = (await server.token(code, proof)).data
    again = await server.token(code, proof)
    assert (again.status, again.data["error"]) == (400, "invalid_grant")
    assert (await server.refresh(first["refresh_token"])).status == 400
    assert (await register(server, first["access_token"], "octocat-tool"))[0] == 401


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_verifier": "v" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"redirect_uri": REDIRECT + "/"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"client_id": "other"}, "invalid_grant"),
        ({"client_id": None}, "invalid_request"),
        ({"resource": "https://evil.example/mcp"}, "invalid_target"),
        ({"code": "hubbub_x_y"}, "invalid_grant"),
        ({"code": "\u00e9"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request"),
    ],
    ids=lambda each: str(each)[:50],
)
async def test_a_wrong_request_for_tokens_is_refused_and_uses_up_nothing(
    server: Authorization, changed: dict[str, str | None], error: str
) -> None:
    proof = Proof()
    code = await server.code(server.browser(), proof)
    refused = await server.token(code, proof, **changed)
    assert (refused.status, refused.data["error"]) == (400, error)
    assert refused.headers["Cache-Control"] == "no-store"
    assert (await server.token(code, proof)).status == 200


async def test_a_code_expires_after_a_minute(server: Authorization) -> None:
    proof = Proof()
    code = await server.code(server.browser(), proof)
    server.workspace.clock.forward(61)
    refused = await server.token(code, proof)
    assert refused.data["error"] == "invalid_grant"
    assert "expired" in refused.data["error_description"]


async def test_a_refresh_token_works_for_its_client_alone(server: Authorization) -> None:
    tokens = await server.login()
    refused = await server.refresh(tokens["refresh_token"], client_id="other")
    assert refused.data["error"] == "invalid_grant"
    for wrong in ("x", "hubbub_a_1-b", tokens["access_token"], "\u00e9"):
        answer = await server.refresh(wrong)
        assert (answer.status, answer.data["error"]) == (400, "invalid_grant")
    assert (await server.refresh(tokens["refresh_token"])).status == 200


@pytest.mark.parametrize(
    ("permission", "status"), [("admin", 200), ("write", 200), ("triage", 400), (None, 400)]
)
async def test_a_session_ends_when_its_person_has_no_longer_the_role_on_github(
    server: Authorization, permission: str | None, status: int
) -> None:
    here = server.workspace.repository.full_name
    server.workspace.github.person("writer", {here: "write"})
    tokens = await server.login(server.browser("writer"))
    server.workspace.github.set_permission(here, "writer", permission)
    await server.workspace.settle()
    answer = await server.refresh(tokens["refresh_token"])
    if answer.status == 200:  # what GitHub has answered meanwhile counts at the next one
        await server.workspace.settle()
        answer = await server.refresh(answer.data["refresh_token"])
    assert answer.status == status
    known, _ = await register(server, tokens["access_token"], "writer-tool")
    assert known == (200 if status == 200 else 401)


@pytest.mark.parametrize("refreshed_before", [True, False])
async def test_a_session_that_is_renewed_seldom_ends_with_the_role_of_its_person(
    server: Authorization, *, refreshed_before: bool
) -> None:
    """What GitHub said last counts, also when that was long ago."""
    here, workspace = server.workspace.repository.full_name, server.workspace
    workspace.github.person("writer", {here: "write"})
    tokens = await server.login(server.browser("writer"))
    workspace.github.set_permission(here, "writer", "read")
    if refreshed_before:
        workspace.clock.forward(LONGEST_S + 60)
        tokens = (await server.refresh(tokens["refresh_token"])).data
    await workspace.settle()
    workspace.clock.forward(LONGEST_S + 60)
    assert (await server.refresh(tokens["refresh_token"])).status == 400


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_a_client_ends_its_session(server: Authorization, which: str) -> None:
    tokens = await server.login()
    other = await server.ask(REVOKE, token=tokens[which], client_id="other")
    assert (await register(server, tokens["access_token"], "octocat-tool"))[0] == 200
    answer = await server.ask(REVOKE, token=tokens[which], client_id=CLIENT)
    assert (other.status, answer.status) == (200, 200)
    assert (await server.refresh(tokens["refresh_token"])).status == 400
    assert (await register(server, tokens["access_token"], "octocat-tool"))[0] == 401


async def test_to_end_an_unknown_token_is_no_error_and_ends_nothing(
    server: Authorization,
) -> None:
    key = await server.surface.token("ada")
    for each in ("x", key, "a.b.c"):
        assert (await server.ask(REVOKE, token=each, client_id=CLIENT)).status == 200
    assert (await register(server, key, "ada"))[0] == 200
    missing = await server.ask(REVOKE, token=key)
    assert (missing.status, missing.data["error"]) == (400, "invalid_request")


async def test_a_client_that_sends_a_secret_is_refused(server: Authorization) -> None:
    headers = {"Authorization": "Basic dG9vbDpzZWNyZXQ="}
    answer = await server.surface.send("POST", "/oauth/token", data={"a": "b"}, headers=headers)
    assert (answer.status, answer.data["error"]) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"grant_type": "authorization_code"}', "application/json"),
        (b"grant_type=authorization_code&grant_type=refresh_token", None),
        (b"a=%ff%fe", None),
        (b"&".join(b"a%d=1" % n for n in range(300)), None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
    ids=["json", "twice", "no utf-8", "too many", "bytes", "empty"],
)
async def test_a_form_that_cannot_be_read_is_refused(
    server: Authorization, body: bytes, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type or "application/x-www-form-urlencoded"}
    answer = await server.surface.send("POST", "/oauth/token", data=body, headers=headers)
    assert (answer.status, answer.data["error"]) == (400, "invalid_request")


async def test_the_static_token_still_works(server: Authorization) -> None:
    assert (await register(server, await server.surface.token("ada"), "ada"))[0] == 200


async def test_a_person_who_declines_sends_the_client_an_error(server: Authorization) -> None:
    browser = server.browser()
    page = await server.page(browser, Proof())
    answer = answer_of(await server.decide(browser, page, decision="deny"))
    assert answer == {
        "error": "access_denied",
        "error_description": "The person declined.",
        "state": STATE,
        "iss": server.url,
    }
    assert form_of(page)["agent"] == "octocat-tool"


async def test_the_audit_names_the_person_the_agent_and_every_refusal(
    server: Authorization,
) -> None:
    tokens = await server.login()
    await server.refresh(tokens["refresh_token"])
    await server.refresh(tokens["refresh_token"])
    q = "SELECT actor, operation FROM audit WHERE installation_id = :i AND surface = 'oauth'"
    rows = [tuple(each.values()) for each in await server.surface.rows(q)]
    assert rows == [
        ("@octocat", "credential.created"),
        ("octocat-tool", "credential.created"),
        ("hubbub[bot]", "credential.revoked"),
        ("octocat-tool", "session.refresh"),
    ]
    q = "SELECT operation, code, outcome FROM audit WHERE installation_id = 0 AND surface = 'oauth'"
    assert {"operation": "oauth", "code": "unauthenticated", "outcome": "refused"} in (
        await server.surface.rows(q)
    )


async def test_an_address_that_asks_too_often_waits(server: Authorization) -> None:
    for _ in range(MOST_TOKENS):
        server.oauth.tokens.count("127.0.0.1")
    for path in (TOKEN, REVOKE):
        refused = await server.ask(path, a="b")
        assert (refused.status, refused.code) == (429, "rate_limited")
        assert refused.headers["Retry-After"] == "60"
    for _ in range(MOST_PAGES):
        server.oauth.pages.count("127.0.0.1")
    assert (await server.page(server.browser(), Proof())).status == 429


async def test_all_addresses_of_one_machine_count_together(workspace: Workspace) -> None:
    proxies = Proxies(networks(["127.0.0.1"]))
    async with open_authorization(workspace, proxies=proxies) as server:

        async def ask(address: str) -> int:
            headers = {"X-Forwarded-For": address}
            sent = await server.surface.send("POST", TOKEN, data={"a": "b"}, headers=headers)
            return sent.status

        for _ in range(MOST_TOKENS):
            server.oauth.tokens.count("2001:db8:0:7::/64")
            server.oauth.tokens.count("203.0.113.9")
        same = ("2001:db8:0:7::1", "2001:db8:0:7:a:b:c:d", "::ffff:203.0.113.9")
        assert [await ask(each) for each in same] == [429] * 3
        assert [await ask(each) for each in ("2001:db8:0:8::1", "203.0.113.8")] == [400] * 2


def test_a_caller_may_ask_again_after_a_minute_and_others_at_once() -> None:
    time = 0.0
    limit = Limit(2, lambda: time)
    for second in (0.0, 30.0):
        time = second
        limit.count("a")
    with pytest.raises(Refused, match="More than 2"):
        limit.count("a")
    limit.count("b")
    time = 61.0
    limit.count("a")


async def test_of_many_logins_the_newest_sessions_live(server: Authorization) -> None:
    browser = server.browser()
    logins = [await server.login(browser) for _ in range(MOST_SESSIONS + 2)]
    alive = [(await server.refresh(each["refresh_token"])).status == 200 for each in logins]
    assert alive == [False] * 2 + [True] * MOST_SESSIONS


NASTY = [
    "",
    "\x00",
    "\u00e9",
    "\U0001f600",
    "%",
    "a" * 5000,
    "' OR 1=1 --",
    "1" * 30,
    "hubbub__",
    ".",
]
NAMES = [
    *("grant_type", "code", "refresh_token", "client_id", "redirect_uri", "code_verifier", "token"),
    *("resource", "response_type", "code_challenge", "code_challenge_method", "state", "scope"),
    *("installation", "agent", "role", "repository", "decision", "device_code", "subject_token"),
]


async def test_no_request_makes_a_bug_show(server: Authorization) -> None:
    """Each field with each of these texts, on each address."""
    browser, proof = server.browser(), Proof()
    form = form_of(await server.page(browser, proof))
    random = Random(7)  # noqa: S311 - the same requests each time
    for value in NASTY:
        for grant_type in (None, "authorization_code", "refresh_token"):
            given = {each: random.choice([value, "x"]) for each in NAMES}
            given |= {"grant_type": grant_type or value}
            for path in (TOKEN, REVOKE):
                assert (await server.ask(path, **given)).status < 500
        changed = {name: value for name in form if random.random() < 0.3}
        assert (await browser.open(AUTHORIZE, "POST", **(form | changed))).status < 500
        page = await browser.open(server.address(proof, **{random.choice(NAMES): value[:300]}))
        assert page.status < 500
