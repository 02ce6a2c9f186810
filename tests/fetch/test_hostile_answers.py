"""Nonsense from GitHub stops no loop, holds nothing up, and does the mirror no harm."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web  # noqa: TID251 - who stands between Hubbub and GitHub is a server
from aiohttp.test_utils import TestServer

from bot.background.request_scheduler import Sender
from bot.errors import Refused
from bot.fetch import backfill
from bot.fetch.backfill_pages import MOST_EMPTY_PAGES
from bot.fetch.missed_deliveries import Repair
from bot.github.client import GitHub
from bot.times import SECOND
from store.inbox import missed_deliveries
from tests.support.engines import OWN_ON_SQLITE
from tests.support.story import Agent, Workspace

HTML = b"<!DOCTYPE html><html><body>Unicorn!</body></html>"
DEEP = b"[" * 200_000
NOT_A_LIST = [b"", b"null", b"{}", b'"[]"', b"17", HTML, b'[{"id": 1', DEEP, b"9" * 5000]
BAD_THINGS: list[Any] = [
    None,
    "issue",
    [],
    {},
    {"id": -1, "number": 1},
    {"id": "1", "number": 1},
    {"id": 2**64, "number": 1},
    {"id": 1.5, "number": 1},
    {"id": True, "number": 1},
    {"id": 7_000_000_001, "number": None},
]


@dataclass
class Liar:
    """Between Hubbub and GitHub: hands on what it is asked, and of some paths tells lies."""

    workspace: Workspace
    session: aiohttp.ClientSession
    url: str = ""
    lies: list[tuple[re.Pattern[str], bytes, dict[str, str]]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def tell(self, pattern: str, body: bytes, **headers: str) -> None:
        self.lies.append((re.compile(pattern), body, headers))

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        for pattern, body, headers in self.lies:
            if pattern.search(request.path_qs):
                told = {
                    name: each.replace("{n}", str(len(self.asked)))
                    for name, each in headers.items()
                }
                return web.Response(body=body, headers=told, content_type="application/json")
        return await self._handed_on(request)

    async def _handed_on(self, request: web.Request) -> web.Response:
        dropped = ("Host", "Content-Length", "Accept-Encoding")
        headers = {k: v for k, v in request.headers.items() if k not in dropped}
        where = self.workspace.github.url + request.path_qs
        body = await request.read()
        async with self.session.request(request.method, where, headers=headers, data=body) as got:
            kept = {k: v for k, v in got.headers.items() if k.lower().startswith("x-")}
            if "Link" in got.headers:
                kept["Link"] = got.headers["Link"].replace(self.workspace.github.url, self.url)
            return web.Response(status=got.status, body=await got.read(), headers=kept)

    def count(self, pattern: str) -> int:
        return sum(re.search(pattern, each) is not None for each in self.asked)


@pytest.fixture
def store_url(own_url: str) -> str:
    """A database of its own: what concerns the App as a whole belongs to no installation."""
    return own_url


@pytest.fixture
async def liar(workspace: Workspace) -> AsyncIterator[Liar]:
    async with aiohttp.ClientSession() as session:
        made = Liar(workspace, session)
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", made.answer)
        server = TestServer(app)
        await server.start_server()
        made.url = str(server.make_url("")).rstrip("/")
        key = workspace.github.app.private_key
        client = GitHub(
            session,
            api_url=made.url,
            app_id=str(workspace.github.app.id),
            private_key=key,
            now=workspace.clock,
        )
        workspace.sender = Sender(workspace.store, client, keys=workspace.dispatcher.shared.keys)
        yield made
        await server.close()


async def fill(workspace: Workspace) -> None:
    """A backfill, until it is done or given up."""
    here = (workspace.installation.id, workspace.repository.id)
    await workspace.store.write(lambda tx: backfill.begin(tx, *here))
    for _ in range(40):
        await workspace.settle()
        if not await workspace.rows(
            "SELECT part FROM backfills WHERE installation_id = :i AND state = 'queued'"
        ):
            return
        workspace.clock.forward(1000)
    raise AssertionError("the backfill never ends")


async def unheard(workspace: Workspace, n: int) -> None:
    workspace.github.lose_deliveries(1)
    for each in range(n):
        workspace.person.open_issue(workspace.repository, f"Issue {each}")
    await workspace.settle()


@pytest.mark.parametrize("body", NOT_A_LIST, ids=lambda each: repr(each[:12]))
@OWN_ON_SQLITE
async def test_a_list_that_is_none_holds_up_nothing_else_and_is_let_go(
    workspace: Workspace, liar: Liar, body: bytes
) -> None:
    await unheard(workspace, 2)
    liar.tell(r"/pulls\?", body)
    await fill(workspace)
    assert len(await workspace.mirror_content("issues")) == 2
    (part,) = await workspace.rows(
        "SELECT state, error FROM backfills WHERE installation_id = :i AND part = 'pulls'"
    )
    assert part["state"] == "refused"
    assert part["error"]


async def test_what_makes_no_sense_in_a_list_is_left_out_and_the_rest_comes_in(
    workspace: Workspace, liar: Liar
) -> None:
    good = {
        "id": 7_000_000_000,
        "number": 90,
        "title": "\0\ud800" + "x" * 2**20,
        "body": "\ud800",
        "created_at": "0000-01-01T00:00:00Z",
        "updated_at": "9999-12-31T23:59:59Z",
        "user": [],
        "labels": {"name": 1},
        "milestone": {"number": 2**70},
    }
    liar.tell(r"/issues\?", json.dumps([*BAD_THINGS, good, good]).encode())
    await fill(workspace)
    (row,) = await workspace.mirror_content("issues")
    assert (row["number"], row["updated_at"], len(row["title"])) == (90, 0, 1024)


async def test_a_time_in_the_future_leads_over_nothing(workspace: Workspace, liar: Liar) -> None:
    await unheard(workspace, 2)
    thing = {"id": 7_000_000_000, "number": 90, "updated_at": "2099-01-01T00:00:00Z"}
    path = f"/repos/{workspace.repository.full_name}/issues?per_page=50"
    link = f'<{liar.url}{path}>; rel="next"'
    liar.tell(r"/issues\?state=all", json.dumps([thing]).encode(), Link=link)
    await fill(workspace)
    assert len(await workspace.mirror_content("issues")) == 3


@pytest.mark.parametrize("page", [b"[]", b'[{"id": 7000000000, "number": 90}]'])
async def test_a_page_that_leads_to_itself_is_the_last(
    workspace: Workspace, liar: Liar, page: bytes
) -> None:
    path = "/round?per_page=100"
    liar.tell(r"/pulls\?|/labels|/round", page, Link=f'<{liar.url}{path}>; rel="next"')
    await fill(workspace)
    assert liar.count("/round") <= 4


async def test_an_empty_page_is_not_the_last_if_it_has_a_next_one(
    workspace: Workspace, liar: Liar
) -> None:
    thing = {"id": 7_000_000_000, "number": 90, "name": "far"}
    liar.tell(r"/further", json.dumps([thing]).encode())
    liar.tell(r"/pulls\?|/labels", b"[]", Link=f'<{liar.url}/further?a=1,2>; rel="next"')
    await fill(workspace)
    assert [row["number"] for row in await workspace.mirror_content("pull_requests")] == [90]
    assert [row["name"] for row in await workspace.mirror_content("labels")] == ["far"]


async def test_empty_pages_without_end_end(workspace: Workspace, liar: Liar) -> None:
    more = f'<{liar.url}/more?page={{n}}>; rel="next"'
    liar.tell(r"/pulls\?|/more", b"[]", Link=more)
    await fill(workspace)
    assert liar.count("/more") <= MOST_EMPTY_PAGES


async def test_pages_that_go_elsewhere_are_not_asked_for(workspace: Workspace, liar: Liar) -> None:
    """And what the page before them had is in."""
    thing = {"id": 7_000_000_000, "number": 90}
    away = '<http://127.0.0.1:9/pulls?page=2>; rel="next"'
    liar.tell(r"/pulls\?", json.dumps([thing]).encode(), Link=away)
    here = (workspace.installation.id, workspace.repository.id)
    await workspace.store.write(lambda tx: backfill.begin(tx, *here))
    await workspace.settle()
    assert len(await workspace.mirror_content("pull_requests")) == 1


async def test_half_a_list_hides_nothing(workspace: Workspace, liar: Liar) -> None:
    workspace.person.create_label(workspace.repository, "kept")
    await workspace.settle()
    there = len(await workspace.mirror_content("labels"))
    path = f"/repos/{workspace.repository.full_name}/more"
    liar.tell(
        r"/labels", b'[{"id": 7000000000, "name": "x"}]', Link=f'<{liar.url}{path}>; rel="next"'
    )
    liar.tell(r"/more", HTML)
    await fill(workspace)
    assert len(await workspace.mirror_content("labels")) == there


@OWN_ON_SQLITE
@pytest.mark.parametrize("body", [b"", b"null", b"{}", HTML, b"[]", DEEP])
async def test_settings_that_cannot_be_read_trouble_nobody(
    workspace: Workspace, liar: Liar, body: bytes
) -> None:
    liar.tell(r"/contents/", body if body != b"[]" else b'{"type": 1}')
    await fill(workspace)
    assert not await workspace.rows("SELECT id FROM writes WHERE installation_id = :i")


# --- The log of deliveries -----------------------------------------------------------------------


def repair_of(workspace: Workspace) -> Repair:
    return Repair(
        workspace.store,
        workspace.sender.github,
        keys=workspace.dispatcher.shared.keys,
        fetches=True,
        every_s=300,
    )


async def run_repair(workspace: Workspace, repair: Repair, steps: int = 60) -> None:
    for _ in range(steps):
        workspace.clock.forward(await repair.step())
        await workspace.settle()


@pytest.mark.parametrize("body", [*NOT_A_LIST, json.dumps([*BAD_THINGS]).encode()])
@OWN_ON_SQLITE
async def test_a_list_of_installations_that_is_nonsense_stops_no_repair(
    workspace: Workspace, liar: Liar, body: bytes
) -> None:
    path = "/app/installations?per_page=100"
    liar.tell(r"/app/installations\?", body, Link=f'<{liar.url}{path}>; rel="next"')
    await unheard(workspace, 2)
    await run_repair(workspace, repair_of(workspace))
    assert len(await workspace.mirror_content("issues")) == 2
    assert liar.count(r"/app/installations\?") <= 2


@pytest.mark.parametrize("body", [b'{"request": {"payload": null}}', b"{}", HTML, DEEP, b""])
@OWN_ON_SQLITE
async def test_a_delivery_without_a_payload_holds_up_no_other(
    workspace: Workspace, liar: Liar, body: bytes
) -> None:
    await unheard(workspace, 2)
    first = min(each.id for each in workspace.github.deliveries)
    last = max(each.id for each in workspace.github.deliveries)
    assert first < last
    liar.tell(rf"/deliveries/{last}$", body)
    await run_repair(workspace, repair_of(workspace))
    assert len(await workspace.mirror_content("issues")) == 2
    assert not await workspace.store.read(missed_deliveries.count)


async def test_a_log_that_leads_to_itself_ends(workspace: Workspace, liar: Liar) -> None:
    entry = {"id": 1, "guid": "g", "delivered_at": "0000-00-00", "installation_id": -1, "event": []}
    link = f'<{liar.url}/app/hook/deliveries?per_page=100>; rel="next"'
    liar.tell(r"/deliveries\?", json.dumps([entry, *BAD_THINGS]).encode(), Link=link)
    until = workspace.clock.at + 200 * SECOND
    repair = repair_of(workspace)
    while workspace.clock.at < until:
        workspace.clock.forward(await repair.step())
    assert liar.count(r"/deliveries\?") <= 3


NO_CODE: list[tuple[str, Any]] = [
    ("/git/|/commits/", {"sha": "a" * 40, "commit": {"tree": {"sha": "b" * 40}}, "tree": "none"}),
    ("/git/|/commits/", []),
    ("/git/blobs/", {"content": "é"}),
    ("/git/blobs/", {"content": "QQ=="}),
    ("/compare/", {"files": [None, {"filename": "a.txt", "patch": f"@@ -{'9' * 5000} +1 @@"}]}),
]


@pytest.mark.parametrize(("path", "lie"), NO_CODE)
@OWN_ON_SQLITE
async def test_code_that_makes_no_sense_is_not_kept_and_can_be_read_later(
    workspace: Workspace, liar: Liar, path: str, lie: object
) -> None:
    ada = await workspace.agent("ada")
    workspace.person.push(workspace.repository, "main", {"a.txt": "1\n"})
    workspace.person.push(workspace.repository, "fix", {"a.txt": "2\n"})
    await workspace.settle()
    here = {"repository": workspace.repository.full_name}
    liar.tell(path, json.dumps(lie).encode())
    for _ in range(3):
        found = {
            await outcome_of(ada, "github_read_files", paths=["a.txt"], ref="v1", **here),
            await outcome_of(ada, "github_read_files", paths=["a.txt"], **here),
            await outcome_of(ada, "github_get_diff", head="fix", **here),
        }
        assert found <= {"", "github_refused", "unknown_ref"}
        await workspace.settle()
    liar.lies.clear()
    workspace.clock.forward(3600)
    await workspace.settle()
    for _ in range(4):
        answer = await ada.call("github_read_files", paths=["a.txt"], **here)
        await workspace.settle()
    assert [each["text"] for each in answer["files"]] == ["1\n"]


async def outcome_of(agent: Agent, operation: str, **given: Any) -> str:
    """The code of the refusal. A failure of Hubbub's own is none."""
    try:
        await agent.call(operation, **given)
    except Refused as refused:
        return refused.code
    return ""
