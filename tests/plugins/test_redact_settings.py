"""What a host changes: patterns, names, exceptions, personal data; in code and by the environment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from command_line import tracekit as command
from hypothesis import given
from hypothesis import strategies as st
from redact_samples import chunks, items_of, said

from tracekit.errors import ConfigurationError
from tracekit.plugins import PluginHost
from tracekit.trace import TraceInfo
from tracekit_redact import Redact, plugin, tracekit_before_store
from tracekit_redact.host_patterns import HostPattern

KEY = "sk-proj-" + "aB3" * 10


def info() -> TraceInfo:
    return TraceInfo("0" * 32, "dev", lambda event_type, /, **payload: None)


def stored(value: Any, **arguments: Any) -> Any:
    return Redact(**arguments).tracekit_before_store().value(value)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """The environment is read once in a process; a test has its own."""
    plugin._configured.cache_clear()
    yield
    plugin._configured.cache_clear()


def test_the_plugin_is_on_by_default() -> None:
    """Who installs tracekit and does nothing else has secrets masked."""
    masks = dict(PluginHost().redactors(info()))
    assert masks["redact"] is not None
    assert masks["redact"].value(f"my {KEY}") == "my [redacted:openai-key]"


def test_it_can_be_switched_off_and_given_in_code() -> None:
    """One configuration takes the place of the other."""
    assert PluginHost(off=["redact"]).redactors(info()) == []
    host = PluginHost([Redact(keys=["staffNumber"])], off=["redact"])
    ((_, redactor),) = host.redactors(info())
    assert redactor is not None
    assert redactor.value({"staff_number": "E7"}) == {"staff_number": "[redacted:named]"}


@pytest.mark.parametrize("spelling", ["staffNumber", "staff_number", "STAFF-NUMBER", "StaffNumber", "my.staff.number"])
def test_a_name_of_the_host_is_known_in_any_spelling(spelling: str) -> None:
    """In values and in text."""
    assert stored({spelling: "x"}, keys=["staff_number"]) == {spelling: "[redacted:named]"}
    assert stored(f'{{"{spelling}": "x"}}', keys=["staffNumber"]) == f'{{"{spelling}": "[redacted:named]"}}'


def test_a_pattern_of_the_host_is_masked_under_its_name() -> None:
    """Also where it comes in pieces, cut at any place."""
    redact = Redact(patterns={"staff-id": r"\bE-[0-9]{4,6}\b"})
    text = "ask E-12345, not E-1 or ME-12345"
    expected = "ask [redacted:staff-id], not E-1 or ME-12345"
    assert redact.tracekit_before_store().value([text]) == [expected]
    for cut in range(1, len(text)):
        redactor, items = redact.tracekit_before_store(), items_of("openai", chunks(text, [cut]))
        ready = redactor.stream(items[:1], final=False)
        redactor.stream(items[ready:], final=True)
        assert said("openai", [item.raw for item in items]) == expected, cut


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (r"(a+)+", "upper bound"), (r"a*", "upper bound"), (r"a{2,}", "upper bound"), (r"(?:a{1,3}){1,3}", "varies"),
        (r"(?:a|ab){1,9}", "varies"), (r"(a)\1", "not understood"), (r"(?=a)b", "only `(?:`"),
        (r"(?P<n>a)", "only `(?:`"), (r"a{1,50}a{1,50}a{1,50}", "run into one another"),
        (r"a{0,5}", "empty"), (r"", "empty"), (r"(a", "without its"),
        (r"a)", "without its"), (r"[a", "not understood"), (r"^a", "not understood"), (r"a{5,2}", "no count"),
        (r"[z-a]", "range"), (r"\k", "not understood"), (r"a{9999}", "longer than"), (r"a??", "repeated"),
        ("(" * 40 + "a" + ")" * 40, "deeply"), (r"*a", "not understood"),
    ],
)  # fmt: skip
def test_a_pattern_that_might_take_too_long_is_refused(source: str, why: str) -> None:
    """The error names the pattern and says what is wrong with it."""
    with pytest.raises(ConfigurationError, match=re.escape(why)) as raised:
        Redact(patterns={"mine": source})
    assert "'mine'" in str(raised.value)


@pytest.mark.parametrize(
    ("source", "matches", "others"),
    [
        (r"(?i)emp-\d{3}", ["EMP-123", "emp-000"], ["EMP-12"]),
        (r"[A-Z]{2}(?:-[0-9]{2}){3}", ["AB-01-02-03"], ["AB-01-02"]),
        (r"(?:foo|bar)\.x{0,2}y?[^\s]", ["foo.z", "bar.xxyz"], ["foo. "]),
        (r"\u0041\x42\{[\]a-]{2}\}", ["AB{]-}"], ["AB{bb}"]),
        (r"\{a}b{,2}c", ["{a}c", "{a}bbc"], ["{a}bbbc"]),
        (r"x{2}y{1,3}", ["xxyyy"], ["xy"]),
    ],
)
def test_what_is_understood_means_what_it_means_in_python(source: str, matches: list[str], others: list[str]) -> None:
    """The language is a part of `re`."""
    pattern = HostPattern("mine", source)
    assert all(pattern.regex.fullmatch(text) and re.fullmatch(source, text) for text in matches)
    assert not any(pattern.regex.fullmatch(text) or re.fullmatch(source, text) for text in others)


@given(
    st.sampled_from(
        [r"\bE-\d{4,6}\b", r"[a-c]{2,4}-(?:x|yz)\d?", r"(?i)ab[^c]{1,3}c", r"(?:\d{2}-){2}\d", r"a?b{2}(?:c|d)?e"]
    ),
    st.text("abcxyzABCE-0123 "),
)
def test_an_unfinished_match_is_found_where_it_begins(source: str, text: str) -> None:
    """Wherever a match may be cut, its beginning is known for one."""
    pattern = HostPattern("mine", source)
    for match in pattern.regex.finditer(text):
        for cut in range(match.start() + 1, match.end()):
            unfinished = pattern.unfinished.search(text[:cut])
            assert unfinished is not None
            assert unfinished.start() <= match.start()


def test_exceptions_are_kept() -> None:
    """Exact values and patterns for whole values; whatever else looks like a secret is masked."""
    allow = ["demo", KEY, "re:test-[0-9]{1,4}"]
    kept = {"password": "demo", "text": f"use {KEY}.", "secret": "test-12", "query": "api_key=test-1&x=1"}
    assert stored(kept, allow=allow) is kept
    assert stored({"password": "demo2", "t": f"{KEY}4"}, allow=allow) == {
        "password": "[redacted:password]", "t": "[redacted:openai-key]",
    }  # fmt: skip


PERSONAL = (
    "card 4111 1111 1111 1111 or 378282246310005, mail ann.b+c@mail.example.org, "
    "call +49 30 123456-78 or (555) 123-4567."
)


def test_personal_data_is_kept_unless_asked_for() -> None:
    """Card numbers, e-mail addresses and phone numbers are often what a chat is about."""
    assert stored(PERSONAL) is PERSONAL


def test_personal_data_is_masked_on_demand() -> None:
    """Each sort by itself."""
    masked = stored(PERSONAL, extra=["cards", "emails", "phones"])
    assert masked == (
        "card [redacted:card-number] or [redacted:card-number], mail [redacted:email-address], "
        "call [redacted:phone-number] or [redacted:phone-number]."
    )
    assert stored(PERSONAL, extra=["emails"]) == PERSONAL.replace(
        "ann.b+c@mail.example.org", "[redacted:email-address]"
    )


@pytest.mark.parametrize("number", ["4111 1111 1111 1112", "1234567890123456", "0000 0000 0000 0000", "20240718123457"])
def test_numbers_with_a_wrong_check_digit_are_no_cards(number: str) -> None:
    """Luhn's formula tells most other numbers from cards."""
    assert stored(f"order {number} is here", extra=["cards"]) == f"order {number} is here"


