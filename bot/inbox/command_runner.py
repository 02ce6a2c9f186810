"""Slash commands: found in what people write, run once each as operations."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from bot.comments import history, replies, slash_commands
from bot.comments.limits import MOST_ANSWERS_AN_HOUR, MOST_COMMENTS
from bot.dispatch.execution import Call, execute
from bot.errors import Refused
from bot.identity import actors
from bot.kernel.operation import Operation, Shared, Slash
from bot.mirror.changes import CommandText
from bot.operations import OPERATIONS
from bot.repository import repository_settings
from bot.repository.repository_settings import allows
from store.engine.transaction import Row, Store, Tx
from store.fetch import pending_reads
from store.inbox import commands
from store.mirror import mirror_rows, permissions
from store.outbox import writes
from store.tables.inbox import CommandRow
from store.tasks import tasks

# Of one comment.
MOST = 10
# One that repair brings later than this is not run: who wrote it may want something else now.
LATEST = 24 * 3600 * 1_000_000
LOOK_AGAIN = 30_000_000

VERBS: dict[str, tuple[Operation, Slash]] = {
    slash.verb: (each, slash) for each in OPERATIONS.values() for slash in each.slashes
}
# Verbs that are no operation's: one that people type, and one that nobody can.
HELP = "help"
TOO_MANY = "too many"

# Where the command stood, if a reaction can stand there: a review takes none.
REACTS = {"comment", "review_comment"}


def found_in(written: CommandText) -> list[Row]:
    """The rows of a text's commands: those we know, and unknown ones that name us.

    Parses: a long text takes half a second, so not on the event loop.
    """
    if written.by_bot or not written.asker:
        return []
    before = {each.text for each in slash_commands.find(written.before)}
    ours = [
        each
        for each in slash_commands.find(written.text)
        if (each.verb in VERBS or each.verb == HELP or each.namespaced) and each.text not in before
    ]
    if len(ours) > MOST:
        many = slash_commands.Found(TOO_MANY, (str(len(ours)),), 1, f"{len(ours)} commands", False)
        return [_row(written, many, 0)]
    seen: dict[str, int] = {}
    rows = []
    for each in ours:
        # The same line twice is two commands; a line that an edit moves is the one it was.
        nth = seen[each.text] = seen.get(each.text, -1) + 1
        rows.append(_row(written, each, nth))
    return rows


def _row(written: CommandText, found: slash_commands.Found, nth: int) -> Row:
    return {
        "source_kind": written.source_kind,
        "source_id": written.source_id,
        "text_hash": hashlib.sha256(found.text.encode()).hexdigest(),
        "nth": nth,
        "repository_id": written.repository_id,
        "number": written.number,
        "line": found.line,
        "verb": found.verb[:80],
        "words": list(found.words),
        "text": found.text,
        "asker": written.asker,
        "written_at": written.written_at,
    }


@dataclass(frozen=True)
class Reply:
    """How a command ended: `text` is a comment, None a reaction alone."""

    state: str
    reaction: str
    text: str | None = None


async def answer(store: Store, shared: Shared, which: CommandRow) -> None:
    """Run a waiting command, or put it off until GitHub said who asks.

    What is refused changes nothing: its transaction is undone, and another one says so.
    """
    try:
        await store.write(lambda tx: _answer(tx, shared, which))
    except Refused as exc:
        why = exc.message
        await store.write(lambda tx: _refuse(tx, which, why))


async def _answer(tx: Tx, shared: Shared, which: CommandRow) -> None:
    row = await commands.take(tx, which)
    if row is None:
        return
    now = await tx.now()
    if row["written_at"] and row["written_at"] < now - LATEST:
        await commands.answer(tx, row, "expired", None)
        return
    i, repository_id, asker = row["installation_id"], row["repository_id"], row["asker"]
    permission = await permissions.get(tx, i, repository_id, asker)
    if permission is None:
        subject = f"{repository_id} {asker.casefold()}"
        arguments = {"repository_id": repository_id, "login": asker}
        await pending_reads.ask(tx, i, "permission", subject, arguments)
        await commands.put_off(tx, row, now + LOOK_AGAIN)
        return
    await _tell(tx, row, await _run(tx, shared, row, permission))


async def _refuse(tx: Tx, which: CommandRow, why: str) -> None:
    if row := await commands.take(tx, which):
        said = replies.refusal(row["asker"], row["text"], why)
        await _tell(tx, row, Reply("refused", "confused", said))


async def _run(tx: Tx, shared: Shared, row: CommandRow, permission: str) -> Reply:
    """Raise Refused."""
    login, text = row["asker"], row["text"]
    here = (row["installation_id"], row["repository_id"])
    settled = (await repository_settings.of(tx, *here)).permissions
    if row["verb"] == HELP:
        return Reply("done", "+1", replies.help_text(OPERATIONS.values(), settled.needed))
    asker = actors.person(here[0], login, permission, here[1])
    if asker is None:
        return Reply("refused", "confused", replies.no_permission(login, text))
    if row["verb"] == TOO_MANY:
        return Reply(
            "refused", "confused", replies.too_many_commands(login, int(row["words"][0]), MOST)
        )
    if row["verb"] not in VERBS:
        return Reply("refused", "confused", replies.unknown_command(login, text))
    _, how = VERBS[row["verb"]]
    needed = settled.needed(how.verb)
    if not allows(permission, needed):
        raise Refused(
            "forbidden",
            f"you need the permission {needed} on this repository, and you have {permission}.",
        )
    result = await _operate(tx, shared, row, asker)
    said = how.reply(result) if how.reply else None
    return Reply("done", "+1", said)


async def _operate(tx: Tx, shared: Shared, row: CommandRow, asker: actors.Actor) -> Any:
    operation, how = VERBS[row["verb"]]
    arguments = operation.parse(await _arguments(tx, row, operation, how))
    key = f"{row['source_kind']} {row['source_id']} {row['text_hash']} {row['nth']}"
    return await execute(tx, Call(operation, asker, arguments, key, shared))


async def _arguments(tx: Tx, row: CommandRow, operation: Operation, how: Slash) -> dict[str, Any]:
    """The task is the thread's; words fill the arguments, the last takes the rest."""
    words: list[str] = row["words"]
    if words and not how.arguments:
        raise Refused("invalid_arguments", f"{replies.code(replies.usage(how))} takes no words.")
    filled = dict(zip(how.arguments[:-1], words, strict=False))
    if rest := words[max(len(how.arguments) - 1, 0) :]:
        filled[how.arguments[-1]] = " ".join(rest)
    about = {}
    if "task" in operation.arguments.model_fields:
        about = {"task": await _task(tx, row)}
    return {**about, **filled, **how.given}


