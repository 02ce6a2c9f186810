"""Cleans what agents write before it is posted.

Secrets are masked, strangers are not mentioned, and no line is a command to another bot. A text
without any of these stays as it is, and a clean text is not changed again.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bot import secret_formats
from bot.comments import markdown_lines, slash_commands
from bot.kernel.untrusted_text import INVISIBLE

# After the @ of a mention it keeps GitHub from notifying anybody, and shows nothing.
WORD_JOINER = "\u2060"
# What GitHub shows as /. A slash behind it begins no command, and it is right in HTML too.
SLASH = "&#47;"
# GitHub's own way to find mentions, with the ways to write @ in HTML. No address of e-mail.
MENTION = re.compile(
    r"(?<![A-Za-z0-9])(@|&#0*64(?:;|(?![0-9;]))|&#[xX]0*40(?:;|(?![0-9A-Fa-f;]))|&commat;)"
    r"(?:(?=&[#A-Za-z])|([A-Za-z0-9_][A-Za-z0-9_-]*)(/?))"
)
# An address that GitHub makes a link, up to what may end it. There is no mention in a link.
LINK = re.compile(
    r"(?:(?<![A-Za-z])https?://|(?<![^\s*_~(])www\.)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::[0-9]+)?"
    r"[/?#][\w/.%+=&?#;:,!$@-]*"
)
# The first word of a line that is a command to some bot, and no path.
HIDDEN = INVISIBLE
COMMAND = re.compile(rf"[\u00a0{HIDDEN}]*/[{HIDDEN}]*[A-Za-z][\w{HIDDEN}-]*(?![\w/-])")
# All but tab and the ends of lines. Titles have these neither.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
BREAK = re.compile(r"[\t\r\n\u2028\u2029]+")
# Lines at the end of a commit's message by which Hubbub knows its own commits and their agents.
TRAILER = re.compile(r"(?i)(?<=\bhubbub)-(?=(?:write|agent)\s*:)")
# How many mentions an answer names.
MOST_NAMED = 5


@dataclass(frozen=True)
class Cleaned:
    """A text, and what was cleaned, in words for its author."""

    text: str
    found: Sequence[str] = ()


def markdown(text: str, known: Collection[str] = ()) -> Cleaned:
    """A text that GitHub renders. `known`: folded logins of people who may be mentioned."""
    return _markdown(text, known, is_parsed=True)


def unparsed_markdown(text: str, known: Collection[str] = ()) -> Cleaned:
    """A text that would take too long to parse. What is in its code is cleaned too."""
    return _markdown(text, known, is_parsed=False)


def weight(text: str) -> int:
    """How long it takes to parse a text: about 10 ms for a thousand."""
    return sum(map(text.count, "\n\r`"))


def _markdown(text: str, known: Collection[str], *, is_parsed: bool) -> Cleaned:
    text, found = _printable(text)
    text, mentions = _without_mentions(text, known, is_markdown=is_parsed)
    text, commands = _without_commands(text, is_parsed=is_parsed)
    return Cleaned(text, [*found, *mentions, *commands])


def message(text: str, known: Collection[str] = ()) -> Cleaned:
    """The message of a commit, in which GitHub renders only mentions."""
    text, found = _printable(text)
    text, mentions = _without_mentions(text, known, is_markdown=False)
    own = TRAILER.sub(" ", text)
    return Cleaned(own, [*found, *mentions, *(["a trailer of Hubbub"] if own != text else [])])


def title(text: str, known: Collection[str] = ()) -> Cleaned:
    """A title, which has one line."""
    cleaned = message(text, known)
    one = BREAK.sub(" ", cleaned.text)
    return Cleaned(one, [*cleaned.found, *(["a line break"] if one != cleaned.text else [])])


def note(text: str) -> Cleaned:
    """A text that Hubbub quotes. Quotes have no mentions and no commands."""
    return Cleaned(*_printable(text))


def has_mentions(text: str) -> bool:
    """Whether the text may mention somebody, so that it matters who may be mentioned."""
    return MENTION.search(text) is not None


def _printable(text: str) -> tuple[str, list[str]]:
    """The text without control characters and secrets."""
    shown = CONTROL.sub("", text)
    masked, found = secret_formats.mask(shown)
    return masked, [*found, *(["a control character"] if shown != text else [])]


def _without_mentions(
    text: str, known: Collection[str], *, is_markdown: bool
) -> tuple[str, list[str]]:
    """The text with mentions only of those who are known. Mentions in code are none."""
    wrong = [each for each in MENTION.finditer(text) if not _is_known(each, known)]
    if not wrong:
        return text, []
    safe = [each.span() for each in LINK.finditer(text)]
    safe += markdown_lines.code_ranges(text) if is_markdown else []
    wrong = list(_outside(wrong, sorted(safe)))
    pieces, at = [], 0
    for each in wrong:
        pieces += [text[at : each.end(1)], WORD_JOINER]
        at = each.end(1)
    names = list(dict.fromkeys(each[2] or "somebody" for each in wrong))
    found = [f"a mention of {each[:40]}" for each in names[:MOST_NAMED]]
    more = len(names) - len(found)
    return "".join([*pieces, text[at:]]), found + ([f"{more} more mentions"] if more else [])


def _is_known(mention: re.Match[str], known: Collection[str]) -> bool:
    """Whether it mentions a person who is known. A team is never known."""
    return bool(mention[2]) and not mention[3] and mention[2].casefold().rstrip("-") in known


def _outside(
    mentions: Sequence[re.Match[str]], safe: Sequence[tuple[int, int]]
) -> Iterator[re.Match[str]]:
    """The mentions that are in none of the ranges, which are sorted by their start."""
    reached, n = 0, 0
    for each in mentions:
        while n < len(safe) and safe[n][0] <= each.start():
            reached = max(reached, safe[n][1])
            n += 1
        if each.start() >= reached:
            yield each


def _without_commands(text: str, *, is_parsed: bool) -> tuple[str, list[str]]:
    """The text without slash commands. Other bots read commands of anybody, so of ours too."""
    if not slash_commands.may_have_commands(text):
        return text, []
    lines, parsed = set(), 0
    if is_parsed:
        lines = {n for n, line in markdown_lines.slash_lines(text) if COMMAND.match(line)}
        parsed = len(markdown_lines.source_lines(text))
    pieces, at = [], 0
    for n, end in enumerate(_line_ends(text), 1):
        line = text[at:end]
        is_command = n in lines or (n > parsed and COMMAND.match(line.lstrip(" ")))
        pieces.append(line.replace("/", SLASH, 1) if is_command else line)
        at = end
    clean = "".join(pieces)
    return clean, ["a slash command"] if clean != text else []


def _line_ends(text: str) -> Iterator[int]:
    yield from (each.end() for each in markdown_lines.LINE_END.finditer(text))
    yield len(text)
