"""API keys, access tokens and refresh tokens: what they open, and when they stop."""

import asyncio
import base64
import json
import secrets
from dataclasses import dataclass
from typing import Any

import jwt
import pytest

from bot.errors import Refused
from bot.identity import access_tokens, sessions
from bot.identity.access_tokens import ACCESS_S, LEEWAY_S, PURPOSE
from bot.identity.actors import Actor
from bot.identity.credentials import Grant, id_of
from bot.identity.keyring import Keys
from bot.identity.revocations import LATE_S
from bot.identity.sessions import SESSION_S, Issued
from bot.identity.tokens import Tokens
from store.engine.transaction import Store
from store.identity import credentials
from tests.support.api_keys import add_api_key
from tests.support.engines import ON_SQLITE
from tests.support.story import Clock

HERE = "https://hubbub.example.com/mcp"


@dataclass
class Door:
    """Two processes of a server on one database, and the tokens that they accept."""

    store: Store
    clock: Clock
    keys: Keys
    installation_id: int
    tokens: Tokens
    other: Tokens

    async def start(self, **more: Any) -> Issued:
        grant = Grant(self.installation_id, "ada", "developer", **more)
        return await self.store.write(
            lambda tx: sessions.start(tx, self.keys, grant, audience=HERE)
        )

    async def refresh(self, token: str, client: str | None = None, repeat_s: int = 0) -> Any:
        return await self.store.write(
            lambda tx: sessions.refresh(
                tx, self.keys, token, audience=HERE, client=client, repeat_s=repeat_s
            )
        )

    async def add_key(self, actor: str, **more: Any) -> str:
        here = (self.keys, self.installation_id, actor)
        return await self.store.write(lambda tx: add_api_key(tx, *here, "developer", **more))

    async def revoke(self, credential_id: str) -> None:
        assert await self.store.write(lambda tx: credentials.revoke(tx, credential_id))

    async def refusal(self, token: str) -> str:
        with pytest.raises(Refused) as caught:
            await self.tokens.authenticate(token)
        assert caught.value.code == "unauthenticated"
        return caught.value.message


@pytest.fixture
def door(store: Store, clock: Clock, installation_id: int) -> Door:
    keys = Keys(secrets.token_hex(32))
    here = [Tokens(store, keys, [HERE], look_every_s=0) for _ in range(2)]
    return Door(store, clock, keys, installation_id, *here)


async def test_a_session_acts_with_what_was_granted(door: Door) -> None:
    issued = await door.start(repositories=frozenset({3, 1}))
    for tokens in (door.tokens, door.other):
        assert await tokens.authenticate(issued.access_token) == Actor(
            door.installation_id, "ada", "developer", frozenset({1, 3}), issued.session
        )
    assert issued.expires_in == ACCESS_S


async def test_an_access_token_ends_and_the_refresh_token_gives_the_next(door: Door) -> None:
    issued = await door.start()
    await door.tokens.authenticate(issued.access_token)
    door.clock.forward(ACCESS_S + LEEWAY_S + 1)
    for tokens in (door.tokens, Tokens(door.store, door.keys, [HERE])):
        with pytest.raises(Refused, match="has expired"):
            await tokens.authenticate(issued.access_token)
    again = await door.refresh(issued.refresh_token)
    assert (await door.tokens.authenticate(again.access_token)).name == "ada"
    assert again.session == issued.session
    assert again.refresh_token != issued.refresh_token


async def test_a_refresh_token_that_is_used_again_ends_the_session_everywhere(door: Door) -> None:
    stolen = await door.start()
    honest = await door.refresh(stolen.refresh_token)
    assert (await door.other.authenticate(honest.access_token)).name == "ada"
    assert await door.refresh(stolen.refresh_token) == "reused"
    for each in (stolen, honest):
        await door.refusal(each.access_token)
        with pytest.raises(Refused):
            await door.other.authenticate(each.access_token)
        assert await door.refresh(each.refresh_token) == "ended"


async def test_of_several_refreshes_at_once_one_counts_and_the_session_ends(door: Door) -> None:
    issued = await door.start()
    found = await asyncio.gather(*(door.refresh(issued.refresh_token) for _ in range(4)))
    assert sum(isinstance(each, Issued) for each in found) == 1
    assert found.count("reused") == 1
    assert found.count("ended") == 2


