"""The line to GitHub: one request at a time, and what each answer says of the limits."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from bot import allowance, budget
from bot.allowance import Cost
from bot.budget import READ, Budget, Limits
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

    async def release(self) -> None:
        """Give the leases back, at a proper end."""
        await self.hub.store.write(lambda tx: senders.release(tx, self.me))

    async def may_go_on(self, tx: Tx, installation_id: int) -> bool:
        """Keep the lease for another request, if it is ours and GitHub lets us."""
        lease = await senders.acquire(tx, installation_id, self.me, LEASE, GRACE)
        if lease is None:
            return False
        now = await tx.now()
        return budget.ready_at(await limits_of(tx, installation_id, lease), READ, now) <= now


async def _observe(tx: Tx, installation_id: int, request: Request, answer: Answer) -> None:
    if request.method == "GET":
        await spend(tx, installation_id, READ)
    else:
        # Its cost was taken before it went out; the next one's distance is from its answer.
        await senders.mutated(tx, installation_id)
    known = [_budget(row) for row in await budgets.all_of(tx, installation_id)]
    message = message_of(answer)
    for each in budget.observed(known, answer.status, answer.headers, message, await tx.now()):
        await budgets.put(tx, _row(installation_id, each))


async def spend(tx: Tx, installation_id: int, cost: Cost) -> None:
    """Take a request's cost from the limits that GitHub does not report."""
    full_at = await budgets.allowances(tx, installation_id)
    after = allowance.taken(full_at, cost, await tx.now())
    await budgets.put_allowances(tx, installation_id, after)


async def limits_of(tx: Tx, installation_id: int, sender: Row | None = None) -> Limits:
    """`sender`: the row of its sender's lease, where that is known already."""
    row = sender or await senders.get(tx, installation_id) or {}
    return Limits(
        known=tuple(_budget(each) for each in await budgets.all_of(tx, installation_id)),
        full_at=await budgets.allowances(tx, installation_id),
        last_mutation_at=row.get("last_mutation_at", 0),
        last_notified_at=row.get("last_notified_at", 0),
    )


def limited(answer: Answer) -> bool:
    """Whether GitHub said wait, and not no."""
    return budget.limited(answer.status, answer.headers, message_of(answer))


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
