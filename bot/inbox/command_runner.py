"""A slash command's way: found in a text, stored as a row, run once as an operation, answered.

`find_commands` and `run_command` are called by the worker.
"""

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

# Commands in one text.
MOST = 10
# A command that arrives later, by repair, does not run: its author may want something else now.
LATEST = 24 * 3600 * 1_000_000
RETRY_AFTER = 30_000_000

VERBS: dict[str, tuple[Operation, Slash]] = {
    slash.verb: (each, slash) for each in OPERATIONS.values() for slash in each.slashes
}
# Verbs without an operation. People type the first; nobody can type the second.
HELP = "help"
TOO_MANY = "too many"

# Texts that can get a reaction. A review cannot.
REACTABLE = {"comment", "review_comment"}


def find_commands(written: CommandText) -> list[Row]:
    """The commands of a text as rows: known verbs, and any verb behind `/hubbub`.

    Call it in a thread: a long text takes half a second to parse.
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
        # The same line twice is two commands. A line that an edit moves is still the same command.
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
    """How a command ended. `text` is for a comment; without it the answer is only a reaction."""

    state: str
    reaction: str
    text: str | None = None


async def run_command(store: Store, shared: Shared, which: CommandRow) -> None:
    """Run a waiting command and answer it, or postpone it until its author's permission is known.

    A refused command changes nothing: its transaction is rolled back, and a second one answers.
    """
    try:
        await store.write(lambda tx: _run_and_answer(tx, shared, which))
    except Refused as exc:
        why = exc.message
        await store.write(lambda tx: _refuse(tx, which, why))


async def _run_and_answer(tx: Tx, shared: Shared, which: CommandRow) -> None:
    row = await commands.lock(tx, which)
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
        await commands.put_off(tx, row, now + RETRY_AFTER)
        return
    await _answer(tx, row, await _run(tx, shared, row, permission))


async def _refuse(tx: Tx, which: CommandRow, why: str) -> None:
    if row := await commands.lock(tx, which):
        await _answer(tx, row, _refusal(replies.refusal(row["asker"], row["text"], why)))


def _refusal(text: str) -> Reply:
    return Reply("refused", "confused", text)


async def _run(tx: Tx, shared: Shared, row: CommandRow, permission: str) -> Reply:
    """Raise Refused."""
    login, text = row["asker"], row["text"]
    here = (row["installation_id"], row["repository_id"])
    required = (await repository_settings.of(tx, *here)).permissions
    if row["verb"] == HELP:
        return Reply("done", "+1", replies.help_text(OPERATIONS.values(), required.permission_for))
    asker = actors.person(here[0], login, permission, here[1])
    if asker is None:
        return _refusal(replies.no_permission(login, text))
    if row["verb"] == TOO_MANY:
        return _refusal(replies.too_many_commands(login, int(row["words"][0]), MOST))
    if row["verb"] not in VERBS:
        return _refusal(replies.unknown_command(login, text))
    needed = required.permission_for(row["verb"])
    if not allows(permission, needed):
        raise Refused(
            "forbidden",
            f"you need the permission {needed} on this repository, and you have {permission}.",
        )
    operation, slash = VERBS[row["verb"]]
    arguments = operation.parse(await _arguments(tx, row, operation, slash), name="")
    # The place of the command: the same command never runs twice.
    key = f"{row['source_kind']} {row['source_id']} {row['text_hash']} {row['nth']}"
    result = await execute(tx, Call(operation, asker, arguments, key, shared))
    return Reply("done", "+1", slash.reply(result) if slash.reply else None)


async def _arguments(tx: Tx, row: CommandRow, operation: Operation, slash: Slash) -> dict[str, Any]:
    """The task of the issue, then the words in order; the last argument gets all that remain."""
    words: list[str] = row["words"]
    if words and not slash.arguments:
        raise Refused("invalid_arguments", f"{replies.code(replies.usage(slash))} takes no words.")
    filled = dict(zip(slash.arguments[:-1], words, strict=False))
    if rest := words[max(len(slash.arguments) - 1, 0) :]:
        filled[slash.arguments[-1]] = " ".join(rest)
    about = {}
    if "task" in operation.arguments.model_fields:
        about = {"task": await _task(tx, row)}
    return {**about, **filled, **slash.given}


async def _task(tx: Tx, row: CommandRow) -> str:
    """The task of the issue, or the task whose holder opened this pull request."""
    here = (row["installation_id"], row["repository_id"])
    if await tasks.by_number(tx, *here, row["number"]) is None:
        for task in await tasks.of_pull(tx, *here, row["number"]):
            return str(task["id"])
    where = await mirror_rows.repository_by_id(tx, *here)
    return f"{where['full_name'] if where else '?'}#{row['number']}"


async def _answer(tx: Tx, row: CommandRow, reply: Reply) -> None:
    """Queue the reaction, and a comment if the reply has a text."""
    await commands.answer(tx, row, reply.state, reply.text)
    on: dict[str, Any] = {
        "installation_id": row["installation_id"],
        "repository_id": row["repository_id"],
        "author": actors.BOT,
        "lane": writes.PEOPLE,
    }
    if row["source_kind"] in REACTABLE:
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
    if reply.text is not None and await _may_comment(tx, row, target):
        await writes.queue(
            tx,
            **on,
            kind="comment",
            target=target,
            arguments={"number": row["number"], "body": reply.text},
        )


async def _may_comment(tx: Tx, row: CommandRow, target: str) -> bool:
    """Above the limit, the answer is only a reaction. Nobody can fill an issue with answers."""
    here = (tx, row["installation_id"])
    lately = await history.bot_answers_last_hour(*here, target)
    in_all = await mirror_rows.count_comments(*here, row["repository_id"], row["number"])
    return lately < MOST_ANSWERS_AN_HOUR and in_all < MOST_COMMENTS