async def test_an_operator_may_let_processes_refresh_at_once_and_keep_the_session(
    door: Door,
) -> None:
    issued = await door.start()
    asked = [door.refresh(issued.refresh_token, repeat_s=30) for _ in range(4)]
    found = await asyncio.gather(*asked)
    (token,) = {each.refresh_token for each in found}
    assert token != issued.refresh_token
    for each in found:
        assert (await door.other.authenticate(each.access_token)).name == "ada"
    door.clock.forward(28)
    assert (await door.refresh(issued.refresh_token, repeat_s=30)).refresh_token == token
    door.clock.forward(3)
    again = await door.refresh(issued.refresh_token, repeat_s=30)
    assert again == "reused", "asking again buys no more time"


async def test_a_token_before_the_last_ends_the_session_at_once(door: Door) -> None:
    first = await door.start()
    second = await door.refresh(first.refresh_token, repeat_s=30)
    assert isinstance(await door.refresh(second.refresh_token, repeat_s=30), Issued)
    assert await door.refresh(first.refresh_token, repeat_s=30) == "reused"
    assert await door.refresh(second.refresh_token, repeat_s=30) == "ended"


async def test_a_session_that_is_not_refreshed_has_an_end(door: Door) -> None:
    issued = await door.start()
    door.clock.forward(SESSION_S + 1)
    assert await door.refresh(issued.refresh_token) == "ended"


async def test_a_refresh_token_of_another_client_changes_nothing(door: Door) -> None:
    issued = await door.start(client="https://client.example/id")
    assert await door.refresh(issued.refresh_token, "https://other.example/id") == "wrong_client"
    assert isinstance(await door.refresh(issued.refresh_token, "https://client.example/id"), Issued)


async def test_no_other_token_is_a_refresh_token(door: Door) -> None:
    issued, secret = await door.start(), door.keys
    key = await door.store.write(
        lambda tx: add_api_key(tx, secret, door.installation_id, "ada", "developer")
    )
    token = issued.refresh_token
    changed = token[:-1] + ("0" if token[-1] != "0" else "1")
    later = token.replace("_0-", "_1-")
    strange = ["", "x", "ü", key, issued.access_token, changed, later, f"{token} ", token.upper()]
    for each in (*strange, f"hubbub_{issued.session}_", f"hubbub_{issued.session}_9999999999-x"):
        assert await door.refresh(each) == "unknown"
    assert isinstance(await door.refresh(token), Issued)
    # And it opens nothing itself.
    await door.refusal(token)


async def test_an_api_key_ends_at_its_time(door: Door) -> None:
    ends = door.clock() + 60_000_000
    key = await door.store.write(
        lambda tx: add_api_key(
            tx,
            door.keys,
            door.installation_id,
            "ada",
            "tester",
            repositories=frozenset({7}),
            expires_at=ends,
        )
    )
    actor = Actor(door.installation_id, "ada", "tester", frozenset({7}), id_of(key))
    assert await door.tokens.authenticate(key) == actor
    door.clock.forward(61)
    await door.refusal(key)
    with pytest.raises(Refused):
        await door.other.authenticate(key)


async def test_a_revocation_counts_in_every_process(door: Door) -> None:
    key, issued = await door.add_key("ada"), await door.start()
    for token, credential in ((key, id_of(key)), (issued.access_token, issued.session)):
        actor = await door.other.authenticate(token)
        await door.revoke(credential)
        with pytest.raises(Refused):
            await door.other.authenticate(token)
        assert door.other.is_revoked(actor)
        # A process that never saw the token knows it too.
        with pytest.raises(Refused):
            await Tokens(door.store, door.keys, [HERE]).authenticate(token)


async def test_a_process_without_requests_hears_all_revocations_at_its_next_one(door: Door) -> None:
    issued, key = await door.start(), await door.add_key("bob")
    for token in (issued.access_token, key):
        await door.tokens.authenticate(token)
    await door.revoke(issued.session)
    await door.revoke(id_of(key))
    door.clock.forward(LATE_S * 3)
    for token in (issued.access_token, key):
        assert "revoked" in await door.refusal(token)


async def test_a_revocation_is_heard_when_its_transaction_took_long(door: Door) -> None:
    issued = await door.start()
    await door.tokens.authenticate(issued.access_token)
    began = door.clock()
    door.clock.forward(30)
    await door.tokens.authenticate(issued.access_token)
    q = "UPDATE credentials SET revoked_at = :at WHERE id = :id"
    await door.store.write(lambda tx: tx.run(q, at=began, id=issued.session))
    await door.refusal(issued.access_token)


