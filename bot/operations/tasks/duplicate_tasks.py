"""Refuses a task that somebody made already today, as two confused agents would."""

from collections.abc import Collection

from bot.errors import Refused
from bot.kernel.operation import Context
from bot.tasks import title_words
from bot.tasks.states import STATES
from bot.times import SECOND
from store.tables.mirror import RepositoryRow
from store.tasks import tasks
from store.tasks.tasks import MadeTask

DAY = 24 * 3600 * SECOND
# How many of the repository's newest tasks are compared.
MOST_COMPARED = 300
# A cancelled task may be made again, better.
COMPARED = tuple(each for each in STATES if each != "cancelled")


async def check_new(ctx: Context, where: RepositoryRow, titles: Collection[str]) -> None:
    """Raise Refused if a task of the last day has the words of one of these titles."""
    recent = await tasks.made_since(
        ctx.tx, ctx.installation_id, where["id"], COMPARED, ctx.now - DAY, MOST_COMPARED
    )
    known = {title_words.of(each["title"]): each for each in recent}
    for title in titles:
        if other := known.get(title_words.of(title)):
            name = f"{where['full_name']}#{other['number']}" if other["number"] else other["id"]
            raise Refused(
                "duplicate_task",
                f"{name} was made within a day, has the same words in its title"
                f"{_quotation(other)}, and is {other['state']}. If {title!r} is other work, pass "
                "`duplicate_ok` true. Nothing was created.",
                task=name,
                state=other["state"],
            )


def _quotation(other: MadeTask) -> str:
    """The title, unless an outsider wrote it: an error has no mark for texts."""
    return "" if other["outsider"] else f" ({other['title']!r})"
