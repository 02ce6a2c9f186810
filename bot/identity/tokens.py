"""Who sends a request: the actor of its bearer token."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from cachetools import TTLCache

from bot.errors import Refused
from bot.identity import access_tokens, credentials, moves
from bot.identity.actors import Actor
from bot.identity.keyring import Keys
from bot.identity.people import people_roles
from bot.identity.revocations import LOOK_EVERY_S, Revocations
from store.engine.transaction import Store
from store.identity import credentials as rows

# How long a process remembers a token that it has checked. Revocations are heard at once.
KEPT_S = 300
# What a server accepts in a header, which is longer than any token of ours.
LONGEST = 16 * 1024
UNKNOWN_TOKEN = (
    "Hubbub does not know this token, or it expired or was revoked. Send a valid one as "  # noqa: S105 - a text
    "`Authorization: Bearer <token>`; `hubbub token create` creates one."
)


@dataclass(frozen=True)
class Verified:
    """`until`: when the token must be checked again, in microseconds UTC. None: never."""

    actor: Actor
    until: int | None = None


class Verifier(Protocol):
    """Checks tokens that somebody else has signed."""

    def takes(self, token: str) -> bool:
        """Whether the token has the form of those that this verifier checks."""

    async def verify(self, token: str, now: int) -> Verified:
        """Raise Refused. `now`: microseconds UTC."""


class Tokens:
    """Turns a token into an actor, with a cache."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        audiences: Collection[str] = (),
        verifiers: Sequence[Verifier] = (),
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """`audiences`: the addresses of this server that an access token may be for."""
        self._store = store
        self._keys = keys
        self.audiences = audiences
        self._verifiers = verifiers
        self.revocations = Revocations(store, look_every_s)
        self._known: TTLCache[str, Verified] = TTLCache(10_000, KEPT_S)
        self._people: TTLCache[str, Actor] = TTLCache(10_000, look_every_s)

    async def authenticate(self, token: str) -> Actor:
        """The actor that this token belongs to. Raise Refused `unauthenticated`."""
        now = await self.revocations.look()
        known = self._known.get(token)
        if known is None or has_ended(known, now):
            known = await self._verify(token, now)
            self._known[token] = known
        if self.revocations.has(known.actor.credential) or has_ended(known, now):
            del self._known[token]
            raise await self._refusal(known.actor.credential)
        if known.actor.is_person:
            return replace(await self._person(known.actor), until=known.actor.until)
        return known.actor

    async def _person(self, actor: Actor) -> Actor:
        """The person with the roles of this moment. Raise Refused without any."""
        found = self._people.get(actor.credential)
        if found is None:
            found = await self._store.read(lambda tx: people_roles.actor_of(tx, actor.credential))
            if found is None:
                raise Refused("unauthenticated", people_roles.NO_ROLE.format(actor.name))
            self._people[actor.credential] = found
        return found

    async def has_other_roles(self, actor: Actor) -> bool:
        """Whether a person who was authenticated before has other roles now, or none."""
        if not actor.is_person:
            return False
        try:
            return await self._person(actor) != actor
        except Refused:
            return True

    def is_revoked(self, actor: Actor) -> bool:
        """Whether the actor's credential was revoked, as far as this process knows."""
        return self.revocations.has(actor.credential)

    def has_ended(self, actor: Actor) -> bool:
        """Whether the actor's token was revoked or expired, so that its connections must end.

        A call that began before the token expired may go on: it takes at most a minute.
        """
        expired = actor.until is not None and actor.until <= self.revocations.now()
        return expired or self.is_revoked(actor)

    async def _refusal(self, credential_id: str, token: str | None = None) -> Refused:
        """Why the token does not work. `token`: one that nobody has checked yet."""
        row = await self._store.read(lambda tx: rows.get(tx, credential_id))
        if (
            row is not None
            and token is not None
            and not credentials.is_signed(self._keys, row, token)
        ):
            row = None  # a stranger learns nothing
        return Refused("unauthenticated", moves.words(row) or UNKNOWN_TOKEN)

    async def _verify(self, token: str, now: int) -> Verified:
        if len(token) > LONGEST:
            raise Refused("unauthenticated", UNKNOWN_TOKEN)
        for verifier in self._verifiers:
            if verifier.takes(token):
                return await verifier.verify(token, now)
        if access_tokens.header_of(token):
            return Verified(*access_tokens.decode(self._keys, token, self.audiences, now))
        row = await self._store.read(lambda tx: credentials.find(tx, self._keys, token, "api_key"))
        if row is None:
            raise await self._refusal(credentials.id_of(token), token)
        return Verified(credentials.actor_of(row), row["expires_at"])


def has_ended(known: Verified, now: int) -> bool:
    return known.until is not None and known.until <= now
