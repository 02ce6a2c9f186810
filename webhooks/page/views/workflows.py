"""Workflows: what can be started, what runs, and one of them as a picture and a list."""

from collections.abc import Sequence
from typing import Any

from bot.errors import Refused
from bot.operations.workflows.views import StepView, WorkflowView
from bot.workflows.plans import plan_steps
from webhooks.page import filters, graph_layout, workflow_drawing
from webhooks.page.visit import Visit
from webhooks.page.workflow_drawing import LineKind, Node, Picture

ON_A_PAGE = 50
# Steps whose messages the page shows: those on which somebody works.
MOST_TALKING = 10
AT_WORK = ("in_progress", "in_review")
# Who may not read these sees the page without them.
HIDDEN = ("forbidden",)


async def workflows(visit: Visit) -> dict[str, Any]:
    wanted = {"repository": visit.value("repository")}
    cursor = visit.value("cursor")
    return {
        "wanted": wanted,
        "files": await visit.call("list_workflows", state="startable", limit=100, **wanted),
        "running": await visit.call("list_workflows", state="running", limit=ON_A_PAGE, **wanted),
        "ended": await visit.call(
            "list_workflows", state="ended", limit=ON_A_PAGE, cursor=cursor, **wanted
        ),
        "may_start": visit.may("start_workflow"),
    }


async def workflow(visit: Visit) -> dict[str, Any]:
    found: WorkflowView = (
        await visit.call("get_workflow", workflow=visit.part("workflow"))
    ).workflow
    return {
        "title": f"{found.name}: {found.task}",
        "found": found,
        "picture": _picture(visit, found.steps),
        "width": graph_layout.WIDTH,
        "height": graph_layout.HEIGHT,
        "messages": await _messages(visit, found.steps),
        "may_change": visit.may("cancel_workflow"),
        # A plan has no file.
        "is_plan": found.name == plan_steps.NAME,
    }


def _picture(visit: Visit, steps: Sequence[StepView]) -> Picture:
    places = {each.step: n for n, each in enumerate(steps)}
    edges: dict[graph_layout.Edge, LineKind] = {
        (places[need], n): "need"
        for n, each in enumerate(steps)
        for need in each.needs
        if need in places
    }
    return workflow_drawing.draw([_node(visit, n, each) for n, each in enumerate(steps)], edges)


def _node(visit: Visit, place: int, step: StepView) -> Node:
    word = filters.state_word(step.state)
    return Node(
        place=place,
        name=step.step,
        title=step.title,
        word=", ".join(each for each in (word, step.tool or step.holder) if each),
        state=step.state,
        kind="gate" if step.state == "awaiting_approval" else "tool" if step.tool else "step",
        link=visit.task_link(step.task),
        has_problem=step.state == "failed",
    )


async def _messages(visit: Visit, steps: Sequence[StepView]) -> list[tuple[StepView, Any]]:
    """What the agents write to each other about the steps on which they work."""
    talking = [each for each in steps if each.state in AT_WORK][:MOST_TALKING]
    found = [
        (each, await _if_allowed(visit, "get_task_messages", task=each.task)) for each in talking
    ]
    return [(each, some) for each, some in found if some and some.messages]


async def _if_allowed(visit: Visit, operation: str, **given: str) -> Any | None:
    try:
        return await visit.call(operation, **given)
    except Refused as exc:
        if exc.code not in HIDDEN:
            raise
        return None
