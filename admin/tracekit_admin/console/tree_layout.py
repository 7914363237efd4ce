"""The graph of a trace laid out as a tree: each node a row, moved to the right by its depth."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from tracekit.store.tree_records import Graph, GraphNode

__all__ = ["Drawn", "Placed", "laid_out"]

_ROW, _INDENT, _WIDTH = 44, 40, 300


@dataclass(frozen=True, slots=True)
class Placed:
    """A node with the place of its upper left corner."""

    node: GraphNode
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """Nodes and the links between them, and how much room they take, in pixels."""

    nodes: list[Placed]
    paths: list[str]
    width: int
    height: int


def laid_out(graph: Graph) -> Drawn:
    """Place each node below its parent, and the children of one in order of their start."""
    children: dict[str, list[str]] = defaultdict(list)
    parents: dict[str, str] = {}
    for link in graph.links:
        if link.target not in parents:
            children[link.source].append(link.target)
            parents[link.target] = link.source
    nodes = {node.id: node for node in graph.nodes}
    order = _order(nodes, children, parents)
    placed = {name: Placed(nodes[name], depth * _INDENT, row * _ROW) for row, (name, depth) in enumerate(order)}
    paths = [
        f"M{placed[source].x + 14} {placed[source].y + 32}V{placed[target].y + 16}H{placed[target].x}"
        for target, source in parents.items()
        if source in placed and target in placed
    ]
    width = max((place.x for place in placed.values()), default=0) + _WIDTH
    return Drawn([*placed.values()], paths, width, len(order) * _ROW)


def _order(
    nodes: dict[str, GraphNode], children: dict[str, list[str]], parents: dict[str, str]
) -> list[tuple[str, int]]:
    """The names of the nodes from top to bottom, with their depth. What stands in a circle is put at the end."""
    order: list[tuple[str, int]] = []
    seen: set[str] = set()
    roots = [name for name in nodes if parents.get(name) not in nodes]
    for first in (*roots, *nodes):
        waiting = [(first, 0)]
        while waiting:
            name, depth = waiting.pop()
            if name in seen or name not in nodes:
                continue
            seen.add(name)
            order.append((name, depth))
            below = sorted(children[name], key=lambda child: -nodes[child].started_at if child in nodes else 0)
            waiting += [(child, depth + 1) for child in below]
    return order
