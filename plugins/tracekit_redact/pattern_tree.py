"""The tree of a pattern: what it costs at worst, and where an unfinished match of it may begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Boundary", "Char", "Choice", "Node", "Repeat", "Row"]

Follow = frozenset[str] | None
"""Characters with which goes on what stands behind a node; None where nothing does, so that nothing can fail there."""


@dataclass(frozen=True)
class Char:
    """One character out of a set."""

    source: str
    first: frozenset[str] = field(compare=False)
    length = 1
    nullable = False
    varies = False

    def ways(self, _follow: Follow) -> int:
        """In how many ways this may match at one place before what follows has failed for good."""
        return 1

    def unfinished(self) -> str:
        """A pattern for what may become a match, up to the end of the text."""
        return r"\Z"


@dataclass(frozen=True)
class Boundary:
    """`\\b` or `\\B`."""

    source: str
    first: frozenset[str] = frozenset()
    length = 0
    nullable = True
    varies = False

    def ways(self, _follow: Follow) -> int:
        """As of `Char`."""
        return 1

    def unfinished(self) -> str:
        """As of `Char`."""
        return r"\Z"


@dataclass(frozen=True)
class Repeat:
    """Between `least` and `most` times the same. What is repeated does not vary itself, unless `most` is 1."""

    inner: Node
    least: int
    most: int

    @property
    def source(self) -> str:
        """The pattern as text."""
        return f"(?:{self.inner.source}){{{self.least},{self.most}}}"

    @property
    def length(self) -> int:
        """Characters of the longest match."""
        return self.inner.length * self.most

    @property
    def varies(self) -> bool:
        """Whether there is more than one way to match."""
        return self.most > self.least or self.inner.varies

    @property
    def nullable(self) -> bool:
        """Whether it matches the empty text."""
        return self.least == 0 or self.inner.nullable

    @property
    def first(self) -> frozenset[str]:
        """The characters with which a match may begin."""
        return self.inner.first

    def ways(self, follow: Follow) -> int:
        """As of `Char`. Where what follows begins otherwise, giving back a repetition cannot help."""
        inner = self.inner.ways(follow)
        return inner if follow is None or not self.first & follow else inner + self.most - self.least

    def unfinished(self) -> str:
        """As of `Char`."""
        return f"(?:{self.inner.source}){{0,{self.most - 1}}}(?:{self.inner.unfinished()})"


@dataclass(frozen=True)
class Row:
    """One after the other."""

    nodes: tuple[Node, ...]

    @property
    def source(self) -> str:
        """The pattern as text."""
        return "".join(node.source for node in self.nodes)

    @property
    def length(self) -> int:
        """Characters of the longest match."""
        return sum(node.length for node in self.nodes)

    @property
    def varies(self) -> bool:
        """Whether there is more than one way to match."""
        return any(node.varies for node in self.nodes)

    @property
    def nullable(self) -> bool:
        """Whether it matches the empty text."""
        return all(node.nullable for node in self.nodes)

    @property
    def first(self) -> frozenset[str]:
        """The characters with which a match may begin."""
        return _first_of(self.nodes)

    def ways(self, follow: Follow) -> int:
        """As of `Char`: the ways of all nodes multiplied."""
        ways = 1
        for node in reversed(self.nodes):
            ways *= node.ways(follow)
            if not node.nullable:
                follow = node.first
            elif follow is not None:
                follow |= node.first
        return ways

    def unfinished(self) -> str:
        """As of `Char`."""
        pattern = r"\Z"
        for node in reversed(self.nodes):
            pattern = f"(?:{node.unfinished()}|{node.source}{pattern})"
        return pattern


@dataclass(frozen=True)
class Choice:
    """Alternatives."""

    rows: tuple[Row, ...]

    @property
    def source(self) -> str:
        """The pattern as text."""
        return f"(?:{'|'.join(row.source for row in self.rows)})"

    @property
    def length(self) -> int:
        """Characters of the longest match."""
        return max(row.length for row in self.rows)

    @property
    def varies(self) -> bool:
        """Whether there is more than one way to match."""
        return len(self.rows) > 1 or self.rows[0].varies

    @property
    def nullable(self) -> bool:
        """Whether it matches the empty text."""
        return any(row.nullable for row in self.rows)

    @property
    def first(self) -> frozenset[str]:
        """The characters with which a match may begin."""
        return frozenset[str]().union(*(row.first for row in self.rows))

    def ways(self, follow: Follow) -> int:
        """As of `Char`: the ways of all alternatives added."""
        return sum(row.ways(follow) for row in self.rows)

    def unfinished(self) -> str:
        """As of `Char`."""
        return f"(?:{'|'.join(row.unfinished() for row in self.rows)})"


Node = Char | Boundary | Repeat | Choice


def _first_of(nodes: Sequence[Node]) -> frozenset[str]:
    """The characters with which a row of nodes may begin."""
    first: frozenset[str] = frozenset()
    for node in nodes:
        first |= node.first
        if not node.nullable:
            break
    return first