@pytest.mark.parametrize(
    "text", ["2024-07-18 12:30", "version 1.2.3", "a + 5 - 3", "port 8080", "10.0.0.1", "1,234,567 people"]
)
def test_other_numbers_are_no_phones(text: str) -> None:
    """Dates, versions, sums and addresses."""
    assert stored(text, extra=["phones"]) == text


def test_personal_data_in_pieces_is_masked() -> None:
    """Frames wait for the end of what may be an address."""
    redact = Redact(extra=["cards", "emails", "phones"])
    for size in (1, 3, 7):
        redactor, held = redact.tracekit_before_store(), []
        items = items_of("openai", chunks(PERSONAL, range(size, len(PERSONAL), size)))
        for item in items:
            held.append(item)
            del held[: redactor.stream(held, final=False)]
        redactor.stream(held, final=True)
        text = said("openai", [item.raw for item in items])
        assert not any(secret in text for secret in ("1111", "ann", "example.org", "123", "3782"))
        assert text.startswith("card [redacted:card-number] or ")


def test_an_unknown_sort_of_personal_data_is_refused() -> None:
    """A typing error must not leave data unmasked."""
    with pytest.raises(ConfigurationError, match="cards, emails, phones"):
        Redact(extra=["card"])


def test_a_name_that_no_mask_can_show_is_refused() -> None:
    """The mask stands inside JSON."""
    with pytest.raises(ConfigurationError, match="letters, digits"):
        Redact(patterns={'a"b': "x"})


