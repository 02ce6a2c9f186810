"""Edits the text of a workflow definition: only the lines of the edit change.

Comments, order, quotes and layout of everything else stay. Each edit is done twice: on the text
by the positions of its nodes, and on its values. If the new text does not have the new values,
nothing is changed.
"""

from bot.kernel.yaml_file import Unreadable
from bot.workflows.editing import draft_file, edited_values, input_text, step_text
from bot.workflows.editing.edited_values import CannotEdit, Values
from bot.workflows.editing.edits import (
    AddNeed,
    AddStep,
    AnyEdit,
    RemoveNeed,
    RemoveStep,
    RenameInput,
    RenameStep,
    SetArgument,
    SetInput,
    SetKey,
    SetTop,
)
from bot.workflows.editing.key_text import TOP, with_key
from bot.workflows.editing.yaml_nodes import NotEditable


def edit(text: str, change: AnyEdit) -> str:
    """The text after an edit. Raise CannotEdit, or Unreadable for a text that is no YAML."""
    values = draft_file.read(text)
    change = _with_line_break(values, change)
    wanted = edited_values.apply(values, change)
    try:
        changed = _lines_as(_new_text(text, values, change, wanted), text)
    except NotEditable as exc:
        raise _not_editable(change) from exc
    if _read_again(changed) != wanted:
        raise _not_editable(change)
    return changed


def _read_again(changed: str) -> Values:
    """A new value may be one that no file can hold."""
    try:
        return draft_file.read(changed)
    except Unreadable as exc:
        raise CannotEdit(f"The file could not be read after this edit: {exc.problems[0]}.") from exc


def _not_editable(change: AnyEdit) -> CannotEdit:
    name = change.do.replace("_", " ")
    return CannotEdit(
        f"The layout of the file at this place is too unusual for “{name}”. Edit the YAML itself."
    )


def _lines_as(changed: str, text: str) -> str:
    """Files with the line breaks of Windows keep them."""
    if "\r\n" not in text:
        return changed
    return changed.replace("\r\n", "\n").replace("\n", "\r\n")


def _with_line_break(values: Values, change: AnyEdit) -> AnyEdit:
    """Texts of several lines end with a break, as people write them in YAML."""
    if not isinstance(change, SetKey) or not isinstance(change.value, str):
        return change
    old = edited_values.steps_of(values)[edited_values.place_of(values, change.step)].get(
        change.key
    )
    text = change.value.rstrip("\n")
    if text and ("\n" in text or (isinstance(old, str) and old.endswith("\n"))):
        return change.model_copy(update={"value": f"{text}\n"})
    return change


def _new_text(text: str, values: Values, change: AnyEdit, wanted: Values) -> str:
    match change:
        case AddStep():
            new = step_text.with_step(text, values, change)
        case RemoveStep():
            new = step_text.without_step(text, values, change)
        case RenameStep():
            new = step_text.with_renamed_step(text, values, change)
        case SetKey():
            new = step_text.with_step_key(text, values, change)
        case SetArgument():
            new = step_text.with_argument(text, values, change)
        case AddNeed() | RemoveNeed():
            new = step_text.with_needs(text, values, wanted, change)
        case SetTop():
            new = with_key(text, values, (), change.key, change.value, TOP)
        case SetInput():
            new = input_text.with_input(text, values, wanted, change)
        case RenameInput():
            new = input_text.with_renamed_input(text, values, change)
    return new
