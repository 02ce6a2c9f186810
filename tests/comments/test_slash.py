import re
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.comments import markdown_lines
from bot.comments.slash_commands import Found, find, may_have_commands, near_miss


def verbs(text: str) -> list[str]:
    return [each.verb for each in find(text)]


def find_only(text: str) -> Found:
    (only,) = find(text)
    return only


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("/claim", 1),
        ("   /claim", 1),
        ("/claim   \t", 1),
        ("/CLAIM", 1),
        ("Hello\n/claim\nthanks", 2),
        ("Hello\r\n\r\n/claim\r\n", 3),
        ("Hello\r/claim", 2),
        ("**bold\n/claim\nbold**", 2),  # emphasis hides nothing
        ("/claim\n---", 1),  # a heading, by accident
        ("/claim\n===\nmore", 1),
        ("- done\n- tested\n/claim", 3),  # the list goes on, its writer does not know
        ("> quoted\n\n/claim", 3),
        ("```\ncode\n```\n/claim", 4),
        ("<details>\n<summary>Log</summary>\n\n/claim\n\n</details>", 4),
        ("a lone ` tick\n/claim", 2),
        ("\\` not code\n/claim\n\\`", 2),
        ("a < b\n/claim\nb > a", 2),
        ("an <!-- unclosed comment\n/claim", 2),
        ("\u2003\n/claim", 2),  # a space that the parser trims, with its line
        ("nul \0\n/claim", 2),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n\n/claim", 5),
        ("مرحبا 🚀\n/claim", 2),
        ("<details>\n\nlog\n\n</details>\n/claim", 6),
        ('<img src="https://x.test/1.png" />\n/claim', 2),
        ('<p align="center">\n<img\nsrc="x">\n</p>\n/claim <!-- and\nmore -->', 5),
        ("\ufeff/claim", 1),
        ("hello\n\u200b/claim", 2),
        (" \u200b \u2060/claim", 1),
        ("/\u200bclaim", 1),
        ("/claim\u200b", 1),
        ("/cl\u00adaim", 1),
        ("/claim \u200e", 1),
        ("/claim!", 1),
        ("/Claim.", 1),
        ("/claim\u200b...", 1),
    ],
)
def test_a_command_stands_at_the_start_of_a_line(text: str, line: int) -> None:
    assert may_have_commands(text)
    assert find(text) == [Found("claim", (), line, "/claim", namespaced=False)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "please /claim this",
        "    /claim",
        "\t/claim",
        "text\n    /claim",
        "```\n/claim\n```",
        "~~~ sh\n/claim",
        "```\n/claim",  # a fence that nobody closed
        "- item\n\n  ```\n  /claim\n  ```",
        "- item\n  /claim",
        "1. item\n\n   /claim",
        "1. item\n\n       /claim",
        "`code\n/claim\ncode`",
        "``a ` b\n/claim\n``",
        "> /claim",
        "> quoted\n/claim",  # GitHub shows it in the quote
        "> - > deep\n/claim",
        "- > quoted\n/claim",
        "<!--\n/claim\n-->",
        "<!--\n\n/claim\n\n-->",
        "see <!-- a\n/claim\n-->",
        "<div>\n/claim\n</div>",
        "<p>\n<b>x</b>\n/claim",
        "</p>\n<p>\n/claim",
        "<div title='\n/claim\n'>",
        "<div></div>\n<!--\n/claim\n-->",
        "> <br>\n> /claim",
        "```\n\u200b/claim\n```",
        "> \u200b/claim",
        "<pre>\n\n/claim\n\n</pre>",
        '<a title="\n/claim\n">link</a>',
        "<?php\n/claim\n?>",
        "[link]:\n/claim",  # the address of a link
        "# /claim",
        "| /claim |\n|---|",
        "\\/claim",
        "//claim",
        "/ claim",
        "/usr/bin/env python",
        "/claim/",
        "/1st",
        "/été",
        "https://x.test\n/a/b",
    ],
)
def test_what_is_code_quoted_hidden_or_no_verb_is_no_command(text: str) -> None:
    assert find(text) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("a b", ("a", "b")),
        ("  a \t b  ", ("a", "b")),
        ('"two words" third', ("two words", "third")),
        ("'two words'", ("two words",)),
        ("“two words”", ("two words",)),  # as telephones write them
        ('""', ("",)),
        ("don't say it's late", ("don't", "say", "it's", "late")),
        ('a "stray quote', ("a", '"stray', "quote")),
        ('"a"b', ('"a"b',)),
        ("back\\slash `code`", ("back\\slash", "`code`")),
        ("@scout <@scout>", ("@scout", "<@scout>")),
        ("high <!-- for the demo -->", ("high",)),
        ("high <!-- for\nthe demo -->", ("high",)),
        ("#12 日本語 🚀", ("#12", "日本語", "🚀")),
        ("\u200bhigh\u200b \u2060", ("high",)),
        ("👩\u200d💻 x", ("👩\u200d💻", "x")),  # a joined emoji stays whole
        ("“one “two words” “", ("“one", "two words", "“")),
    ],
)
def test_words_follow_the_verb_and_quotes_join_them(arguments: str, words: tuple[str, ...]) -> None:
    assert find_only(f"/ask {arguments}").words == words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/hubbub claim", Found("claim", (), 1, "/hubbub claim", namespaced=True)),
        ("/Hubbub  Claim  now", Found("claim", ("now",), 1, "/hubbub claim now", namespaced=True)),
        ("/hubbub /claim", Found("claim", (), 1, "/hubbub claim", namespaced=True)),
        ("/hubbub", Found("help", (), 1, "/hubbub help", namespaced=True)),
        ("/hubbub: claim, now", Found("claim", ("now",), 1, "/hubbub claim now", namespaced=True)),
        ("/hubbub 42 x", Found("42", ("x",), 1, "/hubbub 42 x", namespaced=True)),
        ("/hubbubs", Found("hubbubs", (), 1, "/hubbubs", namespaced=False)),
    ],
)
def test_a_command_may_name_us(text: str, expected: Found) -> None:
    assert find_only(text) == expected


