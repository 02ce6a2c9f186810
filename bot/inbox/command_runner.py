"""Runs the stored slash commands: each runs once, as an operation, and is answered."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from bot.comments import card_boxes, replies, slash_commands
from bot.dispatch.callers import Caller
from bot.dispatch.execution import Call, execute
from bot.errors import Refused
from bot.identity import actors
from bot.identity.people import logins
from bot.inbox import board_moves, command_answers, command_help, command_reactions
from bot.inbox.command_answers import STEERING, Reply
from bot.inbox.command_finder import HELP, MOST, SIMILAR, TOO_MANY, VERBS, is_written
from bot.kernel.operation import Operation, Shared, Slash
from bot.kernel.sentences import code
from bot.mirror import reads
from bot.mirror.tables import TABLES
from bot.repository import repository_settings
from bot.repository.repository_settings import allows
from bot.tasks import board_sync
from bot.times import SECOND
from store.engine.transaction import Store, Tx
from store.fetch import pending_reads
from store.inbox import commands
from store.mirror import permissions, stored_repositories, threads, version_guard
from store.mirror.threads import WrittenText
from store.tables.inbox import CommandRow

# A command that arrives later, by repair, does not run: its author may want something else now.
LATEST = 24 * 3600 * SECOND
RETRY_AFTER = 30 * SECOND
# The reads of one repository whose answers may change what a command does.
SETTINGS_READS = ("settings", "workflow_files")
# How long a command waits for an answer of GitHub, if later ones of its issue wait and if none do.
PATIENCE = 600 * SECOND
PATIENCE_ALONE = 3600 * SECOND
# After so many failures a command ends.
MOST_FAILURES = 5
# In each group the last command written counts. One that comes late does not undo a later one.
RIVALS = (
    {"hold", "resume"},
    {"priority"},
    STEERING,
    {"approve", "reject"},
    {"block", "unblock"},
)
# Everybody has a vote of their own.
VOTES = RIVALS[-2]
# These are rivals only about the same issue.
BLOCKERS = RIVALS[-1]
# Where the mirror has the text of each kind of source. A tick on a card has no text there.
SOURCES = {
    "comment": "comments",
    "review": "reviews",
    "review_comment": "review_comments",
    "issue": "issues",
    "pull_request": "pull_requests",
    # A checkbox that somebody ticked on the bot's own comment.
    "card": "comments",
}
# Arguments that are no sentences. A full stop after them means nothing.
NAMES = {"agent_id", "priority", "role", "blocked_by", "unblocked_by"}
CASELESS = {"agent_id", "priority", "role"}


@dataclass(frozen=True)
class Source:
    """The text of a command as the mirror has it, and whether the command still stands there."""

    text: WrittenText | None
    has_command: bool


async def run_command(store: Store, shared: Shared, which: CommandRow) -> None:
    """Run the first waiting command of an issue and answer it, or postpone it.

    It waits until its author's permission is known. A refused command changes nothing: its
    transaction is rolled back, and a second one answers.
    """
    if which["source_kind"] == board_sync.SOURCE:
        return await board_moves.run(store, shared, which)
    text = await store.read(lambda tx: _text_of(tx, which))
    # A webhook's text of the time of the command is the one in which it was found.
    has_command = text is not None and (
        (text["updated_at"] == which["written_at"] and not version_guard.read_at(text["version"]))
        or await is_written(text["body"], which)
    )
    # A tick is stored with what it means. The card may have been drawn again since.
    source = Source(text, has_command or which["source_kind"] == card_boxes.SOURCE)
    try:
        await store.write(lambda tx: _run_and_answer(tx, shared, which, source))
    except Refused as exc:
        why, code = replies.refusal(which["asker"], which["text"], exc.message), exc.code
        await store.write(lambda tx: _refuse(tx, which, why, code))


async def _text_of(tx: Tx, which: CommandRow) -> WrittenText | None:
    table = SOURCES.get(which["source_kind"])
    if table is None:
        return None
    return await threads.written_text(tx, table, which["installation_id"], which["source_id"])


async def _run_and_answer(tx: Tx, shared: Shared, which: CommandRow, source: Source) -> None:
    tx.origin = command_answers.origin_of(which)
    row = await commands.lock(tx, which)
    if row is None or source.text != await _text_of(tx, row):
        return  # it changed since then: the next step looks again
    now = await tx.now()
    if row["written_at"] and row["written_at"] < now - LATEST:
        await command_answers.answer_too_late(tx, row)
    elif not await _is_overdue(tx, row) and await _must_wait(tx, row, source.text):
        await _wait_for_github(tx, row, now)
    elif not source.has_command:
        await command_answers.end_silently(tx, row, "withdrawn")
    else:
        await _run_or_postpone(tx, shared, row, now)


async def _run_or_postpone(tx: Tx, shared: Shared, row: CommandRow, now: int) -> None:
    i, repository_id, asker = row["installation_id"], row["repository_id"], row["asker"]
    person_id = row["asker_id"]
    permission = await permissions.get(tx, i, repository_id, asker, person_id)
    if permission is not None:
        if person_id:
            await logins.update_login(tx, i, person_id, asker)
        await command_answers.answer(tx, row, await _run(tx, shared, row, permission))
    elif await _has_lost_login(tx, row):
        refusal = _refusal(replies.login_changed(asker, row["text"]), "unauthenticated")
        await command_answers.answer(tx, row, refusal)
    elif await _is_overdue(tx, row):
        refusal = _refusal(replies.permission_unknown(asker, row["text"]), "github_away")
        await command_answers.answer(tx, row, refusal)
    else:
        subject = f"{repository_id} {asker.casefold()}"
        arguments = {"repository_id": repository_id, "login": asker, "person_id": person_id}
        await pending_reads.ask(tx, i, "permission", subject, arguments)
        await _wait_for_github(tx, row, now)


async def _must_wait(tx: Tx, row: CommandRow, text: WrittenText | None) -> bool:
    return await _is_text_in_doubt(tx, row, text) or await _are_settings_unread(tx, row)


async def _are_settings_unread(tx: Tx, row: CommandRow) -> bool:
    """Whether a read of settings or workflow files waits, which may change what the command does.

    A read that failed is not waited for: the last settings are in force while GitHub is away.
    """
    i, repository_id = row["installation_id"], row["repository_id"]
    for kind in SETTINGS_READS:
        read = await pending_reads.get(tx, i, kind, str(repository_id))
        if read is not None and read["state"] == "queued" and not read["attempts"]:
            return True
    files = reads.WORKFLOW_FILES_OF.format(repository_id)
    return await pending_reads.is_new_below(tx, i, "workflow_file", files)


async def _wait_for_github(tx: Tx, row: CommandRow, now: int) -> None:
    await commands.put_off(tx, row, now + RETRY_AFTER)
    await command_reactions.show_wait(tx, row)


async def _has_lost_login(tx: Tx, row: CommandRow) -> bool:
    """Whether another person has the asker's login by now, whose permission counts for nothing."""
    if not row["asker_id"] or row["asked_at"] is None:
        return False
    here = (row["installation_id"], row["repository_id"])
    who = (row["asker"], row["asker_id"])
    return await permissions.is_of_another_person(tx, *here, *who, row["asked_at"])