def test_the_environment_configures_the_installed_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that code can say but for Python objects."""
    monkeypatch.setenv("TRACEKIT_REDACT_EXTRA", "cards, emails")
    monkeypatch.setenv("TRACEKIT_REDACT_KEYS", "staff_number,badge")
    monkeypatch.setenv("TRACEKIT_REDACT_PATTERNS", json.dumps([{"name": "ticket", "pattern": "T-[0-9]{3}"}]))
    monkeypatch.setenv("TRACEKIT_REDACT_ALLOW", json.dumps(["demo", "re:test-[a-z]{1,9}"]))
    redactor = tracekit_before_store(info())
    assert redactor.value({"t": "T-123 a@b.example", "badge": "x", "password": "demo", "secret": "test-x"}) == {
        "t": "[redacted:ticket] [redacted:email-address]", "badge": "[redacted:named]", "password": "demo",
        "secret": "test-x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EXTRA", "cars"), ("PATTERNS", "T-[0-9]{3}"), ("PATTERNS", '[{"name": "x"}]'), ("ALLOW", "demo"),
        ("PATTERNS", '[{"name": "x", "pattern": "a+"}]'), ("ALLOW", '["re:a+"]'),
    ],
)  # fmt: skip
def test_a_wrong_variable_lets_nothing_pass(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than mask less than the host wanted, the plugin fails: then everything is withheld, and the fault told."""
    monkeypatch.setenv(f"TRACEKIT_REDACT_{name}", value)
    host = PluginHost()
    assert dict(host.redactors(info()))["redact"] is None
    (facts,) = [facts for facts in host.loaded if facts.name == "redact"]
    assert "ConfigurationError" in (facts.last_fault or "")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("EXTRA", "passports"), ("PATTERNS", "[{"), ("PATTERNS", '[{"name": "x", "pattern": "(a+)+"}]'), ("ALLOW", "x")],
)
def test_a_malformed_variable_is_told_before_anything_is_recorded(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Health and `tracekit doctor` show it, and nobody has to find out from values that are withheld."""
    monkeypatch.setenv(f"TRACEKIT_REDACT_{variable}", value)
    (problem,) = PluginHost().problems
    assert problem.startswith("TRACEKIT_REDACT_* cannot be used, so every value is withheld: ")
    done = command("doctor", "--json", **{f"TRACEKIT_REDACT_{variable}": value})
    told = [finding["found"] for finding in map(json.loads, done.out.splitlines()) if finding["state"] == "wrong"]
    assert problem in told