@pytest.mark.parametrize(
    ("verb", "meant"),
    [
        ("clam", "claim"),
        ("cliam", "claim"),
        ("claimm", "claim"),
        ("un-block", "unblock"),
        ("hold?", "hold"),
        ("hubub", "hubbub"),
        ("lock", None),
        ("task", None),
        ("wy", None),
        ("usr", None),
        ("unhold", None),
        ("rebase", None),
        ("", None),
    ],
)
def test_a_slip_of_one_letter_is_a_near_miss(verb: str, meant: str | None) -> None:
    known = ("ask", "block", "claim", "hold", "hubbub", "release", "unblock", "why")
    assert near_miss(verb, known) == meant


def test_a_line_is_known_again_whatever_its_spaces_and_its_verbs_case() -> None:
    one, other = find_only("/Ask   Ada  'for a  review'"), find_only("  /ask Ada 'for a review'  ")
    assert one.text == other.text == "/ask Ada 'for a review'"


def test_commands_come_in_the_order_of_their_lines() -> None:
    text = "/claim\n\n```\n/release\n```\ntext\n/status now\n/unknown-verb"
    assert [(each.line, each.text) for each in find(text)] == [
        (1, "/claim"),
        (7, "/status now"),
        (8, "/unknown-verb"),
    ]


def test_no_more_is_examined_than_a_comment_can_hold() -> None:
    assert find("a" * markdown_lines.LONGEST + "\n/claim") == []
    assert find("\n" * markdown_lines.MOST_LINES + "/claim") == []
    assert find("a\n" + "/" + "a" * markdown_lines.LONGEST) == []
    assert len(find("/claim\n" * 20_000)) == markdown_lines.LONGEST // len("/claim\n")
    assert len(find("/a\n" * 20_000)) == markdown_lines.MOST_LINES


