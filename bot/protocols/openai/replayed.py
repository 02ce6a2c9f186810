"""The messages of a run in a form that every endpoint takes back.

What a model wrote wrong comes back to the endpoint with each later request. Many refuse it then,
and the run could never go on.
"""

import re
from typing import Any

import orjson

UNFIT = re.compile(r"[^A-Za-z0-9_-]+")
LONGEST_NAME = 64
NOTHING = "(no text)"
Message = dict[str, Any]


def replayable(messages: list[Message]) -> list[Message]:
    made: list[Message] = []
    seen: set[str] = set()
    ids: list[tuple[str, str]] = []
    for each in messages:
        last = made[-1] if made else {"role": ""}
        if each["role"] == "user" and last["role"] in ("tool", "user"):
            # Models of Mistral take no user after a tool.
            made[-1] = last | {"content": f"{last['content']}\n\n{each['content']}"}
        elif each["role"] == "tool":
            made.append(each | {"tool_call_id": _new_id(each["tool_call_id"], ids)})
        elif each["role"] == "assistant":
            calls = each.get("tool_calls", [])
            ids = [(call["id"], _unique(call["id"], seen)) for call in calls]
            made.append(_assistant(each, [new for _, new in ids]))
        else:
            made.append(each)
    return made


def _new_id(old: str, ids: list[tuple[str, str]]) -> str:
    return next((new for given, new in ids if given == old), old)


def _unique(call_id: str, seen: set[str]) -> str:
    """Some servers count their ids from 0 in each turn, and others refuse the same id twice."""
    found, n = call_id, 1
    while found in seen:
        found, n = f"{call_id}_{n}", n + 1
    seen.add(found)
    return found


def _assistant(message: Message, ids: list[str]) -> Message:
    if not ids:
        return message if message["content"].strip() else message | {"content": NOTHING}
    calls = [
        call | {"id": call_id, "function": _function(call["function"])}
        for call, call_id in zip(message["tool_calls"], ids, strict=True)
    ]
    return message | {"tool_calls": calls}


def _function(given: dict[str, str]) -> dict[str, str]:
    """Its result says what was wrong, so that the model knows it."""
    name = UNFIT.sub("_", given["name"])[:LONGEST_NAME] or "unknown"
    return {"name": name, "arguments": given["arguments"] if _is_object(given) else "{}"}


def _is_object(given: dict[str, str]) -> bool:
    try:
        return isinstance(orjson.loads(given["arguments"]), dict)
    except ValueError:
        return False
