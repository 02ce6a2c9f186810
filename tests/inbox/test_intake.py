import asyncio
import io
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer

from bot.dispatch.dispatcher import Dispatcher
from bot.identity.keyring import Keys
from bot.identity.tokens import Tokens
from bot.inbox import worker
from bot.inbox.backpressure import Backpressure
from bot.kernel.operation import Shared
from store.engine.transaction import Row, Store
from tests.support.engines import ON_SQLITE
from tests.support.server_process import WEBHOOK_SECRET, signed_headers
from tests.support.story import Clock
from webhooks.app import create_app
from webhooks.github import LARGEST
from webhooks.signature import is_valid, sign

OWNER = {"login": "acme", "id": 9, "type": "Organization"}
REPOSITORY = {"id": 5, "full_name": "acme/rocket", "owner": OWNER}


class Intake:
    """The webhook address of a running application."""

    def __init__(
        self, dispatcher: Dispatcher, client: TestClient[Any, Any], installation_id: int
    ) -> None:
        self.dispatcher = dispatcher
        self.client = client
        self.installation_id = installation_id

    async def post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """The status, and the error's code or what was accepted."""
        async with self.client.post(
            "/webhooks/github", data=io.BytesIO(body), headers=headers
        ) as response:
            answer = await response.json()
            return response.status, answer.get("accepted") or answer["error"]["code"]

    async def deliver(self, event: str, guid: str, **payload: Any) -> int:
        payload = {"installation": {"id": self.installation_id}, **payload}
        body = json.dumps(payload).encode()
        status, _ = await self.post(body, signed_headers(event, body, guid))
        return status

    async def deliveries(self) -> list[Row]:
        while await worker.step(self.dispatcher.store, self.dispatcher.shared):
            pass  # other tests use this database, too
        q = (
            "SELECT guid, event, state, outcome FROM deliveries WHERE installation_id = :i "
            "ORDER BY guid"
        )
        return await self.dispatcher.store.read(lambda tx: tx.all(q, i=self.installation_id))


@pytest.fixture
async def intake(store: Store, installation_id: int) -> AsyncIterator[Intake]:
    dispatcher = Dispatcher(store, Shared(Keys("k" * 40)))
    app = create_app(
        dispatcher,
        Tokens(store, dispatcher.shared.keys),
        pressure=Backpressure(),
        webhook_secrets=[WEBHOOK_SECRET],
    )
    async with TestClient(TestServer(app)) as client:
        yield Intake(dispatcher, client, installation_id)


def test_the_signature_is_the_one_that_github_publishes() -> None:
    published = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert sign("It's a Secret to Everybody", b"Hello, World!") == published
    assert is_valid("It's a Secret to Everybody", b"Hello, World!", published)
    assert not is_valid("It's a Secret to Everybody", b"Hello, World?", published)


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k != name}


@ON_SQLITE
async def test_two_secrets_are_valid_while_github_changes_to_another(
    store: Store, installation_id: int
) -> None:
    dispatcher = Dispatcher(store, Shared(Keys("k" * 40)))
    app = create_app(
        dispatcher,
        Tokens(store, dispatcher.shared.keys),
        pressure=Backpressure(),
        webhook_secrets=["new", "old", ""],
    )
    async with TestClient(TestServer(app)) as client:
        answers = {}
        for secret in ("new", "old", "other", ""):
            guid = f"guid-{secret}-{installation_id}"
            headers = signed_headers("ping", GOOD, guid, secret=secret)
            async with client.post("/webhooks/github", data=GOOD, headers=headers) as response:
                answers[secret] = response.status
    assert answers == {"new": 202, "old": 202, "other": 401, "": 401}


GOOD = b'{"zen": "Keep it logically awesome."}'
HEADERS = signed_headers("ping", GOOD, "guid-1")


