"""Which names an agent may give to a check that it reports."""

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.pulls import verdict
from store.mirror import pulls
from store.outbox import write_history
from store.tables.mirror import RepositoryRow


def target(where: RepositoryRow, sha: str, name: str) -> str:
    """The target of the writes of a reported check."""
    return f"check {where['id']} {sha} {name}"


async def check_free(ctx: Context, where: RepositoryRow, sha: str, name: str) -> None:
    """Raise Refused for the name of Hubbub's own check, or of another App's on the commit.

    GitHub shows checks by their name, so one could hide what the other says.
    """
    folded = " ".join(name.split()).casefold()
    if folded == verdict.NAME.casefold():
        raise Refused(
            "invalid_arguments",
            f"`name`: {verdict.NAME} is the name of Hubbub's own check. Choose another one.",
        )
    here = (ctx.tx, ctx.installation_id)
    runs = await pulls.check_runs(*here, where["id"], sha)
    others = [each for each in runs if " ".join(each["name"].split()).casefold() == folded]
    if others and not await write_history.results(*here, target(where, sha, others[0]["name"]), 1):
        raise Refused(
            "invalid_arguments",
            f"`name`: {others[0]['app']} has a check with this name on the commit. Choose another "
            "one, for example with your id in it.",
        )
