"""Which step of the text a button means.

A button names a step by its place when the form was drawn. The text may have changed since: by
typing, or by an edit that was on its way when the button was pressed.
"""

import json
from collections.abc import Sequence

from bot.errors import Refused
from bot.operations.workflows.drafts import DraftView

Ids = list[str | None]


def ids_of(draft: DraftView) -> Ids:
    """The ids of the steps in their order, as the form keeps them; None for a step without one."""
    return [each.id or None for each in draft.steps]


def read_ids(sent: str) -> Ids | None:
    """The ids that a form was drawn with; None if it does not say them."""
    try:
        found = json.loads(sent)
    except ValueError:
        return None
    is_known = isinstance(found, list) and all(each is None or type(each) is str for each in found)
    return found if is_known else None


def place_now(place: int, drawn: Ids | None, now: Ids) -> int:
    """Raise Refused if the step is no longer in the text."""
    if drawn is None or drawn == now:
        return place
    name = drawn[place] if place < len(drawn) else None
    if name is not None and now.count(name) == 1:
        return now.index(name)
    # An edit that was on its way gave it another id.
    if _without(place, drawn) == _without(place, now):
        return place
    raise Refused(
        "bad_request",
        f"The step {name or place + 1} is no longer in the text, or not at its place. "
        "Nothing was changed. Look at the picture again.",
    )


def _without(place: int, ids: Sequence[str | None]) -> list[str | None]:
    return [*ids[:place], "", *ids[place + 1 :]]
