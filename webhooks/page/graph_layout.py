"""Places the nodes of a graph in columns, so that each stands right of all that it waits for.

Pure functions over numbers: the view gives them the issues, the template draws what they return.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

# From the node that is awaited to the one that waits.
Edge: TypeAlias = tuple[int, int]

WIDTH, HEIGHT = 232, 52
GAP_X, GAP_Y = 72, 14
MARGIN = 8
# How often the order within the columns is improved.
SWEEPS = 4


@dataclass(frozen=True)
class Drawing:
    """A connected part of the graph: the place of each node, and its size in pixels."""

    places: Mapping[int, tuple[int, int]]
    width: int
    height: int

    def curve(self, edge: Edge) -> str:
        """The path of SVG from the right of the awaited node to the left of the waiting one."""
        (x1, y1), (x2, y2) = self.places[edge[0]], self.places[edge[1]]
        start, end = (x1 + WIDTH, y1 + HEIGHT // 2), (x2, y2 + HEIGHT // 2)
        bend = max(GAP_X // 2, abs(end[0] - start[0]) // 2)
        return (
            f"M{start[0]} {start[1]} C{start[0] + bend} {start[1]} "
            f"{end[0] - bend} {end[1]} {end[0]} {end[1]}"
        )


def parts(nodes: Iterable[int], edges: Sequence[Edge]) -> list[list[int]]:
    """The connected parts of the graph, the largest first."""
    near = _neighbours(edges)
    left, found = dict.fromkeys(nodes), list[list[int]]()
    while left:
        part, new = list[int](), [next(iter(left))]
        del left[new[0]]
        while new:
            node = new.pop()
            part.append(node)
            around = [each for each in near.get(node, ()) if each in left]
            for each in around:
                del left[each]
            new += around
        found.append(sorted(part))
    return sorted(found, key=lambda part: (-len(part), part))


def _neighbours(edges: Iterable[Edge]) -> dict[int, list[int]]:
    near: dict[int, list[int]] = {}
    for a, b in edges:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    return near


def draw(nodes: Sequence[int], edges: Sequence[Edge]) -> Drawing:
    """The places of the nodes of one connected part. Edges that close a circle do not count."""
    forward = without_circles(nodes, edges)
    columns = _ordered(_columns(nodes, forward), forward)
    tallest = max(len(column) for column in columns)
    height = tallest * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    places = {
        node: (MARGIN + x * (WIDTH + GAP_X), _top(n, len(column), height))
        for x, column in enumerate(columns)
        for n, node in enumerate(column)
    }
    width = len(columns) * (WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    return Drawing(places, width, height)


def _top(n: int, of: int, height: int) -> int:
    """Columns are centred, so that short ones stand beside the middle of tall ones."""
    used = of * (HEIGHT + GAP_Y) - GAP_Y
    return (height - used) // 2 + n * (HEIGHT + GAP_Y)


def without_circles(nodes: Sequence[int], edges: Sequence[Edge]) -> list[Edge]:
    """All edges but those that lead back to a node on the way.

    A depth-first search without recursion, so that a long chain is no problem.
    """
    ahead: dict[int, list[int]] = {}
    for a, b in sorted(set(edges)):
        ahead.setdefault(a, []).append(b)
    kept, done, on_way = list[Edge](), set[int](), set[int]()
    for root in nodes:
        way = [] if root in done else [(root, iter(ahead.get(root, ())))]
        on_way.update(node for node, _ in way)
        while way:
            node, rest = way[-1]
            following = next(rest, None)
            if following is None:
                way.pop()
                on_way.discard(node)
                done.add(node)
            elif following not in on_way and following != node:
                kept.append((node, following))
                if following not in done:
                    on_way.add(following)
                    way.append((following, iter(ahead.get(following, ()))))
    return kept


def _columns(nodes: Sequence[int], edges: Sequence[Edge]) -> list[list[int]]:
    """Each node one column right of the last one that it waits for."""
    waits_for = dict.fromkeys(nodes, 0)
    ahead: dict[int, list[int]] = {}
    for a, b in edges:
        waits_for[b] += 1
        ahead.setdefault(a, []).append(b)
    column = dict.fromkeys(nodes, 0)
    free = [node for node, n in waits_for.items() if n == 0]
    while free:
        node = free.pop()
        for each in ahead.get(node, ()):
            column[each] = max(column[each], column[node] + 1)
            waits_for[each] -= 1
            if waits_for[each] == 0:
                free.append(each)
    return [[node for node in nodes if column[node] == x] for x in range(max(column.values()) + 1)]


def _ordered(columns: list[list[int]], edges: Sequence[Edge]) -> list[list[int]]:
    """Put each node near those that it is connected with, so that fewer lines cross."""
    near = _neighbours(edges)
    for _ in range(SWEEPS):
        for column in (*columns, *reversed(columns)):
            place = {node: n / len(each) for each in columns for n, node in enumerate(each)}
            column.sort(key=lambda node: (_middle(near.get(node, ()), place, place[node]), node))
    return columns


def _middle(around: Sequence[int], place: Mapping[int, float], own: float) -> float:
    found = [place[each] for each in around]
    return sum(found) / len(found) if found else own
