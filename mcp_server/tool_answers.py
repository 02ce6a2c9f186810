"""What a tool answers: the text of its JSON, which is also the structure, and what is beside it."""

import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.dispatch.replies import Reply
from bot.errors import Refused, failure
from bot.kernel.operation import LONGEST_KEY

# In `_meta` of a call, for programs: what the argument `key` is for models.
KEY_META = "hubbub/key"


@dataclass(frozen=True)
class ToolAnswer:
    """`text` is JSON. Clients that do not read the structure read it as a text.

    `parts`: links, images and audio, in the form that MCP gives to content.
    """

    text: str
    is_error: bool = False
    parts: Sequence[dict[str, Any]] = ()


async def answer(tool: str, reply: Awaitable[Reply]) -> ToolAnswer:
    """The answer to a model. A refusal is an answer too, and so is a bug, which is logged."""
    try:
        found = await reply
        return ToolAnswer(found.lean_json(), parts=found.content_parts())
    except Refused as exc:
        return refusal(exc)
    except Exception as exc:  # noqa: BLE001 - every bug is logged and answered
        return refusal(failure(exc, tool=tool))


def refusal(exc: Refused) -> ToolAnswer:
    text = json.dumps(exc.body(), ensure_ascii=False, separators=(",", ":"))
    return ToolAnswer(text, is_error=True)


def key(meta: Mapping[str, Any] | None) -> str | None:
    """The idempotency key of the program that calls. Raise Refused."""
    found = (meta or {}).get(KEY_META)
    if found is None or (isinstance(found, str) and 0 < len(found) <= LONGEST_KEY):
        return found
    raise Refused(
        "invalid_arguments",
        f"`{KEY_META}` in `_meta` must be a text of 1 to {LONGEST_KEY} characters.",
    )
