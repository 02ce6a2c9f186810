"""The boundary with GitHub, against the simulated one, and against sockets that misbehave."""

import asyncio
import gzip
import secrets
import traceback
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from bot.github.client import (
    API_VERSION,
    LONGEST_ANSWER,
    OLDEST_API_VERSION,
    REQUEST_TIMEOUT,
    TOKEN_MARGIN,
    GitHub,
)
from bot.github.requests import Answer, OutcomeUnknown, TokenRefused, Unreachable
from bot.redaction import redact
from fixtures.github import Installation, Issue, Person, Repository, SimulatedGitHub
from tests.support.story import Clock

WEB = "/repos/acme/web"
MINT = r"/access_tokens$"


@dataclass
class Here:
    """acme/web with the App installed, one issue in it, and the client under test."""

    github: SimulatedGitHub
    client: GitHub
    clock: Clock
    web: Repository
    ada: Person
    installation: Installation
    issue: Issue

    async def request(self, method: str, path: str, body: Any = None) -> Answer:
        return await self.client.request(self.installation.id, method, path, body)

    async def comment(self, text: str = "Hello") -> Answer:
        return await self.request("POST", f"{WEB}/issues/1/comments", {"body": text})

    def comments(self) -> list[str]:
        return [each.body for each in self.issue.comments]

    def sent(self) -> list[tuple[str, int]]:
        """What GitHub got: method or `mint`, and status; 0 is a closed connection."""
        return [
            ("mint" if each.path.endswith("/access_tokens") else each.method, each.status)
            for each in self.github.requests
        ]


@pytest.fixture
async def here(clock: Clock) -> AsyncIterator[Here]:
    async with SimulatedGitHub(clock) as github, aiohttp.ClientSession() as session:
        client = client_of(session, github.url, clock, github.app.private_key, github.app.id)
        web = github.repository("acme/web", private=True)
        ada = github.person("ada", permissions={"acme/web": "admin"})
        installation = github.install("acme", repositories=["acme/web"])
        issue = ada.open_issue(web, title="Build a rocket")
        yield Here(github, client, clock, web, ada, installation, issue)


def client_of(
    session: aiohttp.ClientSession,
    url: str,
    clock: Clock,
    private_key: str,
    app_id: int = 1,
    time_out: float = REQUEST_TIMEOUT,
) -> GitHub:
    return GitHub(
        session,
        api_url=url,
        app_id=str(app_id),
        private_key=private_key,
        now=clock,
        time_out=time_out,
    )


@dataclass
class Socket:
    """A server that reads one request a connection and says always the same, or nothing."""

    url: str
    heard: list[bytes]


@asynccontextmanager
async def socket(reply: bytes | None) -> AsyncIterator[Socket]:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        if reply is None:
            await reader.read()  # until the client gives up
        else:
            writer.write(reply)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield Socket(f"http://{host}:{port}", heard)


@asynccontextmanager
async def client_against(
    here: Here, reply: bytes | None, time_out: float = REQUEST_TIMEOUT
) -> AsyncIterator[tuple[GitHub, Socket]]:
    async with socket(reply) as server, aiohttp.ClientSession() as session:
        key = here.github.app.private_key
        yield client_of(session, server.url, here.clock, key, time_out=time_out), server


# --- Answers ---


async def test_an_installation_reads_and_writes_with_the_version_pinned(here: Here) -> None:
    answer = await here.request("GET", f"{WEB}/issues/1")
    assert (answer.status, answer.data["title"]) == (200, "Build a rocket")
    assert answer.headers["x-github-API-version-selected"] == API_VERSION
    assert (await here.comment("Ignition 🚀")).status == 201
    assert here.comments() == ["Ignition 🚀"]


async def test_a_server_that_knows_only_an_older_version_is_asked_for_that(here: Here) -> None:
    here.github.support_versions(OLDEST_API_VERSION)
    assert (await here.comment("Ignition")).status == 201
    assert here.comments() == ["Ignition"]
    answer = await here.request("GET", f"{WEB}/issues/1")
    assert answer.headers["x-github-API-version-selected"] == OLDEST_API_VERSION
    assert here.sent() == [("mint", 400), ("mint", 201), ("POST", 201), ("GET", 200)]


async def test_a_server_that_knows_a_newer_version_again_after_an_upgrade_is_asked_for_it(
    here: Here,
) -> None:
    here.github.support_versions(OLDEST_API_VERSION)
    await here.request("GET", f"{WEB}/issues/1")
    here.github.support_versions(API_VERSION, "2099-01-01")
    answer = await here.request("GET", f"{WEB}/issues/1")
    assert answer.headers["x-github-API-version-selected"] == API_VERSION


