"""The builder: a workflow file as a picture, a form and a text, which say the same.

All is one form. Each of its buttons sends the text; the server edits it and draws it again. The
script sends the same form by itself, and puts the parts of the answer in their places.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from bot.errors import Refused
from bot.operations.workflows.drafts import DraftView
from bot.workflows.editing.draft import DraftStep
from webhooks.bodies import BODIES
from webhooks.page import (
    builder_buttons,
    builder_places,
    graph_layout,
    step_fields,
    workflow_drawing,
)
from webhooks.page.visit import Visit
from webhooks.page.workflow_drawing import LineKind, Node, Picture

# Bytes of a form: the text twice, for one that can be undone, with each character escaped.
LARGEST = 1024**2
# A form has some fields for each input of the workflow.
MOST_FIELDS = 200
# How long to wait for a file that must be read from GitHub.
WAIT_S = 10
KEPT = ("repository", "name", "base", "commit")
NEW = """\
# What this workflow is for.
description: A new workflow
inputs:
  feature: {description: What to build, required: true}
steps:
  - id: build
    title: Build ${{ inputs.feature }}
    body: |
      Say here what is to be done, and how one sees that it is done.
"""
KINDS = {"gate": "gate", "tool": "tool", "compensation": "after a failure", "step": ""}


async def builder(visit: Visit) -> dict[str, Any]:
    """The file that the address names, or a new one."""
    form = {each: visit.value(each) for each in KEPT}
    text, pending = NEW, ""
    if form["repository"] and form["name"]:
        file = await visit.call(
            "get_workflow_file", repository=form["repository"], name=form["name"], wait_s=WAIT_S
        )
        if file.pending:
            text, pending = "", f"{file.path}: {file.pending} Then load this page again."
        else:
            text = file.text or NEW
        form |= {"base": file.sha or "", "commit": file.commit or ""}
    found = await visit.call("edit_workflow", text=text)
    return _values(visit, form, found, None) | {"refusal": pending}


async def change(visit: Visit) -> dict[str, Any]:
    """What a button of the form does. A refusal stands on the page, which keeps the text."""
    sent = await _read(visit.request)
    form = {each: sent.get(each, "") for each in (*KEPT, "previous")}
    old: DraftView = await visit.call("edit_workflow", text=sent.get("text", ""))
    selected = None
    try:
        selected = builder_buttons.chosen_place(sent, old)
        pressed = builder_buttons.press(sent, old, selected)
    except Refused as exc:
        return _values(visit, form, old, selected) | {"refusal": exc.message}
    if pressed.text is not None:
        found = await visit.call("edit_workflow", text=pressed.text)
        return _values(visit, form | {"previous": ""}, found, None)
    if not pressed.edits:
        return _values(visit, form, old, pressed.selected)
    try:
        found = await visit.call("edit_workflow", text=old.text, edits=pressed.edits)
    except Refused as exc:
        return _values(visit, form, old, selected) | {"refusal": exc.message, "typed": sent}
    return _values(visit, form | {"previous": old.text}, found, pressed.selected)


async def _read(request: web.Request) -> dict[str, str]:
    body = await request.app[BODIES].read(request, LARGEST)
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError as exc:
        raise Refused("bad_request", "The form cannot be read. Send it again.") from exc
    # Browsers send line breaks as CRLF.
    return {name: text.replace("\r\n", "\n") for name, text in fields}


def _values(
    visit: Visit, form: Mapping[str, str], found: DraftView, selected: int | None
) -> dict[str, Any]:
    steps = found.steps
    chosen = steps[selected] if selected is not None and selected < len(steps) else None
    inputs = found.top.get("inputs")
    return {
        "title": f"Edit {form['name']}" if form["name"] else "New workflow",
        "form": {"previous": "", **form},
        "draft": found,
        "picture": _picture(found),
        "chosen": chosen,
        "fields": step_fields,
        "inputs": inputs if isinstance(inputs, dict) else {},
        "ids": [each.id for each in steps if each.id],
        "drawn": builder_places.ids_of(found),
        "problems_of": _problems_of(found),
        "kinds": KINDS,
        "width": graph_layout.WIDTH,
        "height": graph_layout.HEIGHT,
        "refusal": "",
        "typed": {},
        "may_save": visit.may("save_workflow"),
    }


def _problems_of(found: DraftView) -> dict[int, list[str]]:
    by_step: dict[int, list[str]] = {}
    for each in found.problems:
        if each.step is not None:
            by_step.setdefault(each.step, []).append(each.text)
    return by_step


def _picture(found: DraftView) -> Picture:
    places = {each.id: each.place for each in reversed(found.steps) if each.id}
    edges: dict[graph_layout.Edge, LineKind] = {}
    for step in found.steps:
        edges |= {(places[need], step.place): "need" for need in step.needs if need in places}
        if step.compensation in places:
            edges.setdefault((step.place, places[step.compensation]), "compensation")
    wrong = _problems_of(found)
    return workflow_drawing.draw(
        [_node(each, has_problem=each.place in wrong) for each in found.steps], edges
    )


def _node(step: DraftStep, *, has_problem: bool) -> Node:
    words = [KINDS[step.kind]]
    if tool := step.values.get("tool"):
        words = [*(each for each in words if each != "tool"), step_fields.text_of(tool)]
    if step.condition != "success":
        words.append(f"if {step.condition}")
    if step.each:
        words.append(f"each of {step.each}")
    return Node(
        place=step.place,
        name=step.id or f"step {step.place + 1}",
        title=step.title,
        word=", ".join(each for each in words if each),
        state=step.kind,
        kind=step.kind,
        has_problem=has_problem,
    )
