"""The cost of looking for secrets grows with the length of what is searched, whatever it says."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tracekit.decoding import Text
from tracekit.redaction import StreamItem
from tracekit_redact import Redact
from tracekit_redact.assignments import Assignments
from tracekit_redact.host_patterns import HostPattern
from tracekit_redact.key_blocks import key_block_triggers
from tracekit_redact.names import SecretNames
from tracekit_redact.personal import PERSONAL
from tracekit_redact.schemes import scheme_triggers
from tracekit_redact.shapes import shape_triggers
from tracekit_redact.tokens import token_triggers
from tracekit_redact.triggers import Trigger
from tracekit_redact.urls import url_triggers

REDACT = Redact()
WITH_PATTERNS = Redact(
    extra=tuple(PERSONAL), patterns={"staff": r"\bE-[0-9]{4,8}\b", "words": r"[a-z]{1,20} [a-z]{1,20}9"}
)
SHORT, LONG = 12_500, 100_000
# Eight times the text may cost so much more; a quadratic search costs 64 times as much.
MOST = 24.0

TRIGGERS: list[Trigger] = [
    *shape_triggers(), *token_triggers(), *scheme_triggers(), *key_block_triggers(), *url_triggers(),
    *Assignments(SecretNames()).triggers(),
]  # fmt: skip

# What comes again and again: a literal as it is, with what opens a value that never ends, and near misses.
FORMS = (
    "{}",
    "{}a",
    "{}=",
    '{}="',
    '"{}":\\"',
    "{}: '",
    "{}{{",
    "<{}>",
    "-{}",
    "{}A1",
    "{} ",
    'name="{}"\r\n',
    "{}\\\\\\",
)
PREFIXES = {trigger.literal for trigger in shape_triggers()}
PREFIX_FORMS = ("{}", "-{}a1")
UNITS = (
    *(
        "a",
        "A",
        "0",
        "-",
        "_",
        "=",
        "\\",
        '"',
        "'",
        " ",
        "\n",
        "/",
        ":",
        ".",
        "@",
        "{",
        "%3A",
        "a@",
        "+1 ",
        "4111 ",
        "a.",
    ),
    *(
        "\\n",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n" + "A" * 20 + "\n",
        "://a:",
        "a://b:c",
        "-eyJ",
    ),
)


def seconds(action: Callable[[], object]) -> float:
    """Processor time."""
    started = time.process_time()
    action()
    return time.process_time() - started


def of_length(unit: str, length: int) -> str:
    return (unit * (length // len(unit) + 1))[:length]


def growth(short: Callable[[], object], long: Callable[[], object]) -> float:
    """How many times as long the long one takes, in the best of three tries: others use the machine as well."""
    best = float("inf")
    for _ in range(3):
        best = min(best, seconds(long) / max(seconds(short), 0.001))
        if best < MOST:
            break
    return best


def assert_linear(action: Callable[[str], object], unit: str, length: int = LONG) -> None:
    """The time for a long text is near that for a short one, times its length."""
    texts = [of_length(unit, length * SHORT // LONG), of_length(unit, length)]
    assert growth(lambda: action(texts[0]), lambda: action(texts[1])) < MOST, unit


def search(text: str) -> object:
    return REDACT.tracekit_before_store().value(text)


def search_with_patterns(text: str) -> object:
    return WITH_PATTERNS.tracekit_before_store().value(text)


@pytest.mark.parametrize("literal", sorted({trigger.literal for trigger in TRIGGERS}))
def test_no_text_makes_a_trigger_slow(literal: str) -> None:
    """For each literal that a search begins with: texts made of it, of near misses, of values without an end."""
    for form in PREFIX_FORMS if literal in PREFIXES else FORMS:
        assert_linear(search, form.format(literal))


@pytest.mark.parametrize("unit", UNITS)
def test_no_run_of_characters_is_slow(unit: str) -> None:
    """Runs without any literal of ours, which patterns of personal data and of hosts might stumble over."""
    assert_linear(search, unit)
    assert_linear(search_with_patterns, unit)


@pytest.mark.parametrize(
    "source",
    [
        r"(?i)\bEMP-\d{4,8}\b",
        r"[a-z]{1,30}-[a-z]{1,30}-\d{1,10}",
        r".{1,20}secret",
        r"(?:foo|bar)\d{2,9}x",
        r"\w{1,60}@x",
    ],
)
def test_no_pattern_of_a_host_is_slow(source: str) -> None:
    """What is accepted is linear, the pattern for unfinished matches as well."""
    pattern = HostPattern("x", source)
    for unit in ("a", "a-", "1", "EMP-1", "foo1", "secre", " "):
        assert_linear(
            lambda text: [*pattern.regex.finditer(text), pattern.unfinished.search(text[-pattern.length :])], unit
        )


@pytest.mark.parametrize(
    "piece", ["word ", "a", "password=", "sk-", '{"password": "', "\\", '"', "-----BEGIN PRIVATE KEY-----\n"]
)
def test_a_long_stream_costs_per_frame_what_a_short_one_does(piece: str) -> None:
    """Frames that are held come again, but no more of them than a few."""

    def run(count: int) -> None:
        redactor = REDACT.tracekit_before_store()
        held: list[StreamItem] = []
        for _ in range(count):
            held.append(StreamItem(b'data: {"x": 1}\n\n', (Text(piece),)))
            del held[: redactor.stream(held, final=False)]
        redactor.stream(held, final=True)

    assert growth(lambda: run(250), lambda: run(1000)) < 12


@pytest.mark.parametrize("unit", ["The quick brown fox jumps over the lazy dog. ", "password=" + "hunter" + "2 "])
def test_a_million_characters_are_searched(unit: str) -> None:
    """A whole answer or document: one text without a secret, and one full of them."""
    assert_linear(search, unit, 1_000_000)