async def test_a_server_without_a_version_that_hubbub_knows_says_so_in_its_answer(
    here: Here,
) -> None:
    here.github.support_versions("2099-01-01")
    with pytest.raises(TokenRefused, match="not a supported version"):
        await here.request("GET", f"{WEB}/issues/1")
    assert here.sent() == [("mint", 400)]


async def test_the_app_speaks_for_itself_at_any_hour(here: Here) -> None:
    for _ in range(2):
        answer = await here.client.app_request("GET", "/app")
        assert (answer.status, answer.data["slug"]) == (200, "hubbub")
        here.clock.forward(7 * 24 * 3600)


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("404", 404, "Not Found"),
        ("422", 422, "Validation Failed"),
        ("429", 429, "API rate limit exceeded"),
        ("secondary", 403, "You have exceeded a secondary rate limit"),
        ("500", 500, "Server Error"),
    ],
)
async def test_whatever_the_status_it_is_an_answer(
    here: Here, kind: str, status: int, said: str
) -> None:
    here.github.fault("POST", r"/comments$", kind)
    answer = await here.comment()
    assert answer.status == status
    assert answer.data["message"].startswith(said)
    assert here.sent() == [("mint", 201), ("POST", status)]


async def test_an_answer_that_is_no_json_is_its_text(here: Here) -> None:
    here.github.fault("POST", r"/comments$", "502_after")
    answer = await here.comment()
    assert (answer.status, answer.data[:6]) == (502, "<html>")


async def test_an_answer_without_a_body_has_no_data(here: Here) -> None:
    comment = here.ada.comment(here.issue, "Away with it")
    answer = await here.request("DELETE", f"{WEB}/issues/comments/{comment.id}")
    assert (answer.status, answer.data) == (204, None)


async def test_a_link_to_the_next_page_can_be_requested_as_it_is(here: Here) -> None:
    here.ada.open_issue(here.web, title="Paint it")
    first = await here.request("GET", f"{WEB}/issues?per_page=1&direction=asc")
    link = first.headers["link"].partition(">")[0].removeprefix("<")
    second = await here.request("GET", link)
    assert [each["title"] for each in first.data + second.data] == ["Build a rocket", "Paint it"]


async def test_braces_in_a_path_are_sent_as_they_are(here: Here) -> None:
    await here.request("GET", f"{WEB}/branches/a{{b}}")
    assert here.github.requests[-1].path == f"{WEB}/branches/a{{b}}"


# --- Redirects ---


async def test_a_renamed_repository_is_followed_with_the_same_method(here: Here) -> None:
    here.ada.rename(here.web, "site")
    assert (await here.request("GET", f"{WEB}/issues/1")).data["title"] == "Build a rocket"
    assert (await here.comment("Still here")).status == 201
    assert here.comments() == ["Still here"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_redirect_to_another_host_is_not_followed(here: Here, method: str) -> None:
    async with socket(None) as elsewhere:
        reply = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere.url}/\r\nContent-Length: 0\r\n\r\n"
        async with client_against(here, reply.encode()) as (client, _):
            answer = await client.app_request(method, "/app")
    assert answer.status == 307
    assert elsewhere.heard == []


async def test_a_write_is_not_repeated_where_a_redirect_would_make_it_a_read(here: Here) -> None:
    reply = b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"
    async with client_against(here, reply) as (client, server):
        assert (await client.app_request("POST", "/app", {})).status == 302
        assert len(server.heard) == 1


async def test_a_circle_of_redirects_ends_after_the_first(here: Here) -> None:
    reply = b"HTTP/1.1 301 Moved\r\nLocation: /app\r\nContent-Length: 0\r\n\r\n"
    async with client_against(here, reply) as (client, server):
        assert (await client.app_request("GET", "/app")).status == 301
        assert len(server.heard) == 2


@pytest.mark.parametrize("link", ["https://example.com/app", "//example.com/app", "http://["])
async def test_no_request_goes_to_another_host(here: Here, link: str) -> None:
    if link.startswith("//"):
        # Below the API's address it is a path like any other.
        assert (await here.request("GET", link)).status == 404
        return
    with pytest.raises(Unreachable) as refused:
        await here.request("GET", link)
    assert str(refused.value) == "not sent: the link does not lead to GitHub's API"


# --- Tokens ---


async def test_requests_at_once_share_one_token(here: Here) -> None:
    answers = await asyncio.gather(*(here.request("GET", WEB) for _ in range(8)))
    assert [each.status for each in answers] == [200] * 8
    assert here.sent().count(("mint", 201)) == 1