async def _task(tx: Tx, row: CommandRow) -> str:
    """That of the issue, or of the pull request that its holder opened."""
    here = (row["installation_id"], row["repository_id"])
    if await tasks.by_number(tx, *here, row["number"]) is None:
        for task in await tasks.of_pull(tx, *here, row["number"]):
            return str(task["id"])
    where = await mirror_rows.repository_by_id(tx, *here)
    return f"{where['full_name'] if where else '?'}#{row['number']}"


async def _tell(tx: Tx, row: CommandRow, reply: Reply) -> None:
    """The reaction, and a comment where there is something to say."""
    await commands.answer(tx, row, reply.state, reply.text)
    on: dict[str, Any] = {
        "installation_id": row["installation_id"],
        "repository_id": row["repository_id"],
        "author": actors.BOT,
        "lane": writes.PEOPLE,
    }
    if row["source_kind"] in REACTS:
        await writes.queue(
            tx,
            **on,
            kind="reaction",
            target=f"{row['source_kind']} {row['source_id']}",
            arguments={
                "source": row["source_kind"],
                "comment_id": row["source_id"],
                "content": reply.reaction,
            },
        )
    elif reply.text is None:
        reply = replace(reply, text=replies.confirmation(row["asker"], row["text"]))
    target = writes.on_issue(row["repository_id"], row["number"])
    if reply.text is not None and await _may_answer(tx, row, target):
        await writes.queue(
            tx,
            **on,
            kind="comment",
            target=target,
            arguments={"number": row["number"], "body": reply.text},
        )


async def _may_answer(tx: Tx, row: CommandRow, target: str) -> bool:
    """Beyond a ceiling a reaction is all: whoever goads the bot does not fill the issue."""
    here = (tx, row["installation_id"])
    lately = await history.bot_answers_last_hour(*here, target)
    in_all = await mirror_rows.count_comments(*here, row["repository_id"], row["number"])
    return lately < MOST_ANSWERS_AN_HOUR and in_all < MOST_COMMENTS
