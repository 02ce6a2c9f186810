"""Texts as people and their programs write them on GitHub, and the commands found in each."""

import time

import pytest

from bot.comments import markdown_lines
from bot.inbox.command_finder import find_commands
from bot.mirror.changes import CommandText

# The text, and the commands in it. Commands of others and plain words are none.
PLAIN: list[tuple[str, list[str]]] = [
    # A command alone.
    ("/hold", ["/hold"]),
    # With words after it.
    ("/hold the plan changes", ["/hold the plan changes"]),
    # Below a sentence, without a blank line.
    ("I take this.\n/claim", ["/claim"]),
    # Above a sentence.
    ("/claim\nI take this.", ["/claim"]),
    # Several, with text between them.
    ("/claim\nthen\n/priority high\n\n/status", ["/claim", "/priority high", "/status"]),
    # The same one twice is two commands.
    ("/status\n/status", ["/status", "/status"]),
    # In the middle of a line it is a mention of a command.
    ("please /claim it", []),
    # At the end of a line too.
    ("Somebody should write /claim", []),
    # Two on one line are one command with words.
    ("/hold /claim", ["/hold /claim"]),
    # Capital letters, as phones begin sentences.
    ("/Hold", ["/hold"]),
    ("/HOLD Now", ["/hold Now"]),
    # Punctuation after it means nothing.
    ("/hold!", ["/hold"]),
    ("/hold.", ["/hold"]),
    ("/hold: the plan changes", ["/hold the plan changes"]),
    # A question asks for a command, so it gets a question back.
    ("/hold?", ["/hold?"]),
    # Up to three spaces.
    ("   /hold", ["/hold"]),
    # Four make it code.
    ("    /hold", []),
    # A tab makes it code.
    ("\t/hold", []),
    # A tab between the words.
    ("/hold\tthe\tplan", ["/hold the plan"]),
    # Spaces and tabs behind it.
    ("/hold \t ", ["/hold"]),
    # Hubbub's own form.
    ("/hubbub hold", ["/hubbub hold"]),
    ("/hubbub /hold", ["/hubbub hold"]),
    # Our name alone asks for help.
    ("/hubbub", ["/hubbub help"]),
    # The long form of an invitation.
    ("/agents invite eve tester", ["/agents invite eve tester"]),
]
OF_OTHERS: list[tuple[str, list[str]]] = [
    # Commands of Prow and of triagebot. Prow's /approve is Hubbub's too.
    ("/lgtm\n/retest\n/test all", []),
    ("@rustbot claim", []),
    # Macros of GitHub's editor, which insert other text.
    ("/code\n/details\n/saved-replies\n/table\n/template", []),
    # An unknown one with our name gets an answer.
    ("/hubbub explode", ["/hubbub explode"]),
    # A slip of one letter gets a question: did you mean.
    ("/hodl", ["/hodl"]),
    ("/cliam", ["/cliam"]),
    ("/relese it", ["/relese it"]),
    # Only the first slip of a text.
    ("/hodl\n/cliam", ["/hodl"]),
    # Too far from any command.
    ("/rebase", []),
    # Too short to compare.
    ("/ak", []),
    # A path.
    ("/usr/bin/env python", []),
    ("/hold/on", []),
    # A regular expression, a comment of C, a page.
    ("//hold", []),
    ("/*hold*/", []),
    ("https://github.com/acme/rocket\n/docs/hold", []),
    # A slash that Markdown escapes is text.
    ("\\/hold", []),
    # The slash as HTML writes it.
    ("&#47;hold", []),
    # A slash of another script.
    ("\uff0fhold", []),
    ("\u2215hold", []),
    # A command with a letter of another script is none.
    ("/h\u043eld", []),
    # A slash and a space.
    ("/ hold", []),
    # A date and a fraction.
    ("30/11\n/2 of them", []),
]
MARKDOWN: list[tuple[str, list[str]]] = [
    # Fences, indented code, code in a sentence.
    ("```\n/hold\n```", []),
    ("~~~sh\n/hold\n~~~\n/claim", ["/claim"]),
    # A fence that nobody closed hides the rest.
    ("```\n/hold", []),
    # A fence inside of a longer one.
    ("````\n```\n/hold\n```\n````\n/claim", ["/claim"]),
    ("`/hold`", []),
    ("`code\n/hold\ncode`", []),
    # A lone backtick hides nothing.
    ("it`s\n/hold", ["/hold"]),
    # Quotes, also those that go on without a mark.
    ("> /hold", []),
    (">/hold", []),
    ("> quoted\n/hold", []),
    ("> quoted\n\n/hold", ["/hold"]),
    ("> > /hold\n\n/claim", ["/claim"]),
    # Alerts are quotes.
    ("> [!NOTE]\n> /hold", []),
    # Lists: an item is part of the list, a line below it is not.
    ("- /hold", []),
    ("* /hold\n+ /hold\n1. /hold", []),
    ("- [ ] /hold\n- [x] /claim", []),
    ("- done\n- tested\n/hold", ["/hold"]),
    ("- done\n\n/hold", ["/hold"]),
    ("- a\n  - b\n    /hold", []),
    ("- a\n  - b\n\n/hold", ["/hold"]),
    # Headings and lines.
    ("# /hold", []),
    ("/hold\n---", ["/hold"]),
    ("---\n/hold", ["/hold"]),
    # Tables.
    ("| /hold | b |\n|---|---|\n| /claim | d |", []),
    ("| a | b |\n|---|---|\n| 1 | 2 |\n\n/hold", ["/hold"]),
    # Emphasis is text before the slash.
    ("**/hold**", []),
    ("_/hold_", []),
    # A link and a picture.
    ("[/hold](https://x.test)", []),
    ("![](https://x.test/1.png)\n/hold", ["/hold"]),
    # A footnote.
    ("Text[^1]\n\n[^1]: /hold", []),
    # The line that gives a link its address.
    ("[a]: https://x.test\n/hold", ["/hold"]),
    # Comments of HTML, as templates of issues have them.
    ("<!-- Write /hold to stop -->\n/claim", ["/claim"]),
    ("<!--\n/hold\n-->", []),
    ("/hold <!-- not yet -->", ["/hold"]),
    # Folded text.
    ("<details>\n<summary>Log</summary>\n/hold\n</details>", []),
    ("<details>\n<summary>Log</summary>\n\n/hold\n\n</details>", ["/hold"]),
    ("<details>\n/hold\n</details>\n/claim", ["/claim"]),
    ("<pre>\n/hold\n</pre>", []),
    ("<kbd>/hold</kbd>", []),
    # A diff and a suggestion are code.
    ("```suggestion\n/hold\n```\n/claim", ["/claim"]),
    # Mathematics is text, and a formula begins with a dollar.
    ("$$\n/hold\n$$", ["/hold"]),
]
CHARACTERS: list[tuple[str, list[str]]] = [
    # Line ends of Windows, of old Macs, and both.
    ("Hello\r\n\r\n/hold\r\n", ["/hold"]),
    ("Hello\r/hold\r", ["/hold"]),
    ("/hold\r\n/claim\r/status\n", ["/hold", "/claim", "/status"]),
    # Other separators do not end a line of Markdown.
    ("Hello\u2028/hold", []),
    ("Hello\x0b/hold", []),
    ("Hello\x0c/hold", []),
    # A form feed before the slash is text.
    ("\x0c/hold", []),
    # A form feed after it is space.
    ("/hold\x0cnow", ["/hold now"]),
    # NUL.
    ("\0\n/hold", ["/hold"]),
    # A byte order mark, and characters without a width.
    ("\ufeff/hold", ["/hold"]),
    ("\u200b/hold\u200b", ["/hold"]),
    ("/\u2060hold", ["/hold"]),
    ("/ho\u00adld", ["/hold"]),
    # A space that does not break, as phones and web pages write it.
    ("\u00a0/hold\u00a0the\u00a0plan", ["/hold the plan"]),
    # Marks of the direction, in a text from right to left.
    ("\u200f/hold\u200f", ["/hold"]),
    ("\u202b/hold\u202c", ["/hold"]),
    ("\u2067/hold\u2069 \u05e9\u05dc\u05d5\u05dd", ["/hold \u05e9\u05dc\u05d5\u05dd"]),
    ("\u0645\u0631\u062d\u0628\u0627\n/hold", ["/hold"]),
    # Punctuation of Chinese and Japanese.
    ("/hold\u3002", ["/hold"]),
    ("/hold\uff0c\u7a0d\u7b49", []),
    ("/hold\uff1a \u7a0d\u7b49", ["/hold \u7a0d\u7b49"]),
    ("\u8bf7\u7a0d\u7b49\n/hold", ["/hold"]),
    # An ideographic space.
    ("/hold\u3000\u7a0d\u7b49", ["/hold \u7a0d\u7b49"]),
    # Emoji before it are text, after it words.
    ("\U0001f680 /hold", []),
    ("\U0001f680\n/hold \U0001f469\u200d\U0001f4bb", ["/hold \U0001f469\u200d\U0001f4bb"]),
    (":rocket:\n/hold", ["/hold"]),
    # A letter with a sign above it.
    ("/h\u00f4ld", []),
    # Quotation marks of phones.
    ("/ask \u201cis it done?\u201d", ["/ask \u201cis it done?\u201d"]),
]
SENTENCE = "On Mon, Nov 30, 2026 at 10:02 AM Ada Lovelace ***@***.***> wrote:"
MAIL: list[tuple[str, list[str]]] = [
    # Gmail: the answer above the quote.
    (f"/hold\r\n\r\n{SENTENCE}\r\n\r\n> /done\r\n>\r\n> Thanks", ["/hold"]),
    # The sentence goes over two lines.
    (
        (
            "/hold\n\nOn Mon, Nov 30, 2026 at 10:02 AM Ada <\nnotifications@github.com> wrote:"
            "\n\n> /done"
        ),
        ["/hold"],
    ),
    # The answer below the quote, and between its parts.
    (f"{SENTENCE}\n> /done\n\n/hold", ["/hold"]),
    (f"{SENTENCE}\n> One?\n\nYes.\n\n> /done\n\n/hold\n\n> Two", ["/hold"]),
    # Right below a quote, GitHub shows the line as a part of it.
    (f"{SENTENCE}\n> /done\n/hold", []),
    # A program that does not mark the quote: all below the sentence is quoted.
    (f"/hold\n\n{SENTENCE}\n\n/done\n/cancel", ["/hold"]),
    # Apple Mail, with its sentence in German.
    ("/hold\n\n> Am 30.11.2026 um 10:02 schrieb Ada:\n> \n> /done", ["/hold"]),
    ("/hold\n\nAm 30.11.2026 um 10:02 schrieb Ada <a@x.test>:\n\n/done", ["/hold"]),
    # French, Spanish, Italian, Portuguese, Dutch.
    ("/hold\n\nLe lun. 30 nov. 2026 \u00e0 10:02, Ada a \u00e9crit :\n/done", ["/hold"]),
    ("/hold\n\nEl lun, 30 nov 2026 a las 10:02, Ada escribi\u00f3:\n/done", ["/hold"]),
    ("/hold\n\nIl giorno lun 30 nov 2026 Ada ha scritto:\n/done", ["/hold"]),
    ("/hold\n\nEm seg., 30 de nov. de 2026, Ada escreveu:\n/done", ["/hold"]),
    ("/hold\n\nOp ma 30 nov 2026 om 10:02 schreef Ada:\n/done", ["/hold"]),
    # Chinese, Japanese, Russian.
    ("/hold\n\n\u5728 2026\u5e7411\u670830\u65e5\uff0cAda \u5199\u9053\uff1a\n/done", ["/hold"]),
    ("/hold\n\n2026\u5e7411\u670830\u65e5(\u6708) 10:02 Ada <a@x.test>:\n/done", ["/hold"]),
    (
        "/hold\n\n30 \u043d\u043e\u044f\u0431. 2026, Ada \u043f\u0438\u0448\u0435\u0442:\n/done",
        ["/hold"],
    ),
    # Zoho: a sentence between hyphens, and the message without marks (dependabot/feedback#277).
    (
        "/hold\n\n---- On Tue, 20 Nov 2018 10:02:23 +0000 Ada <a@x.test> wrote ----\n\n/done",
        ["/hold"],
    ),
    # The sender before the verb in English, then Swedish, Polish and Vietnamese: by the address.
    ('/hold\n\n30 November 2026 10:02, "Ada" ***@***.***> wrote:\n\n/done', ["/hold"]),
    ("/hold\n\nDen m\u00e5n 30 nov. 2026 kl 10:02 skrev Ada <a@x.test>:\n\n/done", ["/hold"]),
    ("/hold\n\npon., 30 lis 2026 o 10:02 Ada <a@x.test> napisa\u0142(a):\n\n/done", ["/hold"]),
    ("/hold\n\nV\u00e0o 10:02 Ada <a@x.test> \u0111\u00e3 vi\u1ebft:\n\n/done", ["/hold"]),
    # Outlook: a separator, or only the headers.
    ("/hold\n\n-----Original Message-----\nFrom: Ada\nSent: Monday\n\n/done", ["/hold"]),
    (
        (
            "/hold\n\n________________________________\nFrom: Ada <a@x.test>\nSent: Monday\n"
            "To: acme/rocket\nSubject: Re: Mend it\n\n/done"
        ),
        ["/hold"],
    ),
    ("/hold\n\n*Von:* Ada\n*Gesendet:* Montag\n*An:* Bob\n*Betreff:* Re\n\n/done", ["/hold"]),
    # A message that was sent on.
    ("/hold\n\n---------- Forwarded message ---------\nFrom: Ada\n\n/done", ["/hold"]),
    # A signature, which may have a command in it by mistake.
    ("/hold\n\n-- \nAda\n/done", ["/hold"]),
    ("/hold\r\n-- \r\nAda Lovelace\r\n", ["/hold"]),
    # Two hyphens in a text are no signature.
    ("A thought\n\n-- and another\n\n/hold", ["/hold"]),
    ("```sql\n-- \nSELECT 1\n```\n/hold", ["/hold"]),
    # GitHub's own last lines below a quote.
    (
        (
            f"/hold\n\n{SENTENCE}\n> /done\n>\n> \u2014\n> Reply to this email directly, view on "
            "GitHub, or unsubscribe.\n> You are receiving this because you commented."
        ),
        ["/hold"],
    ),
    # A phone.
    ("/hold\n\nSent from my phone\n", ["/hold"]),
    # What is left of HTML.
    ("/hold<br>\n<br>\n", ["/hold"]),
    ("/hold the plan<br/>", ["/hold the plan"]),
    ("/hold&nbsp;", ["/hold"]),
    ("&gt; /done\n\n/hold", ["/hold"]),
    ("<blockquote>\n/done\n</blockquote>\n\n/hold", ["/hold"]),
    # Spaces that do not break, and lines that a program wrapped.
    (f"\u00a0/hold\u00a0\r\n\r\n{SENTENCE}\r\n>\u00a0/done", ["/hold"]),
    # A sentence about somebody's words is no mail, nor one with a time, nor one with an address.
    ("At 10:30 this happens:\n\n/hold", ["/hold"]),
    ("Mail <a@x.test> about this:\n\n/hold", ["/hold"]),
    ("On second thought, Ada wrote:\n\n/hold", ["/hold"]),
    ("From: my point of view this is done\n\n/done", ["/done"]),
]
ROWS = [*PLAIN, *OF_OTHERS, *MARKDOWN, *CHARACTERS, *MAIL]