async def test_many_revocations_are_read_in_pages(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.identity.revocations.PAGE", 2)
    issued = [await door.start() for _ in range(5)]
    for each in issued:
        await door.revoke(each.session)
    for each in issued:
        await door.refusal(each.access_token)


# --- Forged and foreign tokens --------------------------------------------------------------------


def changed(token: str, keys: Keys, header: dict[str, Any], **claims: Any) -> str:
    """The access token with other claims, signed by these keys."""
    old = jwt.decode(token, options={"verify_signature": False})
    head = jwt.get_unverified_header(token) | header
    new = {k: v for k, v in (old | claims).items() if v is not None}
    return jwt.encode(new, keys.derive(PURPOSE), head.pop("alg"), head)


def unsigned(token: str, algorithm: str) -> str:
    """With another algorithm in the header, and no signature or the old one."""
    _, claims, signature = token.split(".")
    header = json.dumps({"alg": algorithm, "typ": "at+jwt"}).encode()
    head = base64.urlsafe_b64encode(header).decode().rstrip("=")
    return f"{head}.{claims}.{'' if algorithm == 'none' else signature}"


@ON_SQLITE
@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({}, {"aud": "https://other.example.com/mcp"}),
        ({}, {"aud": None}),
        ({}, {"exp": None}),
        ({}, {"sub": None}),
        ({}, {"jti": None}),
        ({}, {"sid": None}),
        ({}, {"ins": None}),
        ({}, {"role": "owner"}),
        ({}, {"role": None}),
        ({}, {"ins": "seven"}),
        ({}, {"repos": "all"}),
        ({}, {"exp": 9_999_999_999}),
        ({}, {"iat": 9_999_999_000, "exp": 9_999_999_999}),
        ({}, {"nbf": 9_999_999_999}),
        ({"typ": "JWT"}, {}),
        ({"kid": "unknown0"}, {}),
    ],
)
async def test_an_access_token_with_a_wrong_claim_opens_nothing(
    door: Door, header: dict[str, Any], claims: dict[str, Any]
) -> None:
    token = (await door.start()).access_token
    assert (await door.tokens.authenticate(changed(token, door.keys, {}))).name == "ada"
    await door.refusal(changed(token, door.keys, header, **claims))


@ON_SQLITE
@pytest.mark.parametrize("algorithm", ["none", "RS256", "HS512", "HS256"])
async def test_an_access_token_without_our_signature_opens_nothing(
    door: Door, algorithm: str
) -> None:
    token = (await door.start()).access_token
    await door.refusal(unsigned(token, algorithm))
    await door.refusal(changed(token, Keys("x" * 40), {}))


@ON_SQLITE
async def test_clocks_may_differ_by_some_seconds(door: Door) -> None:
    token = (await door.start()).access_token
    at = door.clock() // 1_000_000
    for skew, opens in ((LEEWAY_S - 1, True), (LEEWAY_S + 2, False)):
        ahead = changed(token, door.keys, {}, iat=at + skew, exp=at + skew + ACCESS_S)
        ended = changed(token, door.keys, {}, iat=at - ACCESS_S - skew, exp=at - skew)
        for each in (ahead, ended):
            if opens:
                assert (await door.tokens.authenticate(each)).name == "ada"
            else:
                await door.refusal(each)


@ON_SQLITE
async def test_a_token_of_the_secret_before_stays_valid_while_that_is_known(door: Door) -> None:
    issued = await door.start()
    new = secrets.token_hex(32)
    both = Keys(new, [door.keys._secret.decode()])
    assert (await Tokens(door.store, both, [HERE]).authenticate(issued.access_token)).name == "ada"
    refreshed = await door.store.write(
        lambda tx: sessions.refresh(tx, both, issued.refresh_token, audience=HERE)
    )
    assert isinstance(refreshed, Issued)
    assert access_tokens.header_of(refreshed.access_token)["kid"] == both.id
    with pytest.raises(Refused):
        await Tokens(door.store, Keys(new), [HERE]).authenticate(issued.access_token)


@ON_SQLITE
@pytest.mark.parametrize("token", ["", "x" * 20_000, "a.b.c", "hubbub_", "hubbub__", "\x00", "é"])
async def test_what_is_no_token_is_refused(door: Door, token: str) -> None:
    await door.refusal(token)
