"""Jobs of GitHub Actions as callers: a job's token is checked, and gives an actor."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from bot.errors import Refused
from bot.identity.actions import job_sessions
from bot.identity.actions.github_oidc import (
    BadToken,
    Expected,
    JobToken,
    UnknownKey,
    audiences_of,
    is_issued_by,
    key_id,
    verify,
)
from bot.identity.actions.issuer_keys import IssuerKeys, NoKeys, open_keys
from bot.identity.actors import Actor
from bot.identity.credentials import Grant
from bot.identity.keyring import Keys
from bot.identity.sessions import Issued
from bot.identity.tokens import Verified
from bot.repository import repository_settings, workflow_rules, workflow_sessions
from bot.runs import job_runs
from bot.times import SECOND
from store.engine.database import system_clock
from store.engine.origins import Origin
from store.engine.transaction import Store, Tx
from store.mirror import stored_repositories, workflow_runs

# After so long Hubbub looks again whether the repository still accepts the job.
LOOK_AGAIN = 5 * SECOND
# The OAuth client of sessions of jobs.
CLIENT = "github-actions"
# Characters that the database keeps.
MOST_OF_A_NAME, MOST_OF_A_LOGIN = 200, 120


class ActionsTokens:
    """Checks the tokens that GitHub issues to jobs, for `bot.identity.tokens`."""

    def __init__(self, store: Store, issuer_keys: IssuerKeys, expected: Expected) -> None:
        self._store = store
        self._issuer_keys = issuer_keys
        self._expected = expected

    def takes(self, token: str) -> bool:
        return is_issued_by(token, self._expected.issuer)

    async def verify(self, token: str, now: int) -> Verified:
        """The agent of a job. Raise Refused."""
        job = await self._check(token, now)
        grant = await self._store.read(lambda tx: grant_for(tx, job))
        until = job.accepted_until * SECOND
        actor = Actor(
            grant.installation_id,
            grant.actor,
            grant.role,
            grant.repositories,
            credential=job_sessions.id_of(job),
            until=until,
        )
        return Verified(actor, min(until, now + LOOK_AGAIN))

    async def exchange(
        self, keys: Keys, token: str, now: int, *, audience: str, origin: Origin, run_id: str = ""
    ) -> Issued:
        """A session for a job's token. Raise Refused.

        `run_id`: the agent run that the job says it is.
        """
        job = await self._check(token, now)

        async def work(tx: Tx) -> Issued:
            await job_runs.begin(tx, job, run_id)
            grant = replace(await grant_for(tx, job), client=CLIENT)
            own = job_sessions.id_of(job)
            tx.origin = replace(origin, actor=grant.actor, credential=own)
            return await job_sessions.exchange(tx, keys, job, grant, audience=audience)

        return await self._store.write(work)

    async def _check(self, token: str, now: int) -> JobToken:
        """What a valid token says. Raise Refused `unauthenticated` or `unavailable`."""
        try:
            keys = await self._issuer_keys.having(key_id(token))
            return verify(token, keys, now // SECOND, self._expected)
        except BadToken as exc:
            raise _refusal(str(exc)) from exc
        except UnknownKey as exc:
            raise _refusal(
                "GitHub does not publish the key that signed the token. If GitHub has just "
                "changed its keys, try again in a minute."
            ) from exc
        except NoKeys as exc:
            raise Refused(
                "unavailable", "GitHub's keys for tokens of Actions cannot be fetched. Try again."
            ) from exc


@asynccontextmanager
async def open_checker(
    store: Store, issuer: str, address: str, now: Callable[[], int] = system_clock
) -> AsyncIterator[ActionsTokens]:
    """`address`: this server's, which tokens must name as their audience."""
    async with open_keys(issuer, now) as keys:
        yield ActionsTokens(store, keys, Expected(issuer, audiences_of(address)))


def _refusal(why: str) -> Refused:
    return Refused("unauthenticated", f"The token of GitHub Actions is not valid. {why}")


async def grant_for(tx: Tx, job: JobToken) -> Grant:
    """What a job may do: as one agent, in its repository. Raise Refused `forbidden`."""
    found = await stored_repositories.installed_repository(tx, job.repository_id, job.owner_id)
    if found is None:
        raise Refused(
            "forbidden",
            f"Hubbub's App is not installed on {job.repository}. An administrator of "
            f"{job.repository} can install it.",
        )
    if found["suspended_at"] is not None:
        raise Refused(
            "forbidden",
            f"The installation of Hubbub's App on {job.repository} is suspended. An owner of the "
            "account can end that in the settings of the App.",
        )
    i, r = found["installation_id"], job.repository_id
    seen = await workflow_runs.workflow_run(tx, i, job.run_id)
    if workflow_sessions.has_ended(seen, job.run_attempt):
        raise Refused("unauthenticated", f"Run {job.run_id} of {job.repository} has ended.")
    settings = await repository_settings.of(tx, i, r)
    run = await job_runs.of_job(tx, i, job)
    accepted = workflow_rules.accept(job, settings, found["default_branch"], run)
    name = f"run {job.run_id} of {job.repository}"[:MOST_OF_A_NAME]
    by = run["asked_by"] if run else f"@{job.person}"[:MOST_OF_A_LOGIN]
    return Grant(i, accepted.agent_id, accepted.role, frozenset({r}), name, created_by=by)