def written(text: str, before: str = "") -> CommandText:
    return CommandText(
        source_kind="comment",
        source_id=1,
        repository_id=1,
        number=1,
        text=text,
        before=before,
        asker="octocat",
        asker_id=1,
        written_at=1,
        by_bot=False,
    )


@pytest.mark.parametrize(("text", "commands"), ROWS)
async def test_the_commands_of_a_text_are_found(text: str, commands: list[str]) -> None:
    assert [each["text"] for each in await find_commands(written(text))] == commands


def test_the_table_has_more_than_a_hundred_texts_and_none_twice() -> None:
    texts = [text for text, _ in ROWS]
    assert len(texts) == len(set(texts)) > 100


# Each is repeated up to the length of a comment, around a command.
HOSTILE = [
    "> ",
    "- ",
    "`",
    "<!-- ",
    "<br>",
    "&nbsp;",
    " ",
    "\u200b",
    "-- \n",
    "From: a\n",
    "From: a\nTo: b\n",
    "On 1 wrote: ",
    "On 1\n",
    "Am 1 schrieb ",
    f"{SENTENCE}\n",
    f"{SENTENCE}\n> a\n",
    "1 schrieb am ",
    "________________________________\n",
]


@pytest.mark.parametrize("unit", HOSTILE)
async def test_a_hostile_text_of_65_kb_takes_less_than_two_seconds(unit: str) -> None:
    filling = (unit * markdown_lines.LONGEST)[: markdown_lines.LONGEST // 2 - 10]
    began = time.process_time()
    await find_commands(written(f"/hold {filling}\n/hold\n{filling}"))
    await find_commands(written(f"{filling}\n/hold"))
    assert time.process_time() - began < 2


async def test_an_edit_by_mail_finds_only_the_commands_that_it_adds() -> None:
    before = f"/hold\n\n{SENTENCE}\n> /done"
    after = f"/hold\n/priority high\n\n{SENTENCE}\n> /done"
    found = await find_commands(written(after, before))
    assert [each["text"] for each in found] == ["/priority high"]
