"""What a step of a composed tool gave, as the steps after it get it."""

import json
from typing import Any

from bot.kernel.argument_errors import wrong_value
from bot.kernel.sentences import shorten
from bot.mounts.compositions.engine import Outcome
from bot.mounts.tool_calls import Answered
from bot.mounts.tool_results import is_shallow

LONGEST_WHY = 400


def failure(why: str) -> Outcome:
    return Outcome("failed", why=shorten(" ".join(why.split()), LONGEST_WHY).rstrip("."))


def result_of(answered: Answered) -> Outcome:
    """The structured result, or else the text."""
    shown = answered.shown
    if answered.is_error:
        said = shown.text or json.dumps(shown.structured, ensure_ascii=False)
        return failure(f"{answered.tool.name} says that it failed: {said}")
    return Outcome("ok", value_of(shown.text) if shown.structured is None else shown.structured)


def value_of(text: str) -> Any:
    """Many servers send JSON only as a text, and then its parts can be used as well."""
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if is_shallow(found) and wrong_value(found) is None else text