async def test_a_token_serves_until_shortly_before_its_end(here: Here) -> None:
    await here.request("GET", WEB)
    here.clock.forward(3600 - TOKEN_MARGIN / 1_000_000 - 1)
    await here.request("GET", WEB)
    here.clock.forward(2)
    await here.request("GET", WEB)
    assert [each for each, _ in here.sent()] == ["mint", "GET", "GET", "mint", "GET"]


async def test_every_installation_has_its_own_token(here: Here) -> None:
    here.github.repository("umbrella/lab", private=True)
    other = here.github.install("umbrella", repositories=["umbrella/lab"])
    assert (await here.request("GET", WEB)).status == 200
    assert (await here.client.request(other.id, "GET", "/repos/umbrella/lab")).status == 200
    assert (await here.client.request(other.id, "GET", WEB)).status == 404


async def test_a_refused_token_is_replaced_once(here: Here) -> None:
    here.github.fault("POST", r"/comments$", "401")
    assert (await here.comment()).status == 201
    assert here.sent() == [("mint", 201), ("POST", 401), ("mint", 201), ("POST", 201)]
    assert here.comments() == ["Hello"]


async def test_a_second_refusal_is_the_answer(here: Here) -> None:
    here.github.fault("POST", r"/comments$", "401", times=3)
    assert (await here.comment()).status == 401
    assert here.sent().count(("POST", 401)) == 2


async def test_an_installation_that_is_gone_gets_no_token(here: Here) -> None:
    here.github.uninstall(here.installation)
    with pytest.raises(TokenRefused) as refused:
        await here.comment()
    assert (refused.value.status, refused.value.message) == (404, "Not Found")


async def test_a_suspended_installation_gets_no_token(here: Here) -> None:
    here.github.suspend(here.installation)
    with pytest.raises(TokenRefused, match="403 This installation has been suspended"):
        await here.comment()


async def test_a_refused_token_is_not_asked_for_again_at_once(here: Here) -> None:
    here.github.suspend(here.installation)
    for _ in range(5):
        with pytest.raises(TokenRefused, match="403 This installation has been suspended"):
            await here.comment()
        here.clock.forward(5)
    assert here.sent() == [("mint", 403)]
    here.github.unsuspend(here.installation)
    here.clock.forward(30)
    assert (await here.comment()).status == 201


@pytest.mark.parametrize("seconds", [-7200, -600, 90, 7200])
async def test_a_wrong_clock_of_ours_is_set_by_githubs(here: Here, seconds: int) -> None:
    """And a token is used until it expires by GitHub's clock."""
    key, app_id = here.github.app.private_key, here.github.app.id
    async with aiohttp.ClientSession() as session:
        client = GitHub(
            session,
            api_url=here.github.url,
            app_id=str(app_id),
            private_key=key,
            now=lambda: here.clock() + seconds * 1_000_000,
        )
        for _ in range(3):
            assert (await client.app_request("GET", "/app")).status == 200
            assert (await client.request(here.installation.id, "GET", WEB)).status == 200
    assert [status for _, status in here.sent()].count(401) == 1
    assert here.sent().count(("mint", 201)) == 1


async def test_a_jwt_that_is_refused_for_another_reason_is_not_sent_again(here: Here) -> None:
    async with aiohttp.ClientSession() as session:
        key = here.github.app.private_key
        client = client_of(session, here.github.url, here.clock, key, app_id=here.github.app.id)
        here.github.fault("GET", "/app$", "401", times=9)
        assert (await client.app_request("GET", "/app")).status == 401
    assert len(here.sent()) == 1


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"token": "", "expires_at": ""}'])
async def test_a_token_of_another_shape_is_none(here: Here, body: bytes) -> None:
    reply = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with client_against(here, reply) as (client, server):
        with pytest.raises(Unreachable, match="no token: GitHub answered 201"):
            await client.request(1, "POST", WEB, {})
        assert len(server.heard) == 1


@pytest.mark.parametrize("kind", ["500", "502", "close", "close_after"])
async def test_without_a_token_nothing_was_sent(here: Here, kind: str) -> None:
    here.github.fault("POST", MINT, kind)
    with pytest.raises(Unreachable, match="no token"):
        await here.comment()
    assert [each for each, _ in here.sent()] == ["mint"]
    assert (await here.comment()).status == 201


async def test_a_limit_met_on_the_way_to_a_token_is_the_answer(here: Here) -> None:
    here.github.fault("POST", MINT, "secondary", seconds=30)
    answer = await here.comment()
    assert (answer.status, answer.headers["retry-after"]) == (403, "30")
    assert here.comments() == []