async def _is_overdue(tx: Tx, row: CommandRow) -> bool:
    """Whether it has waited too long for an answer of GitHub."""
    if row["asked_at"] is None:
        return False
    waited = await tx.now() - row["asked_at"]
    return waited >= PATIENCE_ALONE or (
        waited >= PATIENCE and await commands.holds_up_others(tx, row)
    )


async def _is_text_in_doubt(tx: Tx, row: CommandRow, text: WrittenText | None) -> bool:
    """Whether the text got two contents in one second, and a read will say which one is there."""
    if text is None or text["updated_at"] != row["written_at"]:
        return False
    tie = TABLES[SOURCES[row["source_kind"]]].tie
    if tie is None or version_guard.read_at(text["version"]):
        return False
    read = tie({**row, "id": row["source_id"]})
    return await pending_reads.is_queued(tx, row["installation_id"], read.kind, read.subject)


async def _refuse(tx: Tx, which: CommandRow, why: str, code: str) -> None:
    tx.origin = command_answers.origin_of(which)
    if row := await commands.lock(tx, which):
        await command_answers.answer(tx, row, _refusal(why, code))


async def retry_or_give_up(store: Store, which: CommandRow) -> None:
    """After a bug: try the command again later, and in the end answer that it failed."""
    failures = which["attempts"] + 1

    async def postpone(tx: Tx) -> None:
        await commands.mark_failed(tx, which, await tx.now() + failures * RETRY_AFTER)
        await command_reactions.show_wait(tx, which)

    await store.write(postpone)
    if failures >= MOST_FAILURES:
        why = replies.failure(which["asker"], which["text"])
        if which["source_kind"] == board_sync.SOURCE:
            failed = "an internal error stopped this move."
            await store.write(lambda tx: board_moves.refuse(tx, which, failed, "internal"))
            return
        await store.write(lambda tx: _refuse(tx, which, why, "internal"))


def _refusal(text: str, code: str) -> Reply:
    return Reply("refused", "confused", text, code)


