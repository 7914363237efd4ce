"""Recorded text on its way to a terminal: whatever it holds, it is only text when it arrives."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracekit import json_text
from tracekit.terminal_text import CUT_MARK, fit, one_line, pad, safe_json, safe_lines, width, wrap

ANY_TEXT = st.text(st.characters(codec=None))
HOSTILE = "\x1b]52;c;aGk=\x07\x9b2J\u202e\u2028\u200b\ufeff\x00\r\n\ud800\U000e0041"


def is_harmless(line: str) -> bool:
    """Whether no character of a line does more than stand in its cell."""
    return all(unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in line)


@given(ANY_TEXT)
@example(HOSTILE)
def test_one_line_holds_no_control_character_and_no_line_end(text: str) -> None:
    """Whatever was recorded comes out as one line that a terminal only draws."""
    line = one_line(text)
    assert is_harmless(line)
    assert len(line.splitlines()) <= 1


def test_no_character_of_unicode_passes_that_a_terminal_obeys() -> None:
    """Of all control, format, surrogate and separator characters none is left as it is."""
    passed = [code for code in range(sys.maxunicode + 1) if not is_harmless(one_line(chr(code)))]
    assert passed == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("exe.\u202egpj", r"exe.\u202egpj"),
        ("pay\u200bpal", r"pay\u200bpal"),
        ("\U000e0041", r"\U000e0041"),
        ("\x9b31m", r"\x9b31m"),
        ("\ud800", r"\ud800"),
        ("a\ufe0f", r"a\ufe0f"),
        ("a" + "\u0301" * 6, "a" + "\u0301" * 4 + r"\u0301\u0301"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_an_escape(text: str, shown: str) -> None:
    """An escape names the character, so that a reader sees what was there."""
    assert one_line(text) == shown


@pytest.mark.parametrize("text", ["plain", "日本語 和 中文", "naïve café", "❤️ 1️⃣ 👍", "العربية", r"{\"a\": \"\n\"}"])
def test_text_of_people_stays_as_it_is(text: str) -> None:
    """Letters of all scripts, emoji and JSON are not touched."""
    assert one_line(text) == text


@given(ANY_TEXT, st.integers(1, 40))
@example("日本語" * 20, 7)
@example("\x1b" * 20, 5)
def test_fit_never_passes_its_columns(text: str, columns: int) -> None:
    """A cut line is as narrow as was asked for, and only a cut line ends with the mark it did not have."""
    line = fit(text, columns)
    assert width(line) <= columns
    assert is_harmless(line)
    assert line == one_line(text) or line.endswith(CUT_MARK)


@given(ANY_TEXT, st.integers(2, 40))
@example("日本語 x " * 20, 7)
def test_wrapped_pieces_are_narrow_and_lose_nothing_but_spaces(text: str, columns: int) -> None:
    """Wrapping breaks a line and changes nothing else of it."""
    line = one_line(text)
    pieces = list(wrap(line, columns))
    assert all(width(piece) <= columns for piece in pieces)
    assert "".join(pieces).replace(" ", "") == line.replace(" ", "")


@given(ANY_TEXT)
@example("a\r\nb\rc\nd\u2028e\x0bf\x85g")
def test_only_line_ends_make_lines(text: str) -> None:
    """Text is divided at LF, CR and CRLF, and each line is harmless."""
    lines = list(safe_lines(text))
    assert len(lines) == len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    assert all(map(is_harmless, lines))


@given(
    st.recursive(
        ANY_TEXT | st.integers() | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner)
    )
)
@example(HOSTILE)
@example({"\u202e\x9b": ["\U000e0041\x7f"]})
def test_a_safe_document_means_what_it_meant(value: object) -> None:
    """JSON made safe for a terminal is one harmless line, and decodes to the same value."""
    document = json_text.encode(value)
    safe = safe_json(document)
    assert is_harmless(safe)
    assert json_text.decode(safe) == json_text.decode(document)


def test_padding_counts_columns_and_not_characters() -> None:
    """A wide character takes two columns, a mark none."""
    assert pad("日本", 6) == "日本  "
    assert pad("e\u0301", 3) == "e\u0301  "
    assert pad("long enough", 3) == "long enough"
