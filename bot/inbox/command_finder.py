"""Finds slash commands in a text, as rows to store."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from bot.comments import slash_commands
from bot.kernel.operation import Operation, Slash
from bot.mirror.changes import CommandText
from bot.operations import OPERATIONS
from store.inbox.commands import FoundCommand
from store.tables.inbox import CommandRow

# Commands in one text.
MOST = 10
# Texts longer than this are parsed in a thread, one at a time, so that they take at most half of
# the server's time. Shorter ones take a few milliseconds.
LONG = 2_000
PARSER = ThreadPoolExecutor(1, thread_name_prefix="parser")

VERBS: dict[str, tuple[Operation, Slash]] = {
    slash.verb: (each, slash) for each in OPERATIONS.values() for slash in each.slashes
}
# Verbs without an operation. People type the first; nobody can type the second.
HELP = "help"
TOO_MANY = "too many"

# What people may have meant by a word that is no verb.
SIMILAR = {*VERBS, HELP, slash_commands.NAMESPACE}


async def find_commands(written: CommandText) -> list[FoundCommand]:
    """The commands of a text as rows: known verbs, any verb behind `/hubbub`, and a near miss."""
    if written.by_bot or not written.asker or not slash_commands.may_have_commands(written.text):
        return []
    if len(written.text) + len(written.before) <= LONG:
        return _commands_in(written)
    return await asyncio.get_running_loop().run_in_executor(PARSER, _commands_in, written)


def _commands_in(written: CommandText) -> list[FoundCommand]:
    found = slash_commands.find(written.text)
    before = {each.text for each in slash_commands.find(written.before)} if found else set()
    new = _ours(each for each in found if each.text not in before)
    if len(new) > MOST:
        many = slash_commands.Found(TOO_MANY, (str(len(new)),), 1, f"{len(new)} commands", False)
        return [_row(written, many, 0)]
    return [_row(written, each, nth) for each, nth in _with_places(new)]


def _ours(found: Iterable[slash_commands.Found]) -> list[slash_commands.Found]:
    """The commands for Hubbub. Only the first near miss of a text gets a reply."""
    ours, has_near_miss = [], False
    for each in found:
        if each.verb in VERBS or each.verb == HELP or each.namespaced:
            ours.append(each)
        elif not has_near_miss and slash_commands.near_miss(each.verb, SIMILAR):
            ours.append(each)
            has_near_miss = True
    return ours


def _with_places(found: Sequence[slash_commands.Found]) -> list[tuple[slash_commands.Found, int]]:
    """Each with how many before it have the same text.

    The same line twice is two commands. A line that an edit moves is still the same command.
    """
    seen: Counter[str] = Counter()
    places = []
    for each in found:
        places.append((each, seen[each.text]))
        seen[each.text] += 1
    return places


async def is_written(text: str, which: CommandRow) -> bool:
    """Whether the command still stands in the text."""
    if len(text) <= LONG:
        return _has_command(text, which)
    return await asyncio.get_running_loop().run_in_executor(PARSER, _has_command, text, which)


def _has_command(text: str, which: CommandRow) -> bool:
    found = _ours(slash_commands.find(text))
    if which["verb"] == TOO_MANY:
        return len(found) > MOST
    key = (which["text_hash"], which["nth"])
    return any((_hash(each), nth) == key for each, nth in _with_places(found))


def _hash(found: slash_commands.Found) -> str:
    return hashlib.sha256(found.text.encode()).hexdigest()


def _row(written: CommandText, found: slash_commands.Found, nth: int) -> FoundCommand:
    return {
        "source_kind": written.source_kind,
        "source_id": written.source_id,
        "text_hash": _hash(found),
        "nth": nth,
        "repository_id": written.repository_id,
        "number": written.number,
        "line": found.line,
        "verb": found.verb[:80],
        "words": list(found.words),
        "text": found.text,
        "asker": written.asker,
        "asker_id": written.asker_id,
        "written_at": written.written_at,
    }
