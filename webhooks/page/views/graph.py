"""How tasks depend on each other: a drawing with links, and the same as a nested list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.operations.tasks.task_graph import Link, Node
from webhooks.page import graph_layout
from webhooks.page.graph_layout import HEIGHT, WIDTH, Edge
from webhooks.page.visit import Visit

# Characters of a title that fit into a node.
TITLE = 30
# Levels of the nested list. Deeper ones are in the list of their own parent.
DEEPEST = 8


@dataclass(frozen=True)
class Item:
    """A line of the nested list, and the sub-issues below it."""

    node: Node
    blockers: list[Node]
    children: list["Item"]


async def graph(visit: Visit) -> dict[str, Any]:
    wanted = {name: visit.value(name) for name in ("task", "repository")}
    found = await visit.call("get_graph", **wanted)
    nodes = {each.key: each for each in found.nodes}
    edges = {_edge(each): each for each in found.links}
    parts = [
        _part(part, {e: link for e, link in edges.items() if e[0] in part}, nodes)
        for part in graph_layout.parts(nodes, list(edges))
    ]
    return {
        "found": found,
        "wanted": wanted,
        "parts_of_graph": parts,
        "width": WIDTH,
        "height": HEIGHT,
    }


def _edge(link: Link) -> Edge:
    """From what is awaited to what waits: a parent waits for its sub-issues."""
    ends = (link.target, link.source)
    return ends if link.kind == "blocked_by" else (link.source, link.target)


def _part(
    part: Sequence[int], edges: Mapping[Edge, Link], nodes: Mapping[int, Node]
) -> dict[str, Any]:
    drawing = graph_layout.draw(part, list(edges))
    return {
        "drawing": drawing,
        "nodes": [(nodes[key], *drawing.places[key], _title(nodes[key])) for key in part],
        "lines": [(link, drawing.curve(edge)) for edge, link in edges.items()],
        "items": _items(part, list(edges.values()), nodes),
    }


def _title(node: Node) -> str:
    return node.title if len(node.title) <= TITLE else f"{node.title[: TITLE - 1]}…"


def _items(part: Sequence[int], links: Sequence[Link], nodes: Mapping[int, Node]) -> list[Item]:
    """Issues without a parent, each with its sub-issues below it."""
    children: dict[int, list[int]] = {}
    blockers: dict[int, list[Node]] = {}
    for link in links:
        if link.kind == "parent":
            children.setdefault(link.target, []).append(link.source)
        else:
            blockers.setdefault(link.source, []).append(nodes[link.target])
    shown = set[int]()

    def item(key: int, level: int) -> Item:
        shown.add(key)
        below = [each for each in children.get(key, ()) if each not in shown and level < DEEPEST]
        return Item(nodes[key], blockers.get(key, []), [item(each, level + 1) for each in below])

    have_parents = {each for some in children.values() for each in some}
    roots = [item(key, 1) for key in part if key not in have_parents]
    # The rest is in a circle, or too deep.
    return roots + [item(key, 1) for key in part if key not in shown]
