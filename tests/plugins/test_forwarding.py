"""Deliveries of GitHub are forwarded to apps of others, such as Probot apps."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bot.plugins import installing
from bot.plugins.forwarding import Forwarder, choosing, sending
from bot.plugins.forwarding.choosing import LATE
from bot.plugins.forwarding.sending import App, Letter
from bot.plugins.package import Package
from bot.protocols.outgoing import Outgoing
from bot.times import SECOND
from store.engine.transaction import Store
from store.inbox import backlog, deliveries
from store.inbox.deliveries import Delivery
from store.plugins.forwards import Accepted
from tests.support.plugin_packages import package
from tests.support.plugins import PluginOffice
from tests.support.receivers import Receiver, open_receiver
from tests.support.story import Clock

SECRET = "s3cret-of-the-app"
SETTINGS = (
    "{url: {description: Its address}, secret: {type: secret, description: Signs, required: true}, "
    "repositories: {type: list, description: Only these}, "
    "installation: {type: number, description: Its own installation}}"
)


def app_package(deliveries: str = '["*"]') -> Package:
    return package(
        "probot",
        files={},
        kind="probot",
        entry="https://app.example.com/api/github/webhooks",
        adds=f"{{deliveries: {deliveries}}}",
        settings=SETTINGS,
    )


@dataclass
class Desk:
    """An installation whose deliveries are forwarded to a receiver."""

    office: PluginOffice
    receiver: Receiver
    _n: int = 0

    @property
    def forwarder(self) -> Forwarder:
        trusted = frozenset({self.receiver.origin})
        return Forwarder(self.office.store, self.office.plugins, Outgoing(trusted))

    async def use(self, *, only: str = '["*"]', **settings: Any) -> None:
        await self.office.install(app_package(only))
        await self.enable(**settings)

    async def enable(self, **settings: Any) -> None:
        given = {"url": self.receiver.url, "secret": SECRET} | settings
        await self.office.enable("probot", settings=given)

    async def comes(self, event: str = "issues", repository: int | None = 1, **more: Any) -> str:
        """GitHub sends a delivery."""
        self._n += 1
        self.office.clock.forward(1)
        i, guid = self.office.installation_id, f"guid-{self.office.installation_id}-{self._n}"
        payload = {"n": self._n, "action": "opened", "installation": {"id": i}, **more}
        made = Delivery(i, guid, event, "opened", repository, json.dumps(payload).encode())
        await self.office.store.write(lambda tx: deliveries.receive(tx, [made]))
        return guid

    async def forward(self, seconds: float = 3) -> None:
        """The loop runs until nothing is left."""
        self.office.clock.forward(seconds)
        while await self.forwarder.step():
            pass

    @property
    def got(self) -> list[str]:
        return [headers["X-GitHub-Delivery"] for headers, _ in self.receiver.requests]

    async def shown(self) -> dict[str, Any]:
        found = (await self.office.call("get_plugin", plugin="probot"))["forwarded"]
        assert isinstance(found, dict)
        return found


@pytest.fixture
async def desk(store: Store, clock: Clock, installation_id: int) -> AsyncIterator[Desk]:
    office = PluginOffice(store, clock, installation_id)
    await office.clear()
    async with open_receiver() as receiver:
        shared = office.dispatcher.shared
        trusted = frozenset({receiver.origin})
        office.dispatcher.shared = replace(shared, trusted_origins=trusted)
        yield Desk(office, receiver)
    await office.clear()


def is_signed(headers: Mapping[str, str], body: bytes) -> bool:
    made = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(headers["X-Hub-Signature-256"], f"sha256={made}")


async def test_a_delivery_is_forwarded_once_as_github_sends_it(desk: Desk) -> None:
    await desk.comes()
    desk.office.clock.forward(1)
    await desk.use()
    guid = await desk.comes("issue_comment", comment={"body": "Grüße"})
    await desk.forward()
    await desk.forward(120)
    [(headers, body)] = desk.receiver.requests
    assert (headers["X-GitHub-Delivery"], headers["X-GitHub-Event"]) == (guid, "issue_comment")
    assert is_signed(headers, body)
    assert json.loads(body)["comment"] == {"body": "Grüße"}
    assert await desk.shown() == {"waiting": 0, "delivered": 1, "dead": 0, "newest_dead": []}


async def test_an_app_that_fails_gets_it_again_and_later_ones_of_the_repository_wait(
    desk: Desk,
) -> None:
    await desk.use()
    desk.receiver.status = 503
    first, second = await desk.comes(), await desk.comes()
    other = await desk.comes(repository=2)
    await desk.forward()
    assert desk.got == [first, other]
    desk.receiver.requests.clear()
    await desk.forward()
    assert desk.got == []
    desk.receiver.status = 202
    await desk.forward(11)
    assert sorted(desk.got) == sorted([first, other, second])
    assert desk.got.index(first) < desk.got.index(second)
    [plugin] = (await desk.office.call("list_plugins"))["plugins"]
    assert plugin["state"] == "on"


async def test_one_that_is_given_up_is_shown_and_can_be_sent_again(desk: Desk) -> None:
    await desk.use()
    desk.receiver.status = 500
    first = await desk.comes()
    for _ in range(7):
        await desk.forward(21_700)
    assert desk.got == [first] * 7
    shown = await desk.shown()
    assert (shown["waiting"], shown["dead"]) == (0, 1)
    [dead] = shown["newest_dead"]
    assert (dead["guid"], dead["why"]) == (first, "the app answered 500")
    [item] = (await desk.office.call("list_attention"))["items"]
    assert (item["kind"], item["severity"]) == ("forward_dead", "warning")
    assert item["title"] == ("Hubbub gave up deliveries to the app probot: “the app answered 500”")
    states = await desk.office.store.read(lambda tx: backlog.by_state(tx, "plugin_forwards"))
    assert states["dead"] >= 1
    desk.receiver.status = 200
    second = await desk.comes()
    await desk.office.call("manage_plugin", plugin="probot", action="resend")
    await desk.forward()
    assert desk.got[7:] == [first, second]
    assert (await desk.office.call("list_attention"))["items"] == []


async def test_retry_after_is_respected(desk: Desk) -> None:
    await desk.use()
    desk.receiver.status, desk.receiver.headers = 429, {"Retry-After": "500"}
    await desk.comes()
    await desk.forward()
    await desk.forward(200)
    assert len(desk.got) == 1
    await desk.forward(400)
    assert len(desk.got) == 2


async def test_only_what_the_manifest_and_the_settings_name_is_forwarded(desk: Desk) -> None:
    await desk.use(only="[issues.opened, pull_request]", repositories=["acme/unknown"])
    await desk.comes()
    await desk.forward()
    assert desk.got == []
    await desk.enable(repositories=[])
    wanted = [await desk.comes("pull_request"), await desk.comes("issues")]
    await desk.comes("push")
    await desk.forward()
    assert desk.got[-2:] == wanted
    assert "push" not in {headers["X-GitHub-Event"] for headers, _ in desk.receiver.requests}


async def test_another_app_gets_the_number_of_its_own_installation(desk: Desk) -> None:
    await desk.use(installation=77)
    await desk.comes()
    await desk.forward()
    [(headers, body)] = desk.receiver.requests
    assert is_signed(headers, body)
    assert json.loads(body)["installation"] == {"id": 77}


async def test_nothing_is_forwarded_while_it_is_off(desk: Desk) -> None:
    await desk.use()
    await desk.office.call("manage_plugin", plugin="probot", action="disable")
    await desk.comes()
    await desk.forward()
    desk.office.clock.forward(1)
    await desk.enable()
    last = await desk.comes()
    await desk.forward()
    assert desk.got == [last]


async def test_a_delivery_that_is_committed_late_is_not_skipped(desk: Desk) -> None:
    await desk.use()
    newer = await desk.comes()
    await desk.forward()
    late = await desk.comes()
    earlier = "UPDATE deliveries SET received_at = received_at - :d WHERE guid = :g"
    await desk.office.run(earlier, d=2 * SECOND, g=late)
    await desk.forward()
    assert desk.got == [newer, late]


async def test_more_than_a_step_reads_is_forwarded_in_the_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PAGE", 2), ("MOST_PAGES", 1)):
        monkeypatch.setattr(f"bot.plugins.forwarding.steps.{name}", value)
    await desk.use()
    sent = [await desk.comes() for _ in range(5)]
    for _ in range(4):
        await desk.forward()
    assert desk.got == sent


async def test_a_payload_that_is_gone_or_too_large_is_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.use()
    gone = await desk.comes()
    desk.receiver.status = 500
    await desk.forward()
    await desk.office.run("DELETE FROM deliveries WHERE guid = :g", g=gone)
    await desk.forward(60)
    [dead] = (await desk.shown())["newest_dead"]
    assert dead["why"] == "its payload is not kept any more"
    monkeypatch.setattr("bot.plugins.forwarding.sending.LARGEST", 10)
    failed = await sending.send(
        Outgoing(), App("https://app.example.com/", SECRET), Letter("g", "issues", b"{}" * 10), 0
    )
    assert failed is not None
    assert failed.why == "its payload has 20 bytes; the limit is 10"


@pytest.mark.parametrize(
    "url", ["http://app.example.com/", "https://10.0.0.1/", "https://localhost/x", "ftp://x.y/"]
)
async def test_an_inner_address_is_refused(desk: Desk, url: str) -> None:
    await desk.office.install(app_package())
    refused = await desk.office.refused(
        "manage_plugin",
        plugin="probot",
        action="enable",
        settings={"url": url, "secret": SECRET},
    )
    assert refused.startswith("invalid_arguments: The address cannot be used")


async def test_the_secret_is_never_shown(desk: Desk) -> None:
    await desk.use()
    shown = json.dumps(await desk.office.call("get_plugin", plugin="probot"))
    assert SECRET not in shown
    rows = await desk.office.rows("SELECT * FROM audit WHERE installation_id = :i")
    assert SECRET not in str(rows)


@pytest.mark.parametrize(
    ("events", "repositories", "wanted"),
    [
        (["*"], None, True),
        (["issues"], None, True),
        (["issues.opened"], None, True),
        (["issues.closed", "push"], None, False),
        (["*"], {1}, True),
        (["*"], {2}, False),
    ],
)
def test_which_deliveries_are_wanted(
    events: list[str], repositories: set[int] | None, *, wanted: bool
) -> None:
    each: Accepted = {
        "guid": "g",
        "event": "issues",
        "action": "opened",
        "repository_id": 1,
        "received_at": 5,
    }
    assert choosing.is_wanted(each, events, repositories) == wanted


def test_a_place_of_a_plug_in_that_is_on_stays() -> None:
    assert choosing.place_of(None, 5) == 5 + LATE


async def test_what_waits_for_a_plug_in_that_is_removed_is_never_forwarded(desk: Desk) -> None:
    """Not even if a plug-in with its name is installed later, for another app."""
    desk.receiver.status = 503
    await desk.use()
    await desk.comes()
    await desk.forward()
    assert (await desk.shown())["waiting"] == 1
    await installing.remove(desk.office.store, "probot")
    desk.receiver.status = 202
    before = len(desk.receiver.requests)
    await desk.use()
    await desk.forward(3600)
    assert (await desk.shown())["waiting"] == 0
    assert len(desk.receiver.requests) == before
