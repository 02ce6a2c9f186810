"""Sessions of jobs of GitHub Actions, whose own tokens live only a few minutes."""

import hashlib
from dataclasses import asdict, dataclass

from bot.errors import Refused
from bot.identity import sessions
from bot.identity.actions.github_oidc import LEEWAY, JobToken
from bot.identity.credentials import Grant, new_row
from bot.identity.keyring import Keys
from bot.identity.sessions import Issued
from bot.times import SECOND
from store.engine.transaction import Tx
from store.identity import credentials
from store.tables.agents import Role

# A job on GitHub's machines ends after six hours.
SESSION_S = 6 * 3600
# In the data of a session: what the token said of the job.
JOB = "job"


def id_of(job: JobToken) -> str:
    """The id of a job's token as a credential. GitHub does not say which characters its id has."""
    return f"github-{hashlib.sha256(job.id.encode()).hexdigest()[:40]}"


async def exchange(tx: Tx, keys: Keys, job: JobToken, grant: Grant, *, audience: str) -> Issued:
    """Start a session. Raise Refused if the token has started one before."""
    # No secret opens it. The row only shows that the token was used.
    columns = {"expires_at": (job.expires_at + LEEWAY) * SECOND, "uses_left": 0}
    row = new_row(id_of(job), "actions_token", grant, await tx.now(), **columns)
    if not await credentials.add_once(tx, row):
        raise Refused(
            "unauthenticated",
            "This token of GitHub Actions has started a session before, and it can start only "
            "one. Request a new token for each session.",
        )
    data = {JOB: asdict(job)}
    return await sessions.start(tx, keys, grant, audience=audience, lasts_s=SESSION_S, data=data)


@dataclass(frozen=True)
class ActionsSession:
    id: str
    actor: str
    role: Role
    job: JobToken


async def live(tx: Tx, installation_id: int) -> list[ActionsSession]:
    """The sessions of jobs that have not ended."""
    until = await tx.now() + SESSION_S * SECOND
    return [
        ActionsSession(row["id"], row["actor"], row["role"], JobToken(**row["data"][JOB]))
        for row in await credentials.sessions_until(tx, installation_id, until)
        if row["data"] is not None and JOB in row["data"]
    ]