async def _run(tx: Tx, shared: Shared, row: CommandRow, permission: str) -> Reply:
    """Raise Refused."""
    login, text = row["asker"], row["text"]
    here = (row["installation_id"], row["repository_id"])
    settings = await repository_settings.of(tx, *here)
    required = settings.permissions
    if row["verb"] == HELP:
        text = await command_help.help_reply(tx, row, permission, settings)
        return Reply("done", "+1", text)
    asker = actors.person(here[0], login, permission, here[1], row["asker_id"] or None)
    if asker is None:
        return _refusal(replies.no_permission(login, text), "forbidden")
    if row["verb"] == TOO_MANY:
        many = replies.too_many_commands(login, int(row["words"][0]), MOST)
        return _refusal(many, "too_many")
    if row["verb"] not in VERBS:
        meant = slash_commands.near_miss(row["verb"], SIMILAR)
        return _refusal(replies.unknown_command(login, text, meant), "unknown_operation")
    needed = required.permission_for(row["verb"])
    if not allows(permission, needed):
        raise Refused(
            "forbidden",
            f"you need the permission {needed} on this repository, and you have {permission}. "
            "Somebody with the permission admin can give you more.",
        )
    if rival := await _later_rival(tx, row):
        return _refusal(replies.overtaken(login, text, rival["text"]), "too_late")
    operation, slash = VERBS[row["verb"]]
    arguments = await _parse(tx, row, operation, slash)
    # The place of the command and when it was written: the same command never runs twice.
    place = (row["source_kind"], row["source_id"], row["text_hash"], row["nth"])
    key = " ".join(map(str, (*place, row["written_at"])))
    written_at = row["written_at"] or None
    caller = Caller(origin=tx.origin)
    call = Call(
        operation,
        asker,
        arguments,
        key,
        shared,
        caller=caller,
        written_at=written_at,
        in_comment=True,
        commented_on=(row["repository_id"], row["number"]),
    )
    result = await execute(tx, call)
    return Reply("done", "+1", slash.reply(result) if slash.reply else None)


async def _later_rival(tx: Tx, row: CommandRow) -> CommandRow | None:
    """A command that was written later, has run, and would be undone by this one."""
    rivals = next((each for each in RIVALS if row["verb"] in each), set())
    if not rivals:
        return None
    later = [each for each in await commands.later_commands(tx, row) if each["verb"] in rivals]
    if rivals is VOTES:
        asker = row["asker"].casefold()
        later = [each for each in later if each["asker"].casefold() == asker]
    if rivals is BLOCKERS:
        later = [each for each in later if each["words"] == row["words"]]
    return later[0] if later else None


async def _parse(tx: Tx, row: CommandRow, operation: Operation, slash: Slash) -> BaseModel:
    """Raise Refused; with the usual form of a command that was written in another one."""
    try:
        return operation.parse(await _arguments(tx, row, operation, slash), name="")
    except Refused as exc:
        typed, *_ = row["text"].removeprefix(f"/{slash_commands.NAMESPACE} ").split()
        form = code(replies.usage(slash))
        if typed.lstrip("/") == slash.verb or form in exc.message:
            raise
        how = f"{exc.message} The short form is {form}."
        raise Refused(exc.code, how, **exc.details) from exc


async def _arguments(tx: Tx, row: CommandRow, operation: Operation, slash: Slash) -> dict[str, Any]:
    """The task of the issue, then the words in order; the last argument gets all that remain."""
    words: list[str] = row["words"]
    if words and not slash.arguments:
        raise Refused("invalid_arguments", f"{code(replies.usage(slash))} takes no words.")
    if slash.required and not words:
        how = code(replies.usage(slash))
        where = (tx, row["installation_id"], row["repository_id"])
        choices = f" {await slash.choices(*where)}" if slash.choices else ""
        why = f"a word is missing. Write {how}: {slash.help}.{choices}"
        raise Refused("invalid_arguments", why)
    filled: dict[str, Any] = dict(zip(slash.arguments[:-1], words, strict=False))
    rest = words[max(len(slash.arguments) - 1, 0) :]
    if rest and slash.collect is None:
        filled[slash.arguments[-1]] = " ".join(rest)
    filled = {name: _plain(name, value) for name, value in filled.items()}
    if rest and slash.collect is not None:
        filled[slash.arguments[-1]] = slash.collect(rest)
    about = {}
    if "task" in operation.arguments.model_fields:
        about = {"task": await _task(tx, row)}
    if "pull_request" in operation.arguments.model_fields:
        about = {"pull_request": await _name_here(tx, row)}
    return {**about, **filled, **slash.given}


def _plain(name: str, value: str) -> str:
    plain = value.rstrip(slash_commands.PUNCTUATION) if name in NAMES else value
    return plain.lower() if name in CASELESS else plain


async def _task(tx: Tx, row: CommandRow) -> str:
    """The task here, or the name of the issue, which is then no task."""
    if task := await command_help.task_here(tx, row):
        return str(task["id"])
    return await _name_here(tx, row)


async def _name_here(tx: Tx, row: CommandRow) -> str:
    """The name of the issue or pull request."""
    here = (row["installation_id"], row["repository_id"])
    where = await stored_repositories.repository_by_id(tx, *here)
    return f"{where['full_name'] if where else '?'}#{row['number']}"
