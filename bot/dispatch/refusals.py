"""Refusals in the audit log, without a row for each call of an agent that repeats itself.

The first refusal of a kind is stored before its caller gets the answer. Those that follow within a
minute are counted, and one row has the count. So a killed process loses counts, and no kind.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from bot.audit import contents
from bot.dispatch.callers import with_actor
from bot.errors import Refused
from bot.identity.actors import Actor
from store.audit import records
from store.audit.records import NO_INSTALLATION
from store.engine.origins import Origin
from store.engine.transaction import Store, StoreError, Tx

log = structlog.get_logger()

WINDOW_S = 60.0
# Strangers get few rows, because anybody can be refused as often as they like.
STRANGERS_WINDOW_S = 600.0
MOST_OF_STRANGERS = 20
# Kinds of one actor within a window. Further ones are counted together.
MOST_OF_ACTOR = 30
OTHERS = "others"
# These are failures of Hubbub.
NO_REFUSALS = frozenset({"internal", "unavailable"})


@dataclass(frozen=True)
class Kind:
    """Refusals of one kind are counted together. `actor` is "" for strangers."""

    installation_id: int
    actor: str
    operation: str
    code: str
    surface: str
    # Strangers differ by their address.
    remote: str = ""

    @property
    def group(self) -> tuple[int, str]:
        return self.installation_id, self.actor

    @property
    def window_s(self) -> float:
        return WINDOW_S if self.actor else STRANGERS_WINDOW_S

    @property
    def most(self) -> int:
        return MOST_OF_ACTOR if self.actor else MOST_OF_STRANGERS


@dataclass
class Window:
    """`repeats`: how many came after the first, whose row is stored."""

    ends_at: float
    origin: Origin
    subject: str
    repeats: int = 0


@dataclass
class Refusals:
    """The refusals of this process that are not stored yet."""

    store: Store
    timer: Callable[[], float] = time.monotonic
    _windows: dict[Kind, Window] = field(default_factory=dict)
    _of_group: Counter[tuple[int, str]] = field(default_factory=Counter)

    async def record_call(
        self, actor: Actor, operation: str, arguments: Any, refused: Refused, origin: Origin
    ) -> None:
        """Record that a call of an actor was refused, unless this refusal is recorded already."""
        if refused.is_recorded or refused.code in NO_REFUSALS:
            return
        refused.is_recorded, origin = True, with_actor(origin, actor)
        kind = Kind(actor.installation_id, actor.name, operation, refused.code, origin.surface)
        await self._record(kind, origin, contents.subject_of(arguments))

    async def record_stranger(self, operation: str, refused: Refused, origin: Origin) -> None:
        """Record that somebody without a valid token or signature was refused."""
        refused.is_recorded = True
        where = (operation, refused.code, origin.surface, origin.remote)
        await self._record(Kind(NO_INSTALLATION, "", *where), origin, "")

    @asynccontextmanager
    async def record_refused_token(self, operation: str, origin: Origin) -> AsyncIterator[None]:
        """Record a refusal of the token that is checked in this block."""
        try:
            yield
        except Refused as exc:
            await self.record_stranger(operation, exc, origin)
            raise

    async def _record(self, kind: Kind, origin: Origin, subject: str) -> None:
        if kind not in self._windows and self._of_group[kind.group] >= kind.most:
            kind = replace(kind, operation=OTHERS, code="", surface="", remote="")
            origin, subject = Origin(origin.surface), ""
        now, window = self.timer(), self._windows.get(kind)
        if window is not None and now < window.ends_at:
            window.repeats += 1
            return
        self._close(kind)
        self._of_group[kind.group] += 1
        self._windows[kind] = new = Window(now + kind.window_s, origin, subject)

        async def write(tx: Tx) -> None:
            await _append_repeats(tx, kind, window)
            await _append(tx, kind, new, 1)

        try:
            await self.store.write(write)
        except StoreError as exc:  # the caller gets the refusal, not this
            new.repeats += 1 + (window.repeats if window else 0)
            log.warning("refusal not stored yet", why=str(exc))

    def _close(self, kind: Kind) -> None:
        if self._windows.pop(kind, None) is not None:
            self._of_group[kind.group] -= 1

    async def flush(self, *, everything: bool = False) -> int:
        """Store the counts of the windows that are over. Return how many windows there were."""
        now = self.timer()
        over = {k: w for k, w in self._windows.items() if everything or now >= w.ends_at}
        for kind in over:
            self._close(kind)

        async def write(tx: Tx) -> None:
            for kind, window in over.items():
                await _append_repeats(tx, kind, window)

        if any(window.repeats for window in over.values()):
            await self.store.write(write)
        self._of_group = +self._of_group
        return len(over)


async def _append_repeats(tx: Tx, kind: Kind, window: Window | None) -> None:
    if window is not None and window.repeats:
        await _append(tx, kind, window, window.repeats)


async def _append(tx: Tx, kind: Kind, window: Window, calls: int) -> None:
    await records.append(
        tx,
        kind.installation_id,
        kind.actor,
        kind.operation,
        window.subject,
        outcome="refused",
        code=kind.code,
        calls=calls,
        origin=window.origin,
    )
