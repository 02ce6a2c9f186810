"""The keys that sign the tokens of GitHub Actions: fetched rarely, and never without bounds."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from yarl import URL

from bot.identity.actions import issuer_keys
from bot.identity.actions.issuer_keys import (
    FRESH,
    LONGEST,
    OLDEST,
    PAUSE,
    IssuerKeys,
    NoKeys,
    open_keys,
)
from bot.times import SECOND
from fixtures.github import Issuer, SimulatedGitHub
from fixtures.github.oidc import DISCOVERY, JWKS, OtherAnswer, key_id, public_jwk
from tests.support.story import Clock

FIRST, SECOND_KEY = key_id(1), key_id(2)


@pytest.fixture
async def issuer(clock: Clock) -> AsyncIterator[Issuer]:
    async with SimulatedGitHub(clock) as github:
        yield github.oidc


@pytest.fixture
async def keys(issuer: Issuer, clock: Clock) -> AsyncIterator[IssuerKeys]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(open_keys(issuer.url, clock))


def fetches(issuer: Issuer) -> int:
    return issuer.requests.count(DISCOVERY)


async def test_the_keys_are_fetched_once_for_many_tokens_at_once(
    keys: IssuerKeys, issuer: Issuer
) -> None:
    found = await asyncio.gather(*(keys.having(FIRST) for _ in range(20)))
    assert [list(each) for each in found] == [[FIRST]] * 20
    assert issuer.requests == [DISCOVERY, JWKS]


async def test_an_unknown_key_lets_hubbub_look_once_and_then_not_for_a_while(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    await keys.having(FIRST)
    clock.forward(PAUSE / SECOND)
    for n in range(50):
        assert "random" not in await keys.having(f"random {n}")
    assert fetches(issuer) == 2
    clock.forward(PAUSE / SECOND)
    await keys.having("random")
    assert fetches(issuer) == 3


async def test_a_key_that_github_changed_to_is_found(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    await keys.having(FIRST)
    issuer.rotate()
    clock.forward(PAUSE / SECOND)
    assert list(await keys.having(SECOND_KEY)) == [FIRST, SECOND_KEY]
    issuer.rotate(keep=False)
    clock.forward(PAUSE / SECOND)
    assert list(await keys.having(key_id(3))) == [key_id(3)]


async def test_a_key_that_github_withdrew_is_forgotten(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    await keys.having(FIRST)
    issuer.rotate(keep=False)
    clock.forward(FRESH / SECOND)
    # A caller with a known key does not wait for the look.
    assert FIRST in await keys.having(FIRST)
    assert FIRST not in await keys.having(key_id(2))


async def test_the_keys_are_kept_over_an_outage_but_not_forever(
    keys: IssuerKeys, issuer: Issuer, clock: Clock
) -> None:
    await keys.having(FIRST)
    issuer.answers[DISCOVERY] = OtherAnswer(status=503)
    clock.forward((OLDEST - FRESH) / SECOND)
    assert FIRST in await keys.having(FIRST)
    clock.forward(FRESH / SECOND)
    with pytest.raises(NoKeys):
        await keys.having(FIRST)
    del issuer.answers[DISCOVERY]
    clock.forward(PAUSE / SECOND)
    assert FIRST in await keys.having(FIRST)


async def test_a_caller_who_leaves_does_not_end_the_look_for_the_others(
    keys: IssuerKeys, issuer: Issuer
) -> None:
    first = asyncio.create_task(keys.having(FIRST))
    await asyncio.sleep(0)
    other = asyncio.create_task(keys.having(FIRST))
    await asyncio.sleep(0)
    first.cancel()
    assert FIRST in await other
    assert fetches(issuer) == 1


VALID = json.dumps({"keys": [public_jwk(1)]}).encode()
WRONG_ANSWERS = {
    "an error": OtherAnswer(status=500),
    "no JSON": OtherAnswer(b"<html>"),
    "deep JSON": OtherAnswer(b"[" * 60_000),
    "a list": OtherAnswer(b"[]"),
    "no keys": OtherAnswer(b'{"keys": []}'),
    "more than 64 KB": OtherAnswer(b" " * (LONGEST + 1)),
    "an endless answer": OtherAnswer(b" " * 1024, times=10_000),
    # It could be small, and unpack to a large one.
    "a compressed answer": OtherAnswer(gzip.compress(VALID), headers={"Content-Encoding": "gzip"}),
    "too many keys": OtherAnswer(b'{"keys": [' + b",".join([b"null"] * 33) + b"]}"),
}


@pytest.mark.parametrize("answer", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
async def test_an_answer_that_is_no_list_of_keys_changes_nothing(
    keys: IssuerKeys,
    issuer: Issuer,
    clock: Clock,
    answer: OtherAnswer,
) -> None:
    issuer.answers[JWKS] = answer
    with pytest.raises(NoKeys):
        await keys.having(FIRST)
    del issuer.answers[JWKS]
    clock.forward(PAUSE / SECOND)
    assert list(await keys.having(FIRST)) == [FIRST]
    issuer.answers[JWKS] = answer
    clock.forward(PAUSE / SECOND)
    assert list(await keys.having("other")) == [FIRST]


async def test_a_redirect_is_not_followed(keys: IssuerKeys, issuer: Issuer) -> None:
    both = issuer.discovery() | {"keys": [public_jwk(1)]}
    issuer.answers[DISCOVERY] = OtherAnswer(json.dumps(both).encode())
    issuer.answers[JWKS] = OtherAnswer(status=302, headers={"Location": DISCOVERY})
    with pytest.raises(NoKeys):
        await keys.having(FIRST)


async def test_an_answer_that_does_not_come_is_not_awaited_for_long(
    keys: IssuerKeys, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "TIME_OUT", 0.01)
    issuer.answers[JWKS] = OtherAnswer(is_silent=True)
    with pytest.raises(NoKeys):
        await keys.having(FIRST)


ISSUER = URL("https://token.actions.githubusercontent.com/acme")


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/jwks",
        "https://token.actions.githubusercontent.com:444/jwks",
        "http://token.actions.githubusercontent.com/jwks",
        "https://token.actions.githubusercontent.com@evil.example/jwks",
        "https://me:you@token.actions.githubusercontent.com/jwks",
        "file:///etc/passwd",
        "/jwks",
        "",
        "http://[",
    ],
)
def test_the_keys_are_fetched_only_from_the_host_of_the_issuer(address: str) -> None:
    with pytest.raises(issuer_keys.WrongAnswer):
        issuer_keys.address_of_keys({"issuer": str(ISSUER), "jwks_uri": address}, ISSUER)


def test_the_configuration_must_name_the_issuer() -> None:
    address = f"{ISSUER}/.well-known/jwks"
    found = issuer_keys.address_of_keys({"issuer": str(ISSUER), "jwks_uri": address}, ISSUER)
    assert str(found) == address
    with pytest.raises(issuer_keys.WrongAnswer):
        issuer_keys.address_of_keys({"issuer": str(ISSUER.origin()), "jwks_uri": address}, ISSUER)


def test_one_broken_key_does_not_hide_the_others() -> None:
    broken = public_jwk(1) | {"n": "", "kid": "broken"}
    assert list(issuer_keys.parse_keys({"keys": [broken, public_jwk(1)]})) == [FIRST]
