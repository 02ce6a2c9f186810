"""GitHub's deliveries as they come in: what is taken, what is refused, what it costs."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from surface import Answer, Surface, new_guid, serving, signature

from bot import worker
from store.deliveries import Delivery
from store.transaction import Store, StoreError, Work
from webhooks.inbox import Inbox
from webhooks.signature import valid

MIB = 2**20


@pytest.fixture
async def surface(store: Store, installation_id: int) -> AsyncIterator[Surface]:
    async with serving(store, installation_id) as made:
        yield made


def payload(installation_id: int, **more: Any) -> dict[str, Any]:
    return {"action": "opened", "installation": {"id": installation_id}, **more}


def refused(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


def test_githubs_published_vector_is_a_valid_signature() -> None:
    secret, body = "It's a Secret to Everybody", b"Hello, World!"
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert valid(secret, body, f"sha256={digest}")
    assert not valid(secret, body + b"!", f"sha256={digest}")
    assert not valid(secret, body, digest)


async def test_what_was_accepted_is_in_the_database_byte_by_byte(surface: Surface) -> None:
    guid, body = (
        new_guid(),
        b'{"action":  "opened", "installation": {"id": 7}, "x": "\xf0\x9f\xa6\x8a"}',
    )
    answer = await surface.deliver(None, body=body, X_GitHub_Delivery=guid)
    assert (answer.status, answer.data) == (202, {"accepted": guid})
    [(row, delivery)] = [await surface.store.read(lambda tx: worker.deliveries.get(tx, 7, guid))]  # type: ignore[list-item]
    assert delivery == Delivery(7, guid, "issues", "opened", None, body)
    assert row["state"] == "received"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"X_Hub_Signature_256": None}, "unauthenticated"),
        ({"X_Hub_Signature_256": signature(b"another body")}, "unauthenticated"),
        ({"X_Hub_Signature_256": "sha1=0123456789"}, "unauthenticated"),
        ({"X_Hub_Signature_256": "sha256=é"}, "unauthenticated"),
        ({"X_GitHub_Event": None}, "bad_request"),
        ({"X_GitHub_Event": "Not An Event"}, "bad_request"),
        ({"X_GitHub_Delivery": None}, "bad_request"),
        ({"X_GitHub_Delivery": "a" * 81}, "bad_request"),
        ({"X_GitHub_Delivery": "a'; --"}, "bad_request"),
        ({"Content_Type": None}, "bad_request"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, "bad_request"),
    ],
    ids=str,
)
async def test_a_delivery_with_a_wrong_header_is_refused_with_the_reason(
    surface: Surface, changed: dict[str, str | None], code: str
) -> None:
    answer = await surface.deliver(payload(surface.installation_id), **changed)
    assert refused(answer) == (401 if code == "unauthenticated" else 400, code)
    assert await surface.rows("SELECT guid FROM deliveries WHERE installation_id = :i") == []


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b'{"action": "op', b"[1]", b"null", b'"text"', b"\xff\xfe", b"[" * 100_000],
    ids=lambda body: repr(body[:12]),
)
async def test_a_body_that_is_no_json_object_is_refused_with_the_reason(
    surface: Surface, body: bytes
) -> None:
    assert refused(await surface.deliver(None, body=body)) == (400, "bad_request")


async def test_26_megabytes_are_refused_and_the_next_delivery_is_taken(surface: Surface) -> None:
    body = b" " * (26 * MIB)
    assert refused(await surface.deliver(None, body=body)) == (413, "too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), MIB):
            yield body[start : start + MIB]

    unannounced = await surface.send("POST", "/webhooks/github", data=chunks())
    assert refused(unannounced) == (413, "too_large")
    assert (await surface.deliver(payload(surface.installation_id))).status == 202


async def test_24_megabytes_are_taken(surface: Surface) -> None:
    big = payload(surface.installation_id, filler="x" * (24 * MIB))
    assert (await surface.deliver(big)).status == 202


@pytest.mark.parametrize(
    "given",
    [
        {"X_GitHub_Event": "never_heard_of"},
        {"action": "never_heard_of"},
        {"action": None},
        {"action": 5},
        {"action": ["opened"]},
        {"action": "\ud800"},
        {"installation": None},
        {"installation": []},
        {"installation": {"id": None}},
        {"installation": {"id": "7"}},
        {"installation": {"id": 2**70}},
        {"installation": {"id": -1}},
        {"repository": None},
        {"repository": {"id": 2**70}},
        {"issue": None, "sender": None},
        {"issue": {"id": 1, "title": "🦊 שלום \u202e", "user": None}},
    ],
    ids=str,
)
async def test_what_github_may_send_one_day_is_kept_and_harms_nothing(
    surface: Surface, given: dict[str, Any]
) -> None:
    guid = new_guid()
    event = given.get("X_GitHub_Event", "issues")
    sent = payload(surface.installation_id) | given
    answer = await surface.deliver(sent, X_GitHub_Delivery=guid, X_GitHub_Event=event)
    assert answer.status == 202
    [row] = await surface.kept(guid)
    await worker.process(surface.hub, row["installation_id"], guid)
    [row] = await surface.kept(guid)
    assert (row["state"], row["error"]) == ("processed", None)


async def test_a_delivery_of_no_installation_is_kept_under_none(surface: Surface) -> None:
    guid = new_guid()
    await surface.deliver({"zen": "Design for failure."}, X_GitHub_Delivery=guid)
    assert [row["installation_id"] for row in await surface.kept(guid)] == [0]


async def test_the_same_guid_is_kept_once(surface: Surface) -> None:
    guid = new_guid()
    first = payload(surface.installation_id, n=1)
    for sent in (first, first, payload(surface.installation_id, n=2)):
        assert (await surface.deliver(sent, X_GitHub_Delivery=guid)).status == 202
    assert len(await surface.kept(guid)) == 1
    got = await surface.store.read(
        lambda tx: worker.deliveries.get(tx, surface.installation_id, guid)
    )
    assert got is not None
    assert json.loads(got[1].payload) == first


async def test_a_body_cut_off_on_its_way_is_not_kept(surface: Surface) -> None:
    host, port = surface.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(payload(surface.installation_id)).encode()
    head = (
        "POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"X-GitHub-Event: issues\r\nX-GitHub-Delivery: {new_guid()}\r\n"
        f"X-Hub-Signature-256: {signature(body)}\r\nContent-Length: {len(body) + 1}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    writer.write_eof()
    await reader.read()
    writer.close()
    await writer.wait_closed()
    assert await surface.rows("SELECT guid FROM deliveries WHERE installation_id = :i") == []
    assert (await surface.deliver(payload(surface.installation_id))).status == 202


async def test_a_header_that_is_no_text_is_refused_not_a_bug(surface: Surface) -> None:
    host, port = surface.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"X-Hub-Signature-256: sha256=\xff\xfe\r\nContent-Length: 2\r\n\r\n{}"
    )
    status, _, _ = (await reader.read()).partition(b"\r\n")
    writer.close()
    await writer.wait_closed()
    assert b" 401 " in status


class Counting:
    """A store that counts its transactions, and fails when told."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.bell, self.dialect = store.bell, store.dialect
        self.written = 0
        self.failures: list[Exception] = []

    async def read(self, work: Work[Any]) -> Any:
        return await self._store.read(work)

    async def write(self, work: Work[Any]) -> Any:
        self.written += 1
        if self.failures:
            raise self.failures.pop(0)
        return await self._store.write(work)

    async def close(self) -> None:
        await self._store.close()


