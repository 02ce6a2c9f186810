"""Finds slash commands: lines of plain text that begin with a slash."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from bot.comments import mail_replies, markdown_lines
from bot.kernel.untrusted_text import INVISIBLE
from bot.repository import repository_settings

# Hubbub's commands. A comment that begins with another slash may be an answer to a question.
OF_HUBBUB = frozenset({*repository_settings.Permissions.model_fields, "help"})
LONGEST_OF_COMMANDS = 2_000
NAMESPACE = "hubbub"
# A verb and its first word that together are another verb.
TWO_WORDS = {("agents", "invite"): "invite"}
LIKELY = re.compile(
    rf"(?:^|[\r\n]) {{0,3}}(?:[\u00a0{INVISIBLE}][ \u00a0{INVISIBLE}]*)?/[{INVISIBLE}]*[A-Za-z]"
)
# What mail programs leave at the end of a line when they turn HTML into text.
REMAINS = re.compile(r"(?:</?(?:br|div|p|span) ?/?>|&nbsp;)\Z", re.IGNORECASE)
LONGEST_REMAINS = 10
MOST_REMAINS = 10
HIDDEN = re.compile(rf"[{INVISIBLE}]")
HIDDEN_AROUND = re.compile(rf"\A[{INVISIBLE}]+|(?<![{INVISIBLE}])[{INVISIBLE}]+\Z")
# What people write after a verb without meaning anything by it.
PUNCTUATION = "!.,:;…！。，：；、"  # noqa: RUF001 -- as they type in Chinese
# The verb is a whole word, so that the path `/usr/bin` is not a command. With a question mark it
# is no command, but a near miss.
VERB = re.compile(r"[a-z][a-z-]*\??")
# A quote begins at the start of a word and ends at the end of one, so `don't` is a plain word. Each
# alternative ends at the next quotation mark, so the cost is in proportion to the length.
WORD = re.compile(r"""(?:"([^"]*)"|'([^']*)'|“([^“”]*)”)(?=\s|$)|(\S+)""")
# Shorter verbs are too similar to other words.
SHORTEST_NEAR_MISS = 4


@dataclass(frozen=True)
class Found:
    """A command. `line` counts from 1.

    `text` is the line with single spaces and its verb in lower case. `namespaced` means that it
    begins with `/hubbub`.
    """

    verb: str
    words: tuple[str, ...]
    line: int
    text: str
    namespaced: bool


def may_have_commands(text: str) -> bool:
    """A quick test that saves parsing: most texts have no commands."""
    return LIKELY.search(text) is not None


def find(text: str) -> list[Found]:
    """The commands of a text in their order, with unknown verbs."""
    return list(_commands(text)) if may_have_commands(text) else []


# An edit brings the text that the edit before it brought.
@lru_cache(4)
def _commands(text: str) -> tuple[Found, ...]:
    of_mail = mail_replies.lines_of_mail(markdown_lines.source_lines(text))
    lines = markdown_lines.slash_lines(text)
    found = (_command(n, shown) for n, shown in lines if n not in of_mail)
    return tuple(each for each in found if each)


def near_miss(verb: str, known: Collection[str]) -> str | None:
    """The known verb that somebody meant who wrote this one with a slip or a question mark."""
    word = verb.rstrip("?")
    if word in known:
        return word
    similar = (each for each in sorted(known) if len(each) >= SHORTEST_NEAR_MISS)
    return next((each for each in similar if each[0] == word[:1] and _is_slip(word, each)), None)


def _is_slip(word: str, verb: str) -> bool:
    """Whether one letter is wrong, missing or too much, or two neighbours are swapped."""
    if len(word) == len(verb):
        wrong = [n for n, pair in enumerate(zip(word, verb, strict=True)) if pair[0] != pair[1]]
        swapped = len(wrong) == 2 and wrong[1] == wrong[0] + 1
        return len(wrong) == 1 or (swapped and sorted(word) == sorted(verb))
    longer, shorter = sorted((word, verb), key=len, reverse=True)
    if len(longer) != len(shorter) + 1:
        return False
    return any(longer[:n] + longer[n + 1 :] == shorter for n in range(len(longer)))


def is_for_hubbub(text: str) -> bool:
    """Whether a text is nothing but commands of Hubbub. False for a long text."""
    if len(text) > LONGEST_OF_COMMANDS or not may_have_commands(text):
        return False
    lines = markdown_lines.source_lines(text)
    filled = {n for n, line in enumerate(lines, 1) if line.strip()}
    filled -= mail_replies.lines_of_mail(lines)
    return filled <= {each.line for each in find(text) if each.namespaced or each.verb in OF_HUBBUB}


def _command(line: int, shown: str) -> Found | None:
    verb, arguments = _split(_without_remains(shown[1:]))
    if not VERB.fullmatch(verb):
        return None
    if verb != NAMESPACE:
        text = f"/{verb} {arguments}".rstrip()
        return Found(*_verb_of(verb, _words(arguments)), line, text, namespaced=False)
    named, rest = _split(arguments.removeprefix("/")) if arguments else ("help", "")
    text = f"/{NAMESPACE} {named} {rest}".rstrip()
    return Found(*_verb_of(named, _words(rest)), line, text, namespaced=True)


def _without_remains(shown: str) -> str:
    for _ in range(MOST_REMAINS):
        shown = shown.rstrip()
        if not (found := REMAINS.search(shown, max(0, len(shown) - LONGEST_REMAINS))):
            break
        shown = shown[: found.start()]
    return shown


def _verb_of(verb: str, words: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The verb and the words after it: `/agents invite NAME` has the verb `invite`."""
    two = TWO_WORDS.get((verb, words[0].lower())) if words else None
    return (two, words[1:]) if two else (verb, words)


def _split(text: str) -> tuple[str, str]:
    """The verb in lower case, and the words after it with single spaces."""
    verb, *words = [word for each in text.split() if (word := _trim(each))] or [""]
    return HIDDEN.sub("", verb).rstrip(PUNCTUATION).lower(), " ".join(words)


def _trim(word: str) -> str:
    """The word without invisible characters at its ends."""
    return HIDDEN_AROUND.sub("", word)


def _words(arguments: str) -> tuple[str, ...]:
    return tuple(each[each.lastindex or 0] for each in WORD.finditer(arguments))
