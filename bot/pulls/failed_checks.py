"""Which checks failed on a commit: their names, the steps that failed, and where the logs are."""

from collections.abc import Sequence

from bot.kernel.notice_rules import FAILED, FailedCheck
from bot.pulls.verdict import NAME
from store.engine.transaction import Tx
from store.mirror import failed_jobs, pulls
from store.tables.builds import CheckRunRow

# Checks of one commit whose jobs are looked up.
MOST = 50


async def of_commit(
    tx: Tx, installation_id: int, repository_id: int, head_sha: str
) -> list[FailedCheck]:
    """Those whose newest run failed, by their names. Hubbub's own check is none of them."""
    runs = await pulls.check_runs(tx, installation_id, repository_id, head_sha)
    found = failed_runs(runs)[:MOST]
    steps = await failed_jobs.steps(tx, installation_id, [each["id"] for each in found])
    return [FailedCheck(each["name"], steps.get(each["id"], ()), each["url"]) for each in found]


def failed_runs(runs: Sequence[CheckRunRow]) -> list[CheckRunRow]:
    """The newest run of each name counts. Runs: oldest first."""
    newest = {(run["app"], run["name"]): run for run in runs if run["name"] != NAME}
    failed = [run for run in newest.values() if run["conclusion"] in FAILED]
    return sorted(failed, key=lambda run: run["name"])
