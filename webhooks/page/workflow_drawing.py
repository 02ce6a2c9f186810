"""The picture of a workflow: its steps from left to right, in a file or while it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from webhooks.page import graph_layout
from webhooks.page.graph_layout import Edge

# Characters of a title, and of an id, that fit into a node.
TITLE, NAME = 30, 18
# Characters of the first line, and of the word in it at least.
ROOM, WORD = 30, 12
LineKind: TypeAlias = Literal["need", "compensation"]


@dataclass(frozen=True)
class Node:
    """`word`: what stands beside the name; `state`: the class that colours it."""

    place: int
    name: str
    title: str
    word: str
    state: str
    kind: str = "step"
    link: str = ""
    has_problem: bool = False

    @property
    def short_name(self) -> str:
        return _short(self.name, NAME)

    @property
    def short_word(self) -> str:
        """The beginning of the word, which is the state, as far as it fits beside the name."""
        return _short(self.word, max(WORD, ROOM - len(self.short_name)))

    @property
    def short_title(self) -> str:
        return _short(self.title, TITLE)


@dataclass(frozen=True)
class Line:
    """From the step that must end first to the one that waits for it."""

    before: int
    after: int
    kind: LineKind
    path: str


@dataclass(frozen=True)
class Picture:
    width: int
    height: int
    nodes: Sequence[tuple[Node, int, int]]
    lines: Sequence[Line] = field(default_factory=list)


def draw(nodes: Sequence[Node], edges: Mapping[Edge, LineKind]) -> Picture:
    """Place the nodes so that each stands to the right of all that it waits for."""
    if not nodes:
        return Picture(0, 0, [])
    found = graph_layout.draw([each.place for each in nodes], list(edges))
    return Picture(
        width=found.width,
        height=found.height,
        nodes=[(each, *found.places[each.place]) for each in nodes],
        lines=[Line(*edge, kind, found.curve(edge)) for edge, kind in edges.items()],
    )


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
