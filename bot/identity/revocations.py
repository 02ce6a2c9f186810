"""Which credentials were revoked lately: read by each process at most every half second."""

import asyncio
import time

from cachetools import TTLCache

from bot.identity.access_tokens import ACCESS_S
from bot.times import SECOND
from store.engine.transaction import Store, Tx
from store.identity import credentials

LOOK_EVERY_S = 0.5
# A transaction may commit so long after it read the time.
LATE_S = 60
# Nothing that was made before it remains valid after this: access tokens end by then.
KEPT_S = ACCESS_S + LATE_S
PAGE = 1000


class Revocations:
    def __init__(self, store: Store, look_every_s: float = LOOK_EVERY_S) -> None:
        self._store = store
        self._look_every_s = look_every_s
        self._ids: TTLCache[str, None] = TTLCache(100_000, KEPT_S)
        # How many revocations were found.
        self.found = 0
        self._looked_at: float | None = None
        # The database's time at the last look, in microseconds.
        self._then = 0
        self._lock = asyncio.Lock()

    async def look(self) -> int:
        """Read what is new, unless that was done just now. The time in microseconds UTC."""
        if not self._is_fresh():
            async with self._lock:
                if not self._is_fresh():
                    await self._read()
        return self.now()

    def now(self) -> int:
        """The database's time in microseconds UTC, as the last look found it; 0 before."""
        if self._looked_at is None:
            return 0
        return self._then + int((time.monotonic() - self._looked_at) * SECOND)

    def has(self, credential_id: str) -> bool:
        """Whether the credential was revoked, by the last look."""
        return credential_id in self._ids

    def _is_fresh(self) -> bool:
        at = self._looked_at
        return at is not None and time.monotonic() - at < self._look_every_s

    async def _read(self) -> None:
        began, before = time.monotonic(), self._then
        self._then, found = await self._store.read(lambda tx: _read_revoked(tx, before))
        self.found += len(set(found) - self._ids.keys())
        self._ids.update(dict.fromkeys(found))
        self._looked_at = began


async def _read_revoked(tx: Tx, before: int) -> tuple[int, list[str]]:
    """The time, and the ids of what was revoked since the last look, which was at `before`.

    A process without requests looks seldom, so this may be long ago.
    """
    now = await tx.now()
    found: list[str] = []
    since, after = max(min(before, now) - LATE_S * SECOND, now - KEPT_S * SECOND), ""
    while True:
        page = await credentials.revoked_since(tx, since, after, PAGE)
        found += [each["id"] for each in page]
        if len(page) < PAGE:
            return now, found
        since, after = page[-1]["revoked_at"], page[-1]["id"]
