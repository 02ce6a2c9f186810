"""Sessions of jobs of GitHub Actions, whose own tokens live only a few minutes."""

import hashlib
from typing import Any

from bot.errors import Refused
from bot.identity import sessions
from bot.identity.credentials import Grant
from bot.identity.github_oidc import LEEWAY, JobToken
from bot.identity.keyring import Keys
from bot.identity.sessions import Issued
from bot.times import SECOND
from store.engine.transaction import Tx
from store.identity import credentials

# A job on GitHub's machines ends after six hours.
SESSION_S = 6 * 3600


def id_of(job: JobToken) -> str:
    """The id of a job's token as a credential. GitHub does not say which characters its id has."""
    return f"github-{hashlib.sha256(job.id.encode()).hexdigest()[:40]}"


async def exchange(tx: Tx, keys: Keys, job: JobToken, grant: Grant, *, audience: str) -> Issued:
    """Start a session. Raise Refused if the token has started one before."""
    row = {
        **grant.row(),
        "id": id_of(job),
        "kind": "actions_token",
        # No secret opens it. The row only shows that the token was used.
        "hash": "",
        "created_at": await tx.now(),
        "expires_at": (job.expires_at + LEEWAY) * SECOND,
        "uses_left": 0,
    }
    if not await credentials.add_once(tx, row):
        raise Refused(
            "unauthenticated",
            "This token of GitHub Actions has started a session before, and it can start only "
            "one. Request a new token for each session.",
        )
    return await sessions.start(
        tx, keys, grant, audience=audience, lasts_s=SESSION_S, data=data_of(job)
    )


def data_of(job: JobToken) -> dict[str, Any]:
    """What the session is bound to."""
    return {
        "repository_id": job.repository_id,
        "run_id": job.run_id,
        "run_attempt": job.run_attempt,
    }
