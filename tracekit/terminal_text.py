"""Recorded text made safe and plain to read in a terminal or a text file.

Whoever wrote a recorded text may have meant it to fool its reader: an escape sequence that clears the screen or sets
the clipboard, a right-to-left override that turns a file name round, a line end that starts a line of its own. Every
character that can do more than stand in its cell is shown as an escape, `\\x1b` or `\\u202e`. A backslash that was
recorded stays as it is, so that JSON stays readable; exact bytes are what the JSONL export is for.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

__all__ = ["CUT_MARK", "fit", "one_line", "pad", "safe_json", "safe_lines", "width", "wrap"]

CUT_MARK = "…"

# Control characters (C0, DEL, C1), line and paragraph separators, everything of the general category Cf (bidirectional
# controls, zero-width characters, tags), surrogates, noncharacters, and letters that are drawn as nothing.
_UNSAFE = (
    "\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    "\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
# A selector of emoji or text style is at home behind a symbol; elsewhere it is only a way to hide bits.
_STRAY_SELECTOR = "(?<![\xa9\xae\u203c-\u3299\U0001f000-\U0001faff])[\ufe0e\ufe0f](?!\u20e3)"
# More than four marks on one letter grow over the lines above and below.
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_PILED_MARK = f"(?<={_MARK}{_MARK}{_MARK}{_MARK}){_MARK}"

_ESCAPED = re.compile(f"[{_UNSAFE}]|{_STRAY_SELECTOR}|{_PILED_MARK}")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_LINE_END = re.compile(r"\r\n|\r|\n")
_TAB_COLUMNS = 4

# A cell can hold a letter with some marks; past this many characters per column a text is cut unseen.
_CHARACTERS_PER_COLUMN = 4


def one_line(text: str) -> str:
    """`text` on one line, with nothing in it that a terminal obeys."""
    if text.isascii() and text.isprintable():
        return text
    return _ESCAPED.sub(_escape, text)


def safe_json(document: str) -> str:
    """A JSON document that means the same and is safe to print: what a terminal obeys stands as `\\uXXXX`.

    `document` holds no line end outside its strings, so that the whole stays one line.
    """
    if document.isascii() and document.isprintable():
        return document
    return _ESCAPED.sub(_escape_in_json, document)


def safe_lines(text: str) -> Iterator[str]:
    """The lines of `text`, each as `one_line` gives it, with tabs as spaces."""
    for line in _LINE_END.split(text):
        yield one_line(line.expandtabs(_TAB_COLUMNS))


def width(text: str) -> int:
    """How many terminal columns a safe text takes: two for each East Asian wide character, none for a mark."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def fit(text: str, columns: int) -> str:
    """`text` on one line of at most `columns` columns; `CUT_MARK` ends what was longer. Costs no more for a long text.

    `columns` is at least 1.
    """
    limit = columns * _CHARACTERS_PER_COLUMN
    line = one_line(text[:limit])
    if len(text) <= limit and width(line) <= columns:
        return line
    return line[: _break(line, 0, columns - 1)] + CUT_MARK


def pad(text: str, columns: int) -> str:
    """A safe text filled up with spaces to `columns` columns; a longer one is left as it is."""
    return text + " " * (columns - width(text))


def wrap(line: str, columns: int) -> Iterator[str]:
    """A safe line in pieces of at most `columns` columns, broken behind a space where there is one.

    `columns` is at least 2, since a wide character needs two. Leading spaces stay: they may be a program's.
    """
    start = 0
    while True:
        end = _break(line, start, columns)
        if end == len(line):
            yield line[start:]
            return
        space = line.rfind(" ", start, end + 1)
        if space > start and line[start:space].strip():
            yield line[start:space]
            start = space + 1
        else:
            yield line[start:end]
            start = end


def _break(line: str, start: int, columns: int) -> int:
    """The end of the longest part of `line` from `start` that fits into `columns` columns."""
    if line.isascii():
        return min(len(line), start + columns)
    taken = 0
    for index in range(start, len(line)):
        taken += _columns(line[index])
        if taken > columns:
            return index
    return len(line)


def _columns(character: str) -> int:
    if character < "\u0300":
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _escape_in_json(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code < 0x100:
        return _SHORT.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