def delivery(installation_id: int, **changed: Any) -> Delivery:
    given = {"guid": new_guid(), "event": "issues", "action": "opened", "payload": b"{}"}
    return Delivery(**{"installation_id": installation_id, "repository_id": None} | given | changed)


async def test_deliveries_that_arrive_together_share_transactions(
    store: Store, installation_id: int
) -> None:
    counting = Counting(store)
    async with serving(counting, installation_id) as surface:
        sent = [surface.deliver(payload(installation_id, n=n)) for n in range(50)]
        answers = await asyncio.gather(*sent)
    assert [answer.status for answer in answers] == [202] * 50
    q = "SELECT guid FROM deliveries WHERE installation_id = :i"
    assert len(await store.read(lambda tx: tx.all(q, i=installation_id))) == 50
    assert counting.written < 50


async def test_those_that_wait_go_into_the_next_transaction_together(
    store: Store, installation_id: int
) -> None:
    counting = Counting(store)
    inbox = Inbox(counting)
    await asyncio.gather(*(inbox.receive(delivery(installation_id)) for _ in range(50)))
    assert counting.written == 1


async def test_one_that_the_database_refuses_harms_no_other(
    store: Store, installation_id: int
) -> None:
    inbox = Inbox(store)
    bad = delivery(installation_id, guid=None)  # a column that may not be null
    good = [delivery(installation_id) for _ in range(5)]
    outcomes = await asyncio.gather(
        *(inbox.receive(each) for each in [*good[:2], bad, *good[2:]]), return_exceptions=True
    )
    assert [isinstance(each, Exception) for each in outcomes] == [False] * 2 + [True] + [False] * 3
    q = "SELECT guid FROM deliveries WHERE installation_id = :i"
    rows = await store.read(lambda tx: tx.all(q, i=installation_id))
    assert {row["guid"] for row in rows} == {each.guid for each in good}


async def test_while_the_database_is_away_nothing_is_acknowledged(
    store: Store, installation_id: int
) -> None:
    counting = Counting(store)
    counting.failures = [StoreError("The disk is full.")]
    async with serving(counting, installation_id) as surface:
        answer = await surface.deliver(payload(installation_id))
        assert refused(answer) == (503, "unavailable")
        assert (await surface.deliver(payload(installation_id))).status == 202
