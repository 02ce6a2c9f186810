"""The line to GitHub: one request at a time, and what each answer says of the limits."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from bot import budget
from bot.budget import Budget
from bot.github import REQUEST_TIMEOUT, Answer, GitHub, OutcomeUnknown, TokenRefused, Unreachable
from bot.hub import Hub
from bot.payloads import at, text
from bot.times import SECOND
from bot.writes import Request
from store import budgets, senders
from store.transaction import Row, Tx

# Requests as the App itself, of no installation: they have a lease and budgets of their own.
APP = 0
# The lease on an installation's line.
LEASE = 3 * REQUEST_TIMEOUT * SECOND
# A send starts only if it lasts at least this much longer.
SEND_WITHIN = 2 * REQUEST_TIMEOUT * SECOND
# After a lease that ended by itself: its last request may still be under way.
GRACE = (REQUEST_TIMEOUT + 5) * SECOND


@dataclass
class Line:
    """`me` names this process. `trouble`: why GitHub could not be used the last time."""

    hub: Hub
    github: GitHub
    me: str = field(default_factory=lambda: secrets.token_hex(8))
    trouble: str | None = None

    async def request(self, installation_id: int, request: Request) -> Answer:
        """Send it, and keep what the answer says about the limits."""
        try:
            # What concerns the installation itself is asked as the App: it may be suspended.
            answer = await (
                self.github.app_request(request.method, request.path)
                if installation_id == APP or request.path.startswith("/app/")
                else self.github.request(
                    installation_id, request.method, request.path, request.body
                )
            )
        except (Unreachable, OutcomeUnknown, TokenRefused) as exc:
            self.trouble = f"{type(exc).__name__}: {exc}"
            raise
        self.trouble = None
        await self.hub.store.write(lambda tx: _observe(tx, installation_id, request, answer))
        return answer

    async def may_go_on(self, tx: Tx, installation_id: int) -> bool:
        """Keep the lease for another request, if it is ours and GitHub lets us."""
        if await senders.acquire(tx, installation_id, self.me, LEASE, GRACE) is None:
            return False
        known = await budgets_of(tx, installation_id)
        now = await tx.now()
        return budget.ready_at(known, None, now, mutates=False) <= now


async def _observe(tx: Tx, installation_id: int, request: Request, answer: Answer) -> None:
    if request.method != "GET":
        await senders.mutated(tx, installation_id)
    known = await budgets_of(tx, installation_id)
    message = message_of(answer)
    for each in budget.observed(known, answer.status, answer.headers, message, await tx.now()):
        await budgets.put(tx, _row(installation_id, each))


async def budgets_of(tx: Tx, installation_id: int) -> list[Budget]:
    return [_budget(row) for row in await budgets.all_of(tx, installation_id)]


def _budget(row: Row) -> Budget:
    return Budget(
        resource=row["resource"],
        limit=row["limit_"],
        remaining=row["remaining"],
        used=row["used"],
        reset_at=row["reset_at"],
        blocked_until=row["blocked_until"],
        failures=row["failures"],
    )


def _row(installation_id: int, known: Budget) -> Row:
    return {
        "installation_id": installation_id,
        "resource": known.resource,
        "limit_": known.limit,
        "remaining": known.remaining,
        "used": known.used,
        "reset_at": known.reset_at,
        "blocked_until": known.blocked_until,
        "failures": known.failures,
    }


def message_of(answer: Answer) -> str:
    """GitHub's words: the message, and what it says of each error."""
    errors = at(answer.data, "errors")
    each = [
        text(e) if isinstance(e, str) else " ".join(_words(e))
        for e in (errors if isinstance(errors, list) else [])
    ]
    return " ".join(part for part in (text(at(answer.data, "message")), *each) if part)[:1000]


def _words(error: Any) -> list[str]:
    found = (text(at(error, name)) for name in ("type", "code", "message"))
    return [each for each in found if each]