@pytest.mark.parametrize(
    ("body", "headers", "answer"),
    [
        pytest.param(GOOD, HEADERS, (202, "guid-1"), id="good"),
        pytest.param(
            GOOD,
            without(HEADERS, "X-Hub-Signature-256"),
            (401, "unauthenticated"),
            id="unsigned",
        ),
        pytest.param(
            GOOD,
            signed_headers("ping", GOOD, secret="another"),
            (401, "unauthenticated"),
            id="wrongly signed",
        ),
        pytest.param(GOOD[:-5], HEADERS, (401, "unauthenticated"), id="truncated on its way"),
        pytest.param(
            GOOD,
            HEADERS | {"X-Hub-Signature-256": "sha256=ÄÖ"},
            (401, "unauthenticated"),
            id="a signature that is no text of theirs",
        ),
        pytest.param(GOOD, without(HEADERS, "X-GitHub-Event"), (400, "bad_request"), id="no event"),
        pytest.param(
            GOOD, without(HEADERS, "X-GitHub-Delivery"), (400, "bad_request"), id="no GUID"
        ),
        pytest.param(
            GOOD, signed_headers("ping", GOOD, "x" * 81), (400, "bad_request"), id="a GUID too long"
        ),
        pytest.param(
            GOOD,
            HEADERS | {"Content-Type": "application/x-www-form-urlencoded"},
            (400, "bad_request"),
            id="a form",
        ),
        *(
            pytest.param(body, signed_headers("ping", body), (400, "bad_request"), id=name)
            for name, body in {
                "no JSON": b"Hello, World!",
                "truncated before it was signed": GOOD[:-5],
                "a list": b"[]",
                "nothing": b"",
                "no UTF-8": b'{"zen": "\xff"}',
                "a million brackets": b"[" * 1_000_000,
            }.items()
        ),
    ],
)
@ON_SQLITE
async def test_a_delivery_is_kept_or_the_answer_says_why_not(
    intake: Intake, body: bytes, headers: dict[str, str], answer: tuple[int, str]
) -> None:
    assert await intake.post(body, headers) == answer
    assert await intake.deliver("ping", "after") == 202  # whatever came, the next is taken


@ON_SQLITE
async def test_a_body_larger_than_githubs_limit_is_refused_before_it_is_read(
    intake: Intake,
) -> None:
    body = b" " * (LARGEST + 1)
    assert await intake.post(body, signed_headers("ping", body)) == (413, "too_large")


@ON_SQLITE
async def test_a_chunked_body_larger_than_githubs_limit_is_refused(intake: Intake) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(26):
            yield b" " * 2**20

    headers = signed_headers("ping", b"")
    url = intake.client.make_url("/webhooks/github")
    async with ClientSession() as session:
        try:
            async with session.post(url, data=chunks(), headers=headers) as response:
                assert response.status == 413
        except aiohttp.ClientConnectionError:
            pass  # the server would not hear the rest
    assert await intake.deliver("ping", "after") == 202


async def test_a_body_at_the_limit_is_taken(intake: Intake) -> None:
    padding = LARGEST - len(b'{"installation":{"id":0},"x":""}') - 30
    assert await intake.deliver("ping", "big", x="a" * padding) == 202


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("an_event_of_tomorrow", {"action": "created"}),
        ("issues", {"action": "an_action_of_tomorrow", "repository": REPOSITORY}),
        ("issues", {"action": "opened", "issue": None, "repository": REPOSITORY}),
        ("issues", {"action": "opened", "issue": [], "repository": None}),
        ("issues", {"action": None, "issue": {"id": "7"}, "repository": {"id": -1}}),
        ("issues", {"action": {"a": 1}, "issue": {"id": 2**70}, "repository": REPOSITORY}),
        ("issue_comment", {"action": "created", "comment": None, "repository": REPOSITORY}),
        ("issue_comment", {"action": "created", "sender": None, "repository": REPOSITORY}),
        ("pull_request", {"action": "opened", "pull_request": {}, "repository": REPOSITORY}),
        ("installation", {"action": "created", "installation": None}),
        ("installation_repositories", {"action": "removed", "repositories_removed": None}),
        ("repository", {"action": "deleted", "repository": {"full_name": None, "id": 5}}),
        ("label", {"action": "created", "label": {"id": 1, "name": None}, "repository": {}}),
        ("ping", {}),
    ],
)
async def test_what_is_unknown_or_odd_is_kept_and_harms_nothing(
    intake: Intake, event: str, payload: dict[str, Any]
) -> None:
    assert await intake.deliver(event, "odd", **payload) == 202
    assert await intake.deliver("ping", "after") == 202
    states = {row["state"] for row in await intake.deliveries()}
    assert states <= {"processed"}


def issue(**changes: Any) -> dict[str, Any]:
    at = "2026-01-01T00:00:00Z"
    person = {"login": "octocat", "id": 1, "type": "User"}
    return {
        "id": 70,
        "number": 7,
        "title": "One",
        "body": "",
        "user": person,
        "labels": [],
        "state": "open",
        "created_at": at,
        "updated_at": at,
        **changes,
    }


@pytest.mark.parametrize(
    "text",
    ["🦑 \u202eright to left\u202c", "é" * 60_000, "\x00 nul", "\ud800 half a pair", None],
)
async def test_any_text_is_mirrored_as_it_is(intake: Intake, text: str | None) -> None:
    assert (
        await intake.deliver(
            "issues", "text", action="opened", issue=issue(body=text), repository=REPOSITORY
        )
        == 202
    )
    assert [row["outcome"] for row in await intake.deliveries()] == ["mirrored"]
    q = "SELECT body FROM issues WHERE installation_id = :i"
    (row,) = await intake.dispatcher.store.read(lambda tx: tx.all(q, i=intake.installation_id))
    assert row["body"] == (text or "").encode("utf-8", "replace").decode()


