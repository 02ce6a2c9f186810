"""Arguments that do not fit are refused in words that say what does, and never the validator's."""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.errors import Refused
from bot.kernel import event_stream, pagination
from bot.kernel.operation import Operation
from bot.operations import OPERATIONS

AGENT = "must be an agent's id: 1 to 63 lower-case letters, digits and hyphens, a hyphen not first"
CAPABILITY = (
    "must be a slug of lower-case letters, digits and +.#-, with an optional level from 1 to 5, "
    "for example python or python:3"
)
TO = (
    "must be one of these: an agent's id, role: and one of observer, tester, developer, tech-lead, "
    "capability: and a slug, everybody, holder, or with `reply_to` the @login of the person who "
    "asked; for other people call github_comment_issue"
)
# What only the library would say: its own words, kinds, and patterns.
INTERNAL = re.compile(
    r"Input|should|Value error|[Vv]alid |String|Extra|Field req|permitted|pattern|literal"
)
# One of them at least fits no argument.
WRONG: tuple[Any, ...] = (
    *(None, True, -1, 1.5, 10**5000, float("nan"), "", " \n", "\ud800", "@octocat", "9" * 70_000),
    *([], ["\x00"], [None], [{}], [{"bogus": 1}], ["a"] * 1000, {}, {"bogus": 1}, [[[]]]),
)


def refusal(operation: Operation, given: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        operation.parse(given)
    return caught.value


@pytest.mark.parametrize(
    ("operation", "given", "said"),
    [
        (
            "list_tasks",
            {"state": "done"},
            (
                "`state` must be pending, assigned, in_progress, in_review, completed, failed, "
                "cancelled, ready, blocked, open or any."
            ),
        ),
        (
            "list_tasks",
            {"state": "in_progres"},
            (
                "`state` must be pending, assigned, in_progress, in_review, completed, failed, "
                "cancelled, ready, blocked, open or any (did you mean in_progress?)."
            ),
        ),
        (
            "list_agents",
            {"roles": "tester"},
            (
                "`roles` is unknown (did you mean role?). Its arguments: system?, status?, "
                "capability?, role?, parent?, limit?, cursor?."
            ),
        ),
        ("get_task", {}, "`task` is missing. Its arguments: task."),
        (
            "get_task",
            {"pull_request": "a/b#1"},
            (
                "`task` is missing; `pull_request` is unknown (did you mean task?). "
                "Its arguments: task."
            ),
        ),
        (
            "github_comment_issue",
            {"issue": "a/b#1", "text": "Hello"},
            (
                "`text` is unknown (did you mean body?). Its arguments: issue, body?, action?, "
                "comment_id?, reaction?, reason?, fence?, "
                "attachments?, key?."
            ),
        ),
        ("update_agent", {"capabilities": ["Python 3"]}, f"`capabilities.0` {CAPABILITY}."),
        ("update_agent", {"capabilities": ["python:9"]}, f"`capabilities.0` {CAPABILITY}."),
        (
            "update_agent",
            {"capabilities": ["python:1", "python:2"]},
            (
                "`capabilities` is wrong: python:1, python:2 have different levels for one "
                "capability; pass one of them."
            ),
        ),
        ("update_agent", {"health": 1}, "`health` must be an object."),
        (
            "update_agent",
            {"health": {"latency": 1}},
            (
                "`health.latency` is unknown (did you mean latency_ms?); health has "
                "latency_ms?, error_rate?, cpu_percent?, memory_mb?."
            ),
        ),
        ("send_message", {"to": "@", "body": "Hello"}, f"`to` {TO}."),
        ("send_message", {"to": "ada,scout", "body": "Hello"}, f"`to` {TO}."),
        ("send_message", {"to": "role:boss", "body": "Hello"}, f"`to` {TO}."),
        ("get_agent", {"agent_id": "Ada"}, f"`agent_id` {AGENT}."),
        (
            "claim_task",
            {"task": "a/b#1", "paths": "src"},
            '`paths` must be a list, for example ["src"].',
        ),
        ("mark_message_read", {"message_id": [7]}, "`message_id.0` must be a string."),
        ("list_agents", {"limit": 1000}, "`limit` must be at most 100."),
        ("get_messages", {"wait_s": 99}, "`wait_s` must be at most 50."),
        (
            "list_agents",
            {"limit": 0, "status": "away"},
            "`status` must be active, idle, inactive, paused or left; `limit` must be at least 1.",
        ),
        (
            "github_create_pr",
            {"title": "Count down", "head": "a b", "repository": "a/b"},
            (
                "`head` must be a name that git takes for a branch: no space, and none of ~^:?*[\\ "
                "in it."
            ),
        ),
        (
            "github_report_check",
            {"repository": "a/b", "sha": "HEAD", "name": "build"},
            "`sha` must be a commit's whole SHA, of 40 or 64 digits in lower case.",
        ),
        ("list_agents", [], "the arguments must be an object."),
    ],
)
def test_what_does_not_fit_is_said_in_words(operation: str, given: Any, said: str) -> None:
    assert refusal(OPERATIONS[operation], given).message == f"{operation}: {said}"


def test_each_that_does_not_fit_is_in_the_details() -> None:
    found = refusal(OPERATIONS["list_agents"], {"limit": 0, "bogus": 1})
    assert found.details["errors"] == [
        {"argument": "limit", "problem": "must be at least 1"},
        {"argument": "bogus", "problem": "is unknown"},
    ]


def test_the_documented_refusal_is_the_one_that_is_given() -> None:
    page = (Path(__file__).parents[2] / "docs/reference/errors.md").read_text()
    samples = map(json.loads, re.findall(r"^```json\n(.+?)^```", page, re.MULTILINE | re.DOTALL))
    [sample] = [each for each in samples if each["error"]["code"] == "invalid_arguments"]
    assert refusal(OPERATIONS["list_agents"], {"limit": 1000, "roles": 1}).body() == sample


def refusals(operation: Operation) -> Iterator[tuple[str, str]]:
    """What it says of wrong values for each argument of it, by argument."""
    for name in [*operation.arguments.model_fields, "bogus"]:
        for value in WRONG:
            try:
                operation.parse({name: value})
            except Refused as exc:
                yield from ((name, each["problem"]) for each in exc.details["errors"])


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_no_argument_is_refused_in_the_words_of_the_library(operation: Operation) -> None:
    found = list(refusals(operation))
    assert {"bogus", *operation.arguments.model_fields} <= {name for name, _ in found}
    assert [each for each in found if INTERNAL.search(each[1])] == []
    assert [each for each in found if len(each[1]) > 300] == []


@pytest.mark.parametrize(
    "read", [pagination.decode, partial(event_stream.parse_cursor, 42)], ids=["page", "events"]
)
@pytest.mark.parametrize("cursor", ["nonsens", "_w"])
def test_a_cursor_that_none_gave_is_refused_whatever_its_name_in_the_answer(
    read: Callable[[str], object], cursor: str
) -> None:
    with pytest.raises(Refused) as caught:
        read(cursor)
    assert caught.value.message == (
        "`cursor` is wrong. Pass one from an answer of this operation, unchanged, or leave it out."
    )
