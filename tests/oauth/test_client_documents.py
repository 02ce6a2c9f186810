"""Client ID metadata documents: which addresses are fetched, and which documents are believed."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.identity.oauth.client_documents import Unusable, check_address, keep_seconds
from bot.identity.oauth.clients import Client
from bot.identity.oauth.document_fetcher import MOST_OF_HOST, RETRY_AFTER_S, DocumentFetcher
from bot.public_internet import is_public
from tests.support.client_site import (
    GOOD,
    HOST,
    ID,
    REDIRECT,
    Resolver,
    Site,
    serving_documents,
    write_certificate,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "client.pem"
    write_certificate(path)
    return path


@pytest.fixture
async def site(certificate: Path) -> AsyncIterator[Site]:
    async with serving_documents(certificate) as made:
        yield made


async def test_a_document_is_fetched_once_an_hour_at_most(site: Site) -> None:
    fetcher = site.fetcher()
    site.headers = {"Cache-Control": "max-age=99999"}
    assert await fetcher.client(ID) == Client(ID, "Tool", (REDIRECT,))
    site.time += 3599
    await fetcher.client(ID)
    assert len(site.requests) == 1
    site.time += 2
    await fetcher.client(ID)
    assert len(site.requests) == 2
    assert "Cookie" not in site.requests[0].headers
    assert "Authorization" not in site.requests[0].headers


def document(**changed: Any) -> dict[str, Any]:
    return {"document": GOOD | changed}


# What is wrong with the answer, and what the person reads.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "not found": ({"status": 404}, "did not answer with 200"),
    "a redirect": ({"status": 302, "headers": {"Location": ID + "x"}}, "redirects"),
    "another type": ({"content_type": "text/html"}, "not served as application/json"),
    "too large": (document(x="y" * 6000), "larger than 5120 bytes"),
    "a list": ({"document": [GOOD]}, "not a JSON object"),
    "no JSON": ({"text": "{"}, "not JSON"),
    "nested deeply": ({"text": "[" * 5000}, "not JSON"),
    "another id": (document(client_id=ID + "/"), "client_id is not"),
    "a number as id": (document(client_id=5), "client_id is not"),
    "a secret": (document(client_secret="s"), "client_secret"),
    "a client with a key": (
        document(token_endpoint_auth_method="private_key_jwt"),
        "token_endpoint_auth_method",
    ),
    "another grant": (document(grant_types=["client_credentials"]), "grant_types"),
    "a number as grants": (document(grant_types=5), "grant_types"),
    "no redirects": (document(redirect_uris=[]), "redirect_uris"),
    "a text as redirects": (document(redirect_uris="x"), "redirect_uris"),
    "no usable redirect": (document(redirect_uris=["javascript:x", 5]), "no redirect address"),
    "compressed": ({"headers": {"Content-Encoding": "gzip"}}, "compressed"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_document_that_breaks_a_rule_is_not_believed_and_not_fetched_again_at_once(
    site: Site, wrong: str
) -> None:
    (changes, why), fetcher = WRONG[wrong], site.fetcher()
    usual = {name: getattr(site, name) for name in changes}
    set_all(site, changes)
    for _ in range(2):
        with pytest.raises(Unusable, match=why):
            await fetcher.client(ID)
    assert len(site.requests) == 1
    set_all(site, usual)
    site.time += RETRY_AFTER_S + 1
    assert (await fetcher.client(ID)).name == "Tool"


def set_all(site: Site, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(site, name, value)


@pytest.mark.parametrize(
    "client_id",
    [
        "http://client.example/client.json",
        "HTTPS://client.example/client.json",
        "https://client.example",
        "https://client.example/",
        "https://client.example/a/../b",
        "https://client.example/a/%2e%2E/b",
        "https://client.example/./b",
        "https://client.example:8443/client.json",
        "https://client.example:443/client.json",
        "https://client.example:/client.json",
        "https://client.example:99999/client.json",
        "https://user@client.example/client.json",
        "https://user:secret@client.example/client.json",
        "https://client.example/client.json#x",
        "https://client.example/client.json?x",
        "https://client.example/client json",
        "https://client.example\\@evil.example/client.json",
        "https://client.example/\r\nX: y",
        "https://127.0.0.1/client.json",
        "https://2130706433/client.json",
        "https://0x7f.1/client.json",
        "https://127.1/client.json",
        "https://[::1]/client.json",
        "https://[::1/client.json",
        "https://localhost/client.json",
        "https://intranet/client.json",
        "https://CLIENT.example/client.json",
        "https://client.example./client.json",
        "https://-x.example/client.json",
        "https://\u2170.example/client.json",
        "https://client.example/" + "x" * 1000,
        "file:///etc/passwd",
        "",
    ],
)
async def test_no_connection_is_made_for_an_address_with_a_trick(
    site: Site, client_id: str
) -> None:
    with pytest.raises(Unusable):
        check_address(client_id)
    with pytest.raises(Unusable):
        await site.fetcher().client(client_id)
    assert site.requests == []


PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "100.64.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "not an address",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_on_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_an_address_on_the_public_internet_is_allowed(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_host_that_resolves_to_a_private_address_is_not_connected_to(
    site: Site, address: str
) -> None:
    resolver = Resolver(site.port, [address])
    with pytest.raises(Unusable, match="public address"):
        await DocumentFetcher(resolver, site.tls).client(ID)
    assert site.requests == []


async def test_one_private_address_among_public_ones_is_enough_to_refuse(site: Site) -> None:
    with pytest.raises(Unusable, match="public address"):
        await site.fetcher(["127.0.0.1", "10.0.0.1"]).client(ID)
    assert site.requests == []


async def test_a_second_answer_of_the_name_server_does_not_count(site: Site) -> None:
    """A host that is public when it is checked, and private when it is connected to."""
    resolver = Resolver(site.port, ["127.0.0.1"], ["10.0.0.1"])
    fetcher = DocumentFetcher(resolver, site.tls, lambda each: each == "127.0.0.1")
    assert (await fetcher.client(ID)).id == ID
    assert resolver.asked == 1
    assert len(site.requests) == 1


async def test_a_host_without_a_certificate_for_its_name_is_not_believed(site: Site) -> None:
    with pytest.raises(Unusable, match="could not be fetched"):
        await site.fetcher().client("https://other.example/client.json")
    assert site.requests == []


async def test_a_host_that_does_not_answer_is_given_up(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.identity.oauth.document_fetcher.FETCH_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        resolver = Resolver(silent.getsockname()[1], ["127.0.0.1"])
        with pytest.raises(Unusable, match="could not be fetched"):
            await DocumentFetcher(resolver, site.tls, lambda _: True).client(ID)


async def test_a_host_is_asked_only_so_often_whatever_the_path_is(site: Site) -> None:
    fetcher = site.fetcher()
    site.document = {}
    for n in range(MOST_OF_HOST):
        with pytest.raises(Unusable, match="client_id"):
            await fetcher.client(f"https://{HOST}/{n}")
    with pytest.raises(Unusable, match="too many"):
        await fetcher.client(ID)
    assert len(site.requests) == MOST_OF_HOST
    site.time += 61
    with pytest.raises(Unusable, match="client_id"):
        await fetcher.client(ID)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 600),
        ("max-age=60", 60),
        ("public, Max-Age=99999", 3600),
        ("no-store", 0),
        ("max-age=60, no-cache", 0),
        ("max-age=-5", 600),
        ("max-age=9999999999999", 600),
    ],
)
def test_the_header_says_how_long_a_document_is_used_up_to_an_hour(
    header: str, seconds: int
) -> None:
    assert keep_seconds(header) == seconds


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  Claude \n Code  ", "Claude Code"),
        ("\u202eevil\u202c\u0000\u200b", "evil"),
        ("x" * 500, "x" * 60),
        ("\u2028\u00a0", HOST),
        ("", HOST),
        (5, HOST),
        ("<script>", "<script>"),
    ],
)
async def test_a_name_has_no_characters_that_change_the_text_around_it(
    site: Site, name: Any, shown: str
) -> None:
    site.document = GOOD | {"client_name": name}
    assert (await site.fetcher().client(ID)).name == shown