# What costs a parser dear: each is repeated up to the length of a comment.
HOSTILE = {
    "nested quotes": "> ",
    "quotes and lists": "> - ",
    "nested lists": "- ",
    "list items": "- a\n",
    "items of items": "- - - a\n",
    "brackets": "[",
    "brackets by line": "[\n",
    "definitions": "[a]:\n",
    "backticks": "`",
    "backticks apart": "` ",
    "runs of two lengths": "`` ` ",
    "backticks by line": "/a `\n",
    "comments": "<!--",
    "comments by line": "/a <!--\n",
    "closed comments": "/a <!-- -->\n",
    "tags": "<a ",
    "attributes": "<a x='",
    "instructions": "<?",
    "character data": "<![CDATA[",
    "backslashes": "\\",
    "quoted words": '"a ',
    "fences": "```\n",
    "underlines": "/a\n==\n",
    "commands": "/a\n",
    "paragraphs": "/a\n\n",
    "tabs": "\t",
    "lines": "\n",
    "curly quotes": "“a ",
    "curly quotes by line": "/a “a\n",
    "invisible characters": "\u200b",
    "invisible words": "\u200b\u2060a ",
    "invisible lines": "\u200b /",
    "pictures": "<img>\n/a <!-- ",
    "elements": "<p>\n/a\n",
    "ends": "</p\n",
}


def lazy(length: int) -> str:
    """A deep quote that goes on and on."""
    return ("/a\n\n" + ">" * 20 + "a\n" + "<b\n" * length)[:length]


def calls(text: str) -> int:
    """How many functions `find` calls."""
    count = 0

    def note(_frame: FrameType, event: str, _arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        find(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_a_text_twice_as_long_costs_twice_as_much(unit: str) -> None:
    half, whole = (
        ("/a\n" + unit * n)[:n] for n in (markdown_lines.LONGEST // 8, markdown_lines.LONGEST // 4)
    )
    assert calls(whole) < 2.5 * calls(half) + 2_000


def test_lists_in_lists_cost_no_more_than_other_lines() -> None:
    """Calls, because times depend on the machine. A million take a quarter of a second."""
    lists, lines = (
        ("/a\n" + unit * 9_000)[: markdown_lines.LONGEST] for unit in ("- - - a\n", "a\n")
    )
    assert calls(lists) < 2 * calls(lines)


def test_a_quote_that_goes_on_and_on_costs_in_proportion() -> None:
    assert calls(lazy(8_000)) < 2.5 * calls(lazy(4_000))


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_no_text_raises(text: str) -> None:
    find("/a\n" + text)
    find(text + "\n/a")


BLOCKS = [
    "/claim",
    "/a b",
    "```",
    "~~~",
    "> ",
    "- ",
    "1. ",
    "    ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "---",
]
INLINE = ["`", "<!--", "-->", "<b>", "<", ">", "\\", " ", "a", "[", "]:", "'", '"', "=", "|"]
MARKDOWN = st.lists(st.sampled_from(BLOCKS) | st.sampled_from(INLINE)).map("".join)


# GitHub shows nothing of it, so a word goes on after it.
COMMENT = re.compile(r"<!--(?:>|->|.*?-->)")


@settings(deadline=None)
@example("/claim<!---->- ")
@given(MARKDOWN)
def test_what_is_found_is_a_line_of_the_text(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for each in find(text):
        shown = COMMENT.sub("", lines[each.line - 1])
        assert shown.lstrip(" ").startswith("/" + each.verb)


@settings(deadline=None)
@given(MARKDOWN.filter(lambda text: "```" not in text))
def test_nothing_is_found_in_a_fence(text: str) -> None:
    assert verbs(f"```\n{text}\n```") == []


@settings(deadline=None)
@given(MARKDOWN)
def test_nothing_is_found_in_a_quote(text: str) -> None:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert verbs("\n".join(f"> {each}" for each in lines)) == []


@settings(deadline=None)
@given(MARKDOWN)
def test_a_text_that_does_not_look_like_one_has_no_command(text: str) -> None:
    assert may_have_commands(text) or not verbs(text)
