"""What each button of the builder does: edits of the text, and which step is chosen then."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.errors import Refused
from bot.operations.workflows.drafts import DraftView
from bot.workflows.editing import edited_values
from bot.workflows.editing.draft import DraftStep
from webhooks.page import builder_places, step_fields
from webhooks.page.step_fields import FILE_FIELDS, STEP_FIELDS, Edits

BODY = "Say here what is to be done.\n"
# Buttons that edit the chosen step, and none without one.
OF_STEP = ("remove", "connect", "disconnect", "remove-argument", "add-argument")


@dataclass(frozen=True)
class Pressed:
    """`text`: the whole text is replaced by this one."""

    edits: Edits = field(default_factory=list)
    selected: int | None = None
    text: str | None = None


def chosen_place(sent: Mapping[str, str], draft: DraftView) -> int | None:
    """The place of the chosen step in the text that was sent; None if no step is chosen.

    Raise Refused if the button edits the chosen step, and that is gone.
    """
    place = read_number(sent.get("selected", ""))
    if place is None or not draft.readable:
        return None
    try:
        return _place(str(place), sent, draft)
    except Refused:
        if sent.get("do", "").partition(":")[0] in (*OF_STEP, "apply", "add-undo"):
            raise
        return None


def press(sent: Mapping[str, str], draft: DraftView, selected: int | None) -> Pressed:
    """`selected` is a place in the text that was sent.

    Raise Refused for a button that needs what is not there.
    """
    button, _, about = sent.get("do", "").partition(":")
    chosen = draft.steps[selected] if selected is not None and selected < len(draft.steps) else None
    if button == "select":
        found = Pressed(selected=_place(about, sent, draft) if about else None)
    elif button == "undo":
        found = Pressed(text=sent.get("previous") or draft.text)
    elif button in ("add-step", "add-gate", "add-tool", "add-undo"):
        found = _add(button, draft, chosen)
    elif button == "connect-steps":
        found = _connect_steps(about, sent, draft, selected)
    elif chosen is not None:
        found = _of_step(button, about, sent, chosen)
    elif button in OF_STEP and draft.readable:
        raise Refused("bad_request", "Choose a step first. Nothing was changed.")
    elif button in ("add-input", "remove-input", "apply"):
        found = Pressed(_edits_of_file(button, about, sent, draft))
    else:
        found = Pressed()
    return found


def _of_step(button: str, about: str, sent: Mapping[str, str], chosen: DraftStep) -> Pressed:
    at = {"step": chosen.place}
    if button == "remove":
        return Pressed([{"do": "remove_step", **at}])
    if button == "connect" and sent.get("need"):
        return Pressed([{"do": "add_need", **at, "need": sent["need"]}], chosen.place)
    if button == "disconnect":
        return Pressed([{"do": "remove_need", **at, "need": about}], chosen.place)
    edits: Edits = []
    if button == "apply":
        edits = _edits_of_step(sent, chosen)
    elif button == "remove-argument":
        edits = [{"do": "set_argument", **at, "argument": about, "value": None}]
    elif button == "add-argument" and (name := sent.get("new-argument", "").strip()):
        value = step_fields.argument_value(sent.get("new-value", "")) or "a value"
        edits = [{"do": "set_argument", **at, "argument": name, "value": value}]
    return Pressed(edits, chosen.place)


def _add(button: str, draft: DraftView, chosen: DraftStep | None) -> Pressed:
    """A new step, which waits for the chosen one; or a gate, a tool, or one that undoes it."""
    kind = button.removeprefix("add-")
    name = _free_id(kind, {each.id for each in draft.steps})
    step: dict[str, object] = {"id": name, "title": "New step", "body": BODY}
    if button == "add-gate":
        step = {"id": name, "title": "Approve", "approve": "maintainers"}
    if button == "add-tool":
        step = {"id": name, "title": "Call a tool", "tool": "server__tool"}
    if chosen and chosen.id and button != "add-undo":
        step["needs"] = [chosen.id]
    edits: Edits = [{"do": "add_step", "step": step}]
    if button == "add-undo":
        if chosen is None:
            raise Refused(
                "invalid_arguments", "Choose the step that it undoes first. Nothing was changed."
            )
        step["title"] = f"Undo {chosen.id}"
        value = {"compensate": name}
        edits.append({"do": "set_key", "step": chosen.place, "key": "on_failure", "value": value})
    return Pressed(edits, len(draft.steps))


def _free_id(kind: str, taken: set[str]) -> str:
    numbers = (f"{kind}-{n}" for n in range(1, len(taken) + 2))
    return next(each for each in numbers if each not in taken)


def _connect_steps(
    about: str, sent: Mapping[str, str], draft: DraftView, selected: int | None
) -> Pressed:
    """By dragging: the numbers of the step that must end first, and of the one that waits."""
    first, _, then = about.partition(":")
    before, after = _place(first, sent, draft), _place(then, sent, draft)
    need = draft.steps[before].id
    return Pressed([{"do": "add_need", "step": after, "need": need}], selected)


def _place(text: str, sent: Mapping[str, str], draft: DraftView) -> int:
    place = read_number(text)
    if place is not None:
        drawn = builder_places.read_ids(sent.get("drawn", ""))
        place = builder_places.place_now(place, drawn, builder_places.ids_of(draft))
    if place is None or place >= len(draft.steps):
        raise Refused("bad_request", "There is no such step. Nothing was changed.")
    return place


def read_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None


def _edits_of_step(sent: Mapping[str, str], step: DraftStep) -> Edits:
    at = {"step": step.place}
    fields = [*STEP_FIELDS, step_fields.TOOL_FIELD]
    changed = step_fields.changes_of(fields, step.values, sent, "key.")
    if "gate.by" in sent and _gate_is_new(sent, step):
        changed["approve"] = step_fields.gate_value(sent)
    failure = sent.get("key.on_failure")
    old = step_fields.failure_text(step.values.get("on_failure"))
    if failure is not None and failure != old:
        changed["on_failure"] = step_fields.failure_value(failure)
    edits: Edits = [
        {"do": "set_key", **at, "key": key, "value": value} for key, value in changed.items()
    ]
    edits += _edits_of_arguments(sent, step)
    if (name := sent.get("key.id", "").strip()) and name != step.id:
        edits.append({"do": "rename_step", **at, "to": name})
    return edits


def _edits_of_arguments(sent: Mapping[str, str], step: DraftStep) -> Edits:
    """Each argument on its own, so that the lines of the others stay."""
    return [
        {
            "do": "set_argument",
            "step": step.place,
            "argument": name,
            "value": step_fields.argument_value(text),
        }
        for name, value in edited_values.arguments_of(step.values).items()
        if (text := sent.get(f"argument.{name}")) is not None
        and text.strip() != step_fields.argument_text(value)
    ]


def _gate_is_new(sent: Mapping[str, str], step: DraftStep) -> bool:
    shown = step_fields.gate_text(step.values.get("approve"))
    return any(sent.get(f"gate.{key}", "").strip() != each for key, each in shown.items())


def _edits_of_file(button: str, about: str, sent: Mapping[str, str], draft: DraftView) -> Edits:
    found = draft.top.get("inputs")
    inputs = found if isinstance(found, dict) else {}
    name = sent.get("new-input", "").strip()
    if button == "add-input":
        return [{"do": "set_input", "input": name, "value": {"required": True}}] if name else []
    if button == "remove-input":
        return [{"do": "set_input", "input": about, "value": None}]
    changed = step_fields.changes_of(FILE_FIELDS, draft.top, sent, "top.")
    edits: Edits = [{"do": "set_top", "key": key, "value": each} for key, each in changed.items()]
    for each, old in inputs.items():
        new = step_fields.input_value(sent, each, old)
        if new != old:
            edits.append({"do": "set_input", "input": each, "value": new})
        to = sent.get(f"input.{each}.name", "").strip()
        if to and to != each:
            edits.append({"do": "rename_input", "input": each, "to": to})
    return edits
