"""Patterns that hosts add: a part of Python's regular expressions of which the worst cost can be told beforehand.

Characters, escapes such as `\\d`, sets, `.`, groups, alternatives and counted repetition, `(?i)` at the beginning.
What is refused may take more than linear time on a text made for it: repetition without an upper bound, repetition
of what varies itself, back-references, looking ahead and behind. Of an accepted pattern no place of a text costs more
than `_MOST_STEPS`, whatever the text.

From the same tree comes the pattern for unfinished matches: where in the last characters of a text may a match begin
that has not come to its end?
"""

from __future__ import annotations

import re

from tracekit.errors import ConfigurationError
from tracekit_redact.pattern_tree import Boundary, Char, Choice, Node, Repeat, Row

__all__ = ["HostPattern"]

# Characters compared at one place of a text, at worst.
_MOST_STEPS = 4_000
_LONGEST_MATCH = 2048
_DEEPEST = 16

_SET = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:[dDwWsSntrfv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[^A-Za-z0-9])")
_COUNT = re.compile(r"\{(?P<least>[0-9]{1,4})?(?P<comma>,)?(?P<most>[0-9]{1,4})?\}")
_SAMPLES = [chr(code) for code in range(256)] + ["Ā", "文", "\U0001f600"]


class HostPattern:
    """A pattern of the host's own: `regex` finds it, `unfinished` finds at the end of a text what may become it."""

    def __init__(self, name: str, source: str) -> None:
        """Read a pattern.

        Raises:
            ConfigurationError: it is malformed, or one that might take more than linear time.
        """
        self.name = name
        flags = re.IGNORECASE if source.startswith("(?i)") else re.NOFLAG
        parser = _Parser(name, source.removeprefix("(?i)"), flags)
        tree = parser.read()
        self.length = tree.length
        self.regex = re.compile(tree.source, flags)
        self.unfinished = re.compile(tree.unfinished(), flags)


class _Parser:
    """Reads a pattern into a tree."""

    def __init__(self, name: str, source: str, flags: re.RegexFlag) -> None:
        self._name, self._source, self._flags = name, source, flags
        self._at = 0

    def read(self) -> Choice:
        tree = self._choice(0)
        if self._at < len(self._source):
            raise self._refused("a `)` without its `(`")
        if tree.nullable:
            raise self._refused("it matches the empty text")
        if tree.length > _LONGEST_MATCH:
            raise self._refused(f"a match could be longer than {_LONGEST_MATCH} characters")
        if tree.ways(None) * tree.length > _MOST_STEPS:
            raise self._refused("its repetitions run into one another, which takes too long; narrow their counts")
        return tree

    def _refused(self, why: str) -> ConfigurationError:
        return ConfigurationError(f"redaction pattern {self._name!r} ({self._source}): {why}")

    def _choice(self, depth: int) -> Choice:
        if depth > _DEEPEST:
            raise self._refused("groups are nested too deeply")
        rows = [self._row(depth)]
        while self._take("|"):
            rows.append(self._row(depth))
        return Choice(tuple(rows))

    def _row(self, depth: int) -> Row:
        nodes: list[Node] = []
        while self._at < len(self._source) and self._source[self._at] not in "|)":
            nodes.append(self._repeated(self._atom(depth)))
        return Row(tuple(nodes))

    def _take(self, text: str) -> bool:
        found = self._source.startswith(text, self._at)
        self._at += len(text) if found else 0
        return found

    def _atom(self, depth: int) -> Node:
        if self._take("("):
            return self._group(depth)
        if self._take(r"\b"):
            return Boundary(r"\b")
        if self._take(r"\B"):
            return Boundary(r"\B")
        char = self._source[self._at]
        if char in "*+?{^$":
            raise self._refused(f"`{char}` at character {self._at + 1} is not understood there")
        pattern = {"[": _SET, "\\": _ESCAPE}.get(char)
        match = pattern.match(self._source, self._at) if pattern else None
        if pattern and match is None:
            raise self._refused(f"the escape or set at character {self._at + 1} is not understood")
        source = match.group() if match else char if char == "." else re.escape(char)
        self._at += len(match.group()) if match else 1
        return Char(source, self._chars(source))

    def _group(self, depth: int) -> Node:
        if self._source.startswith("?", self._at) and not self._take("?:"):
            raise self._refused("of groups that begin with `(?` only `(?:` is understood")
        inner = self._choice(depth + 1)
        if not self._take(")"):
            raise self._refused("a `(` without its `)`")
        return inner

    def _chars(self, source: str) -> frozenset[str]:
        try:
            matches = re.compile(source, self._flags | re.DOTALL).fullmatch
        except re.error as error:
            raise self._refused(str(error)) from None
        return frozenset(filter(matches, _SAMPLES))

    def _repeated(self, node: Node) -> Node:
        counts = self._counts()
        if counts is None:
            return node
        least, most = counts
        if least > most or most == 0:
            raise self._refused(f"{{{least},{most}}} is no count")
        if most > 1 and (node.varies or node.nullable):
            raise self._refused("what varies itself is repeated")
        if self._source[self._at : self._at + 1] in set("*+?{"):
            raise self._refused("a repetition is repeated")
        return Repeat(node, least, most)

    def _counts(self) -> tuple[int, int] | None:
        if self._take("?"):
            return 0, 1
        if self._take("*") or self._take("+"):
            raise self._refused("`*` and `+` have no upper bound; write {0,64} or {1,64}")
        match = _COUNT.match(self._source, self._at)
        if match is None or not (match["least"] or match["most"]):
            return None
        if match["comma"] and not match["most"]:
            raise self._refused("a repetition has no upper bound; write {4,64}")
        self._at = match.end()
        least, most = match["least"] or "0", match["most"] or match["least"]
        return int(least), int(most)