# --- No answer ---


@pytest.mark.parametrize(("kind", "effect"), [("close", []), ("close_after", ["Hello"])])
async def test_a_closed_connection_leaves_the_outcome_unknown(
    here: Here, kind: str, effect: list[str]
) -> None:
    here.github.fault("POST", r"/comments$", kind)
    with pytest.raises(OutcomeUnknown):
        await here.comment()
    assert here.comments() == effect


async def test_a_deletion_is_not_sent_again_behind_our_back(here: Here) -> None:
    comment = here.ada.comment(here.issue, "Away with it")
    here.github.fault("DELETE", r"/comments/", "close_after")
    with pytest.raises(OutcomeUnknown):
        await here.request("DELETE", f"{WEB}/issues/comments/{comment.id}")
    assert here.sent() == [("mint", 201), ("DELETE", 0)]


async def test_nobody_at_the_address_is_surely_not_sent(here: Here) -> None:
    async with socket(None) as closed:
        pass
    async with aiohttp.ClientSession() as session:
        client = client_of(session, closed.url, here.clock, here.github.app.private_key)
        with pytest.raises(Unreachable, match="Cannot connect"):
            await client.app_request("GET", "/app")
        with pytest.raises(Unreachable):
            await client.request(1, "GET", WEB)


async def test_silence_ends_in_time(here: Here) -> None:
    async with client_against(here, None, time_out=0.2) as (client, _):
        with pytest.raises(OutcomeUnknown, match="TimeoutError"):
            await client.app_request("POST", "/app", {})
        with pytest.raises(Unreachable) as refused:
            await client.request(1, "POST", WEB, {})
        assert str(refused.value) == "no token: the request for it took too long"


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"what?\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
async def test_half_an_answer_is_none_and_tells_no_secret(here: Here, reply: bytes) -> None:
    async with client_against(here, reply) as (client, server):
        with pytest.raises(OutcomeUnknown) as unknown:
            await client.app_request("POST", "/app", {})
        (request,) = server.heard
    assert b"bearer eyJ" in request
    assert "eyJ" not in "".join(traceback.format_exception(unknown.value))


async def test_a_bomb_leaves_the_status_and_no_body(here: Here) -> None:
    squeezed = gzip.compress(bytes(4 * LONGEST_ANSWER), 9)
    head = b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    async with client_against(here, head % len(squeezed) + squeezed) as (client, _):
        tracemalloc.start()
        answer = await client.app_request("GET", "/app")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert (answer.status, answer.data) == (201, None)
    assert peak < 3 * LONGEST_ANSWER


def test_secrets_are_cut_from_what_is_told() -> None:
    token = f"ghs_{secrets.token_hex(18)}"
    assert redact(f"token {token}, bearer eyJhbGciOi.eyJpYX.c2ln") == "token …, bearer …"


# --- What is asked for again ----------------------------------------------------------------------


async def test_what_has_not_changed_costs_nothing_to_ask_for_again(here: Here) -> None:
    path = f"{WEB}/issues?per_page=1"
    here.ada.open_issue(here.web, title="Another")
    first = await here.request("GET", path)
    again = await here.request("GET", path)
    assert [status for _, status in here.sent()][-2:] == [200, 304]
    assert (again.status, again.data) == (200, first.data)
    assert again.headers["Link"] == first.headers["Link"]
    remaining = "X-RateLimit-Remaining"
    assert again.headers[remaining] == first.headers[remaining]


async def test_what_has_changed_is_seen(here: Here) -> None:
    await here.request("GET", f"{WEB}/issues/1")
    here.ada.edit_issue(here.issue, title="Build two")
    assert (await here.request("GET", f"{WEB}/issues/1")).data["title"] == "Build two"
    assert (await here.request("GET", f"{WEB}/issues/1")).data["title"] == "Build two"


async def test_another_token_asks_anew(here: Here) -> None:
    await here.request("GET", f"{WEB}/issues/1")
    here.clock.forward(3600)
    await here.request("GET", f"{WEB}/issues/1")
    assert here.sent()[-3:] == [("GET", 200), ("mint", 201), ("GET", 200)]


async def test_a_large_answer_is_not_kept(here: Here) -> None:
    here.ada.edit_issue(here.issue, body="x" * 60_000)
    for _ in range(3):
        here.ada.open_issue(here.web, title="Large", body="x" * 60_000)
    for _ in range(2):
        assert (await here.request("GET", f"{WEB}/issues")).status == 200
    assert here.sent()[-1] == ("GET", 200)
