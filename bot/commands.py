"""Slash commands: found in what people write, run once each as operations."""

import hashlib
from dataclasses import dataclass
from typing import Any

from bot import actor, replies, slash
from bot.errors import Refused
from bot.events import Written
from bot.hub import mutate, run
from bot.operation import Operation
from bot.operations import OPERATIONS
from store import commands, mirror, pending_reads, permissions, writes
from store.transaction import Row, Tx

# Of one comment.
MOST = 10
# One that repair brings later than this is not run: who wrote it may want something else now.
LATEST = 24 * 3600 * 1_000_000
LOOK_AGAIN = 30_000_000
AUTHOR = "hubbub"

VERBS: dict[str, Operation] = {
    each.slash.verb: each for each in OPERATIONS.values() if each.slash is not None
}
# Verbs that are no operation's: one that people type, and one that nobody can.
HELP = "help"
TOO_MANY = "too many"

# GitHub's path for a reaction, by where the command stood. A review takes none.
REACTS = {"comment", "review_comment"}


def found_in(written: Written, found: list[slash.Found]) -> list[Row]:
    """The rows of a text's commands: those we know, and unknown ones that name us."""
    if written.by_bot or not written.asker:
        return []
    before = {each.text for each in slash.find(written.before)} if written.before else set()
    ours = [
        each
        for each in found
        if (each.verb in VERBS or each.verb == HELP or each.namespaced) and each.text not in before
    ]
    if len(ours) > MOST:
        return [_row(written, TOO_MANY, (str(len(ours)),), f"{len(ours)} commands", 0)]
    seen: dict[str, int] = {}
    rows = []
    for each in ours:
        # The same line twice is two commands; a line that an edit moves is the one it was.
        nth = seen[each.text] = seen.get(each.text, -1) + 1
        rows.append(_row(written, each.verb, each.words, each.text, nth))
    return rows


def _row(written: Written, verb: str, words: tuple[str, ...], text: str, nth: int) -> Row:
    return {
        "source_kind": written.source_kind,
        "source_id": written.source_id,
        "text_hash": hashlib.sha256(text.encode()).hexdigest(),
        "nth": nth,
        "repository_id": written.repository_id,
        "number": written.number,
        "verb": verb[:80],
        "words": list(words),
        "text": text,
        "asker": written.asker,
        "written_at": written.written_at,
    }


@dataclass(frozen=True)
class Reply:
    """How a command ended: `text` is a comment, None a reaction alone."""

    state: str
    reaction: str
    text: str | None = None


async def answer(tx: Tx, which: Row) -> None:
    """Run a waiting command in this transaction, or put it off until GitHub said who asks."""
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
    reply = await _run(tx, row, actor.person(i, asker, permission, repository_id))
    await commands.answer(tx, row, reply.state, reply.text)
    await _tell(tx, row, reply)


async def _run(tx: Tx, row: Row, asker: actor.Actor | None) -> Reply:
    login, text = row["asker"], row["text"]
    if row["verb"] == HELP:
        return Reply("done", "+1", replies.help_text(OPERATIONS.values()))
    if asker is None:
        return Reply("refused", "confused", replies.no_permission(login, text))
    if row["verb"] == TOO_MANY:
        return Reply("refused", "confused", replies.too_many(login, int(row["words"][0]), MOST))
    operation = VERBS.get(row["verb"])
    if operation is None:
        return Reply("refused", "confused", replies.unknown_command(login, text))
    assert operation.slash is not None
    try:
        result = await _operate(tx, row, operation, asker)
    except Refused as exc:
        return Reply("refused", "confused", replies.refused(login, text, exc.message))
    said = operation.slash.reply(result) if operation.slash.reply else None
    return Reply("done", "+1", said)


async def _operate(tx: Tx, row: Row, operation: Operation, asker: actor.Actor) -> Any:
    if not asker.may(operation.role):
        raise Refused(
            "forbidden",
            f"it takes the role {operation.role}, and your permission on this repository gives "
            f"{asker.role}.",
        )
    arguments = operation.parse(await _arguments(tx, row, operation))
    if operation.reads_only:
        return await run(tx, operation, asker, arguments)
    key = f"{row['source_kind']} {row['source_id']} {row['text_hash'][:20]} {row['nth']}"
    return await mutate(tx, operation, asker, arguments, key, digest=row["text_hash"])


async def _arguments(tx: Tx, row: Row, operation: Operation) -> dict[str, Any]:
    """The task is the issue commented on; words fill the arguments, the last takes the rest."""
    assert operation.slash is not None
    names = operation.slash.arguments
    words: list[str] = row["words"]
    if words and not names:
        raise Refused(
            "invalid_arguments", f"{replies.code(replies.usage(operation))} takes no more words."
        )
    filled = dict(zip(names[:-1], words, strict=False))
    if rest := words[max(len(names) - 1, 0) :]:
        filled[names[-1]] = " ".join(rest)
    where = await mirror.repository_by_id(tx, row["installation_id"], row["repository_id"])
    name = where["full_name"] if where else "?"
    return {"task": f"{name}#{row['number']}", **filled}


async def _tell(tx: Tx, row: Row, reply: Reply) -> None:
    """The reaction, and a comment where there is something to say."""
    on = {
        "installation_id": row["installation_id"],
        "repository_id": row["repository_id"],
        "author": AUTHOR,
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
    if reply.text is not None:
        await writes.queue(
            tx,
            **on,
            kind="comment",
            target=f"issue {row['repository_id']}#{row['number']}",
            arguments={"number": row["number"], "body": reply.text},
        )
