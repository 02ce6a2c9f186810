"""Requests of plug-ins: to hosts of the manifest alone, on the public internet, and bounded."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.errors import Refused
from bot.plugins.requests import MOST_READ, MOST_SENT, Requests
from store.engine.database import open_store
from tests.support import bubblewrap
from tests.support.client_site import Resolver
from tests.support.plugin_packages import package
from tests.support.plugins import PluginOffice
from tests.support.receivers import Receiver, open_receiver
from tests.support.story import Clock

HOSTS = ("api.example.com", "api.example.com:8443", "192.0.2.7")
CODE = b"""\
from hubbub_plugin import operation, run


@operation
def say(hubbub, text=""):
    answer = hubbub.fetch(text, "POST", {"X-From": "echo"}, "hello")
    return {"status": answer["status"], "body": answer["body"]}


run()
"""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened


def host(receiver: Receiver) -> str:
    return receiver.origin.removeprefix("http://")


async def fetched(receiver: Receiver, **given: Any) -> dict[str, Any]:
    """What a plug-in gets from an origin that the operator allowed."""
    requests = Requests(trusted=[receiver.origin])
    return await requests.fetch({host(receiver)}, {"url": receiver.url, "method": "POST", **given})


async def refusal(requests: Requests, **given: Any) -> str:
    with pytest.raises(Refused) as refused:
        await requests.fetch(HOSTS, {"url": "https://api.example.com/", **given})
    return f"{refused.value.code}: {refused.value.message}"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"url": "https://example.com/"}, "forbidden: The manifest names "),
        ({"url": "https://api.example.com:9000/"}, "and not 'api.example.com:9000'"),
        ({"url": "https://api.example.com.evil.example/"}, "forbidden: "),
        ({"url": "http://api.example.com/"}, "and not 'api.example.com:80'"),
        ({"url": "http://api.example.com:443/"}, "it must begin with https://"),
        ({"url": "https://api.example.com:8443/"}, "without a port. The operator of the server"),
        ({"url": "https://192.0.2.7/"}, "it must be a host on the internet"),
        ({"url": "https://me:pw@api.example.com/"}, "must not have a user name"),
        ({"url": "https://api.example.com\\@evil.example/"}, "forbidden: "),
        ({"url": "https://api.example.com:x/"}, "invalid_arguments: The URL cannot be read"),
        ({"url": "file:///etc/passwd"}, "forbidden: "),
        ({}, "the host has an address that is not public"),
        ({"method": "CONNECT"}, "`method` must be one of DELETE, GET"),
        ({"headers": ["a"]}, "`headers` must be an object"),
        ({"body": {"a": 1}}, "`body` must be a text"),
        ({"body": "x" * (MOST_SENT + 1)}, f"`body` must be a text of at most {MOST_SENT} bytes"),
    ],
)
async def test_nothing_is_sent_to_where_the_manifest_or_the_operator_forbids_it(
    given: dict[str, Any], why: str
) -> None:
    assert why in await refusal(Requests(resolver=Resolver(443, ["10.0.0.1"])), **given)


async def test_an_origin_that_the_operator_allowed_must_be_in_the_manifest_too(
    receiver: Receiver,
) -> None:
    requests = Requests(trusted=[receiver.origin])
    assert "forbidden" in await refusal(requests, url=receiver.url)
    with pytest.raises(Refused, match="it must begin with https"):
        await Requests().fetch({host(receiver)}, {"url": receiver.url, "method": "POST"})
    assert receiver.requests == []


async def test_an_answer_has_status_headers_and_text(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 201, {"X-Left": "5"}
    given = {"headers": {"X-From": "echo", "Host": "inner", "content-length": "9"}, "body": "hello"}
    found = await fetched(receiver, **given)
    assert (found["status"], found["headers"]["X-Left"]) == (201, "5")
    assert (found["body"], found["truncated"]) == ("ok", False)
    ((headers, body),) = receiver.requests
    assert (headers["X-From"], headers["Host"], body) == ("echo", host(receiver), b"hello")


async def test_redirects_are_shown_and_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, {"Location": receiver.url}
    found = await fetched(receiver)
    assert (found["status"], found["headers"]["Location"]) == (302, receiver.url)
    assert len(receiver.requests) == 1


async def test_a_long_answer_is_cut_off(receiver: Receiver) -> None:
    receiver.text = "x" * (MOST_READ + 70_000)
    found = await fetched(receiver)
    assert (len(found["body"]), found["truncated"]) == (MOST_READ, True)


async def test_a_server_that_never_answers_is_not_waited_for() -> None:
    hears = asyncio.Event()

    async def hear(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hears.wait()
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as server:
        at = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        requests = Requests(trusted=[f"http://{at}"], timeout_s=0.05)
        with pytest.raises(Refused, match=f"The request to {at} failed: it did not answer within"):
            await requests.fetch({at}, {"url": f"http://{at}/"})
        hears.set()


async def test_a_plug_in_in_the_sandbox_reaches_its_hosts_through_hubbub(
    sqlite_url: str, clock: Clock, receiver: Receiver
) -> None:
    bubblewrap.skip_without()
    store = await open_store(sqlite_url, clock)
    office = PluginOffice(store, clock, 7, Requests(trusted=[receiver.origin]))
    may = f"{{role: observer, hosts: ['{host(receiver)}']}}"
    files = {"main.py": CODE}
    await office.use(package(files=files, kind="process", entry="main.py", permissions=may))
    found = (await office.call("echo__say", text=receiver.url))["result"]
    assert found == {"status": 200, "body": "ok"}
    assert "forbidden: The manifest names" in await office.refused(
        "echo__say", text="https://example.com/"
    )
    await store.close()
