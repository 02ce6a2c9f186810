"""The channel to GitHub: it sends one request at a time and records the limits in each answer."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.github import error_entries, outcomes, rate_limit_store, rate_limits
from bot.github.client import REQUEST_TIMEOUT, GitHub
from bot.github.error_entries import LIMIT
from bot.github.outcomes import Outcome
from bot.github.rate_limits import READ
from bot.github.requests import GRAPHQL, Answer, NoAnswer, Request
from bot.times import SECOND
from store.engine.transaction import Store, Tx
from store.outbox import sender_leases

# The installation id of requests as the App itself. They have a lease and budgets of their own.
APP = 0
APP_PATH = re.compile(r"/app(?:/|$)")
# Microseconds, because clocks and threads may lag.
MARGIN = 5 * SECOND


@dataclass(frozen=True)
class Timing:
    """How long a sender's lease lasts and what it is good for, in microseconds.

    It follows from how many seconds a request may take, so that a request has always ended
    before another process sends.
    """

    time_out: float = REQUEST_TIMEOUT

    @property
    def lease(self) -> int:
        return int(3 * self.time_out * SECOND)

    @property
    def send_within(self) -> int:
        """A send starts only if the lease lasts at least this much longer."""
        return int(2 * self.time_out * SECOND)

    @property
    def grace(self) -> int:
        """After a lease that ended by itself: its last request may still be under way."""
        return int(self.time_out * SECOND) + MARGIN


@dataclass
class Channel:
    """`me` names this process. `trouble` says why the last request got no answer."""

    store: Store
    github: GitHub
    me: str = field(default_factory=lambda: secrets.token_hex(8))
    trouble: str | None = None

    @property
    def timing(self) -> Timing:
        return Timing(self.github.time_out)

    async def ask(
        self,
        installation_id: int,
        request: Request,
        fits: Callable[[Any], bool] = lambda _: True,
    ) -> Outcome:
        """Send a request: what its answer means, or that no answer came."""
        try:
            answer = await self.request(installation_id, request)
        except NoAnswer as exc:
            return outcomes.classify_failure(exc)
        return outcomes.classify(answer, fits)

    async def ask_next(
        self,
        installation_id: int,
        request: Request,
        fits: Callable[[Any], bool] = lambda _: True,
    ) -> Outcome:
        """Send another request in the same turn, if we keep the lease and the limits allow it."""
        if not await self.store.write(lambda tx: self.may_go_on(tx, installation_id)):
            return outcomes.NO_TURN
        return await self.ask(installation_id, request, fits)

    async def request(self, installation_id: int, request: Request) -> Answer:
        """Send a request, and store what the answer says about the limits. Raise NoAnswer."""
        try:
            # /app and paths below it need the App's own token. An installation may be suspended.
            answer = await (
                self.github.app_request(request.method, request.path)
                if installation_id == APP or APP_PATH.match(request.path)
                else self.github.request(
                    installation_id, request.method, request.path, request.body
                )
            )
        except NoAnswer as exc:
            self.trouble = f"{type(exc).__name__}: {exc}"
            raise
        self.trouble = None
        await self.store.write(lambda tx: _record_answer(tx, installation_id, request, answer))
        return answer

    async def release(self) -> None:
        """Give the leases back, when the process ends in order."""
        await self.store.write(lambda tx: sender_leases.release(tx, self.me))

    async def may_go_on(self, tx: Tx, installation_id: int) -> bool:
        """Renew the lease for another request. False if it is not ours or the limits say wait."""
        lease = await sender_leases.acquire(
            tx, installation_id, self.me, self.timing.lease, self.timing.grace
        )
        if lease is None:
            return False
        now = await tx.now()
        return (
            rate_limits.ready_at(await rate_limit_store.of(tx, installation_id, lease), READ, now)
            <= now
        )


async def _record_answer(tx: Tx, installation_id: int, request: Request, answer: Answer) -> None:
    if request.method == "GET":
        await rate_limit_store.spend(tx, installation_id, READ)
    else:
        # Its cost was spent before it was sent. The spacing to the next one counts from its answer.
        await sender_leases.record_mutation(tx, installation_id)
    words = error_entries.message(answer.data)
    status = LIMIT if outcomes.says_wait(answer) else answer.status
    resource = "graphql" if request.path == GRAPHQL else "core"
    await rate_limit_store.record_answer(
        tx, installation_id, status, answer.headers, words, resource
    )