HOSTILE = {
    "too large for a float": b"1e400",
    "no number": b"NaN",
    "half a pair": b'"\\ud800"',
    "70 bits": b"1180591620717411303424",
    "300 deep": b"[" * 300 + b"]" * 300,
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@ON_SQLITE
async def test_a_value_that_somebody_had_github_pass_on_disturbs_no_delivery(
    intake: Intake, value: bytes
) -> None:
    given = {"installation": {"id": intake.installation_id}, "repository": REPOSITORY}
    opened = {"action": "opened", "issue": issue(odd="<>", comments="<>"), "odd": "<>"}
    body = json.dumps({**given, **opened}).encode().replace(b'"<>"', value)
    assert await intake.post(body, signed_headers("issues", body, "odd")) == (202, "odd")
    assert [row["outcome"] for row in await intake.deliveries()] == ["mirrored"]


@ON_SQLITE
async def test_an_id_of_70_bits_is_malformed_and_holds_up_nothing(intake: Intake) -> None:
    odd = {"action": "opened", "issue": issue(id=2**70), "repository": REPOSITORY}
    assert await intake.deliver("issues", "a", **odd) == 202
    assert await intake.deliver("issues", "b", **odd | {"issue": issue()}) == 202
    outcomes = {row["guid"]: row["outcome"] for row in await intake.deliveries()}
    assert outcomes == {"a": "malformed", "b": "mirrored"}


async def test_a_repository_never_seen_before_is_mirrored_with_its_first_event(
    intake: Intake,
) -> None:
    await intake.deliver("issues", "first", action="opened", issue=issue(), repository=REPOSITORY)
    await intake.deliveries()
    q = "SELECT full_name FROM repositories WHERE installation_id = :i"
    rows = await intake.dispatcher.store.read(lambda tx: tx.all(q, i=intake.installation_id))
    assert rows == [{"full_name": "acme/rocket"}]


@pytest.mark.parametrize("named", [None, {"id": 0}, {"id": "7"}])
async def test_a_delivery_that_names_no_installation_is_kept_and_changes_nothing(
    intake: Intake, named: Any
) -> None:
    """A repository's own webhook may have the same secret."""
    guid = secrets.token_hex(16)
    given = {"action": "opened", "issue": issue(), "repository": REPOSITORY, "installation": named}
    assert await intake.deliver("issues", guid, **given) == 202
    await intake.deliveries()
    store = intake.dispatcher.store
    q = "SELECT state, outcome FROM deliveries WHERE installation_id = 0 AND guid = :g"
    rows = await store.read(lambda tx: tx.all(q, g=guid))
    assert rows == [{"state": "processed", "outcome": "kept"}]
    of_nobody = (
        "SELECT id FROM repositories WHERE installation_id = 0 "
        "UNION ALL SELECT id FROM issues WHERE installation_id = 0 "
        "UNION ALL SELECT installation_id FROM installations WHERE installation_id = 0"
    )
    assert await store.read(lambda tx: tx.all(of_nobody)) == []


async def test_a_guid_that_comes_again_is_one_delivery(intake: Intake) -> None:
    for _ in range(3):
        assert await intake.deliver("ping", "same") == 202
    await intake.deliveries()
    assert await intake.deliver("ping", "same") == 202
    assert len(await intake.deliveries()) == 1


@ON_SQLITE
async def test_a_header_that_is_no_text_is_refused_and_not_a_bug(intake: Intake) -> None:
    server = intake.client.server
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(
        b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"X-Hub-Signature-256: sha256=\xff\xfe\r\nContent-Length: 2\r\n\r\n{}"
    )
    status, _, _ = (await reader.read()).partition(b"\r\n")
    writer.close()
    await writer.wait_closed()
    assert b" 401 " in status


async def test_a_delivery_that_fails_is_tried_again_and_then_dead_and_replayable(
    intake: Intake, clock: Clock
) -> None:
    """A table is gone, as a bug of ours would have it: the delivery must not be lost."""
    dispatcher = intake.dispatcher
    await dispatcher.store.write(lambda tx: tx.run("ALTER TABLE milestones RENAME TO hidden"))
    try:
        milestone = {"id": 1, "number": 1, "title": "x", "updated_at": "2026-01-01T00:00:00Z"}
        await intake.deliver(
            "milestone", "m", action="created", milestone=milestone, repository=REPOSITORY
        )
        await intake.deliver("ping", "p")
        for _ in range(6):
            states = {row["guid"]: row["state"] for row in await intake.deliveries()}
            clock.forward(601)
        assert states == {"m": "dead", "p": "processed"}
    finally:
        await dispatcher.store.write(lambda tx: tx.run("ALTER TABLE hidden RENAME TO milestones"))
    await intake.deliver("milestone", "m", action="created", milestone=milestone)
    (row, _) = await intake.deliveries()
    assert (row["guid"], row["state"]) == ("m", "processed")
