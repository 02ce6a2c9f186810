"""Answers `/help`: what this person may do in this place, or what one command does."""

from bot.comments import card, replies, slash_commands
from bot.errors import Refused
from bot.inbox.command_finder import HELP, SIMILAR, VERBS
from bot.kernel.operation import Slash
from bot.kernel.sentences import code
from bot.repository.repository_settings import RepositorySettings, allows
from bot.tasks import fitting_commands
from bot.tasks.fitting_commands import CommandPlace
from store.engine.transaction import Tx
from store.mirror import pulls, relations
from store.tables.inbox import CommandRow
from store.tasks import tasks
from store.tasks.tasks import FullTask


async def help_reply(tx: Tx, row: CommandRow, permission: str, settings: RepositorySettings) -> str:
    """Raise Refused for a word that is no command."""
    place = await place_of(tx, row)
    if row["words"]:
        return _explain(row["words"][0], place, permission, settings)
    slashes = [slash for _, slash in VERBS.values() if _may(slash.verb, permission, settings)]
    fitting = [each for each in slashes if fitting_commands.fits(each.verb, place)]
    about = None
    if place.task is None:
        about = replies.without_task(is_pull=place.is_pull, label=settings.task_label)
    return replies.help_text(fitting, permission, about)


def _explain(word: str, place: CommandPlace, permission: str, settings: RepositorySettings) -> str:
    verb = word.lstrip("/").rstrip(slash_commands.PUNCTUATION).lower()
    if verb not in VERBS and verb != HELP:
        meant = slash_commands.near_miss(verb, SIMILAR)
        question = f" Did you mean `/{meant}`?" if meant else ""
        why = f"there is no command {code(f'/{verb[:40]}')}.{question} `/help` lists them."
        raise Refused("unknown_operation", why)
    slash: Slash = replies.HELP if verb == HELP else VERBS[verb][1]
    return replies.help_of(
        slash,
        None if verb == HELP else settings.permissions.permission_for(verb),
        permission,
        fits=fitting_commands.fits(verb, place),
    )


def _may(verb: str, permission: str, settings: RepositorySettings) -> bool:
    return allows(permission, settings.permissions.permission_for(verb))


async def task_here(tx: Tx, row: CommandRow) -> FullTask | None:
    """The task of the issue, or the task whose holder opened this pull request."""
    here = (tx, row["installation_id"], row["repository_id"], row["number"])
    if task := await tasks.by_number(*here):
        return task
    return next(iter(await tasks.of_pull(*here)), None)


async def place_of(tx: Tx, row: CommandRow) -> CommandPlace:
    """Where the command is written, as the mirror and the tasks have it."""
    task = await task_here(tx, row)
    blockers = []
    if task and task["issue_id"] is not None:
        here = (tx, row["installation_id"])
        blockers = await relations.targets(*here, "blocked_by", task["issue_id"])
    pull = await pulls.pull_request(tx, row["installation_id"], row["repository_id"], row["number"])
    awaits = task is not None and await card.awaits_approval(tx, task)
    return CommandPlace(
        task, is_pull=pull is not None, blockers=len(blockers), awaits_approval=awaits
    )
