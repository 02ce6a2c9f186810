"""Places the nodes of a graph in columns, so that each stands right of all that it waits for.

Pure functions over numbers: the view gives them the issues, the template draws what they return.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

# From the node that is awaited to the one that waits.
Edge: TypeAlias = tuple[int, int]
Point: TypeAlias = tuple[int, int]

WIDTH, HEIGHT = 232, 52
GAP_X, GAP_Y = 72, 14
MARGIN = 8
# Of all lines of a graph. The lines beyond are drawn straight.
MOST_BENDS = 2000
# How often the order within the columns is improved.
SWEEPS = 4


@dataclass(frozen=True)
class Drawing:
    """A connected part of the graph: the place of each node, and its size in pixels.

    `bends`: the points between two columns or more that the line of an edge goes through, so that
    it passes beside the nodes in between.
    """

    places: Mapping[int, Point]
    bends: Mapping[Edge, Sequence[Point]]
    width: int
    height: int

    def curve(self, edge: Edge) -> str:
        """The path of SVG from the right of the awaited node to the left of the waiting one."""
        (x1, y1), (x2, y2) = self.places[edge[0]], self.places[edge[1]]
        at = x1 + WIDTH, y1 + HEIGHT // 2
        path = f"M{at[0]} {at[1]}"
        for x, y in self.bends.get(edge, ()):
            path += f"{_bend(at, (x, y))} H{x + WIDTH}"
            at = x + WIDTH, y
        return path + _bend(at, (x2, y2 + HEIGHT // 2))


def _bend(start: Point, end: Point) -> str:
    half = max(GAP_X // 2, abs(end[0] - start[0]) // 2)
    return f" C{start[0] + half} {start[1]} {end[0] - half} {end[1]} {end[0]} {end[1]}"


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
            # Two issues that wait for each other are neighbours twice.
            around = dict.fromkeys(each for each in near.get(node, ()) if each in left)
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
    columns, bends = _with_bends(_columns(nodes, forward), forward)
    heights = [sum(_height(each) + GAP_Y for each in column) - GAP_Y for column in columns]
    tops = _tops(columns, heights)
    places = {
        node: (MARGIN + x * (WIDTH + GAP_X), MARGIN + tops[node])
        for x, column in enumerate(columns)
        for node in column
    }
    return Drawing(
        places={node: places[node] for node in nodes},
        bends={edge: [places[each] for each in some] for edge, some in bends.items()},
        width=len(columns) * (WIDTH + GAP_X) - GAP_X + 2 * MARGIN,
        height=max(heights) + 2 * MARGIN,
    )


def _height(node: int) -> int:
    """Bends have negative numbers, and no height."""
    return HEIGHT if node >= 0 else 0


def _tops(columns: Sequence[Sequence[int]], heights: Sequence[int]) -> dict[int, int]:
    """Columns are centred, so that short ones stand beside the middle of tall ones."""
    found: dict[int, int] = {}
    for column, height in zip(columns, heights, strict=True):
        y = (max(heights) - height) // 2
        for node in column:
            found[node] = y
            y += _height(node) + GAP_Y
    return found


def _with_bends(
    columns: list[list[int]], edges: Sequence[Edge]
) -> tuple[list[list[int]], dict[Edge, list[int]]]:
    """The ordered columns, with a bend in each column that an edge crosses."""
    column_of = {node: x for x, column in enumerate(columns) for node in column}
    bends, steps, number = dict[Edge, list[int]](), list[Edge](), 0
    for edge in edges:
        way = [edge[0]]
        crossed = range(column_of[edge[0]] + 1, column_of[edge[1]])
        for x in crossed if len(crossed) - number <= MOST_BENDS else ():
            number -= 1
            columns[x].append(number)
            way.append(number)
        bends[edge] = way[1:]
        steps += pairwise([*way, edge[1]])
    return _sort_columns(columns, steps), bends


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


def _sort_columns(columns: list[list[int]], edges: Sequence[Edge]) -> list[list[int]]:
    """Put each node near those that it is connected with, so that fewer lines cross."""
    near, place = _neighbours(edges), dict[int, float]()
    for column in columns:
        place |= _even_places(column)
    for _ in range(SWEEPS):
        for column in (*columns, *reversed(columns)):
            column.sort(key=lambda node: (_middle(near.get(node, ()), place, place[node]), node))
            place |= _even_places(column)
    return columns


def _even_places(column: Sequence[int]) -> dict[int, float]:
    """From the top, 0, to the bottom, 1."""
    return {node: (n + 0.5) / len(column) for n, node in enumerate(column)}


def _middle(around: Sequence[int], place: Mapping[int, float], own: float) -> float:
    found = [place[each] for each in around]
    return sum(found) / len(found) if found else own
