"""Secrets in values: payloads, headers, tool arguments, texts."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hostile_json import ANY_JSON
from hypothesis import given
from hypothesis import strategies as st
from redact_samples import SAMPLES, Sample

from tracekit import json_text
from tracekit_redact import Redact

REDACT = Redact()
PASSWORD = "h" + "unter2"


def stored(value: Any) -> Any:
    """What would be stored of a value."""
    return REDACT.tracekit_before_store().value(value)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_each_kind_of_secret_is_masked_in_text(sample: Sample) -> None:
    """The secret goes, its kind is told, and nothing around it changes."""
    assert stored(sample.text) == sample.text.replace(sample.secret, f"[redacted:{sample.kind}]")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_each_kind_of_secret_is_masked_deep_in_json(sample: Sample) -> None:
    """Values, names of members and documents as text are searched as well."""
    value = {"a": [1, {"b": sample.text}], sample.text: True, "document": json.dumps({"c": sample.text})}
    written = json_text.encode(stored(value))
    assert sample.secret not in written
    assert json.dumps(sample.secret)[1:-1] not in written
    assert json.loads(stored(value)["document"]).keys() == {"c"}


def test_there_are_at_least_sixty_kinds() -> None:
    """The samples are as many as they are said to be."""
    assert len({sample.secret for sample in SAMPLES}) >= 60


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Cookie",
        "set-cookie",
        "X-Api-Key",
        "proxy-authorization",
        "api-key",
        "x-goog-api-key",
        "Ocp-Apim-Subscription-Key",
        "x-auth-token",
        "X-CSRF-Token",
        "password",
        "passwd",
        "userPassword",
        "DB_PASSWORD",
        "password_confirmation",
        "secret",
        "client_secret",
        "clientSecret",
        "token",
        "access_token",
        "accessToken",
        "refresh-token",
        "id_token",
        "session_token",
        "githubToken",
        "api_key",
        "apikey",
        "openai_api_key",
        "access_key",
        "secretAccessKey",
        "private_key",
        "credentials",
        "passphrase",
        "signing_secret",
        "webhookSecret",
        "jwt",
    ],
)
def test_a_secret_name_hides_its_text(name: str) -> None:
    """Case, dashes, underscores and capitals inside do not matter."""
    masked = stored({"a": {name: "words of any form"}})
    assert masked["a"][name].startswith("[redacted:")


@pytest.mark.parametrize(
    "name",
    [
        "max_tokens",
        "input_tokens",
        "prompt_tokens",
        "token_count",
        "tokenizer",
        "tokens",
        "next_page_token",
        "eos_token",
        "stop_token",
        "public_key",
        "primary_key",
        "keyboard",
        "monkey",
        "password_policy",
        "passwordRequired",
        "author",
        "authority",
        "cookieless",
        "secretary",
        "key",
        "usage",
        "completion_tokens_details",
        "traceparent",
    ],
)
def test_a_harmless_name_hides_nothing(name: str) -> None:
    """Names that only sound alike are left alone."""
    value = {name: "words of any form"}
    assert stored(value) is value


def test_numbers_are_kept_but_for_those_of_a_password() -> None:
    """Usage must stay readable; a PIN must not."""
    value = {"usage": {"prompt_tokens": 7, "token": 3, "secret": 1.5}, "max_tokens": 100}
    assert stored(value) is value
    assert stored({"pin": 4711, "password": 123456, "a": 1}) == {
        "pin": "[redacted:password]", "password": "[redacted:password]", "a": 1,
    }  # fmt: skip


def test_numbers_in_text_become_strings() -> None:
    """A document as text stays a document."""
    masked = stored('{"pin": 4711, "password": 123456, "a": 1}')
    assert json.loads(masked) == {"pin": "[redacted:password]", "password": "[redacted:password]", "a": 1}


def test_a_secret_name_hides_the_texts_inside_a_container() -> None:
    """A list of passwords and an object of credentials are secrets through and through."""
    masked = stored({"credentials": {"login": "ann", "of": ["a", {"b": "c"}], "tries": 3}, "password": ["x", "y"]})
    hidden = "[redacted:credentials]"
    assert masked == {
        "credentials": {"login": hidden, "of": [hidden, {"b": hidden}], "tries": 3},
        "password": ["[redacted:password]"] * 2,
    }


def test_a_schema_tells_of_passwords_and_holds_none() -> None:
    """The tools that a request offers stay readable."""
    value = {
        "properties": {"password": {"type": "string", "description": "The password"}, "token": {"type": "string"}},
        "required": ["password", "token"],
    }
    assert stored(value) is value


def test_the_words_of_a_model_are_no_tokens() -> None:
    """Log probabilities name each word of the answer `token`."""
    value = {"content": [{"token": "Hello", "logprob": -0.1, "bytes": [72]}]}
    assert stored(value) is value
    text = json.dumps(value)
    assert stored(text) is text


def test_headers_and_variables_as_pairs_are_masked() -> None:
    """Lists of pairs, and objects with a name and a value, name their secrets too."""
    value = {"headers": [["x-api-key", "k"], ["accept", "a/b"]], "env": [{"name": "DB_PASSWORD", "value": "p"}]}
    assert stored(value) == {
        "headers": [["x-api-key", "[redacted:api-key]"], ["accept", "a/b"]],
        "env": [{"name": "DB_PASSWORD", "value": "[redacted:password]"}],
    }


@pytest.mark.parametrize("name", ["query", "body_text"])
def test_forms_and_query_strings_are_masked(name: str) -> None:
    """Of a request's query and form body only the secret fields are hidden, whatever their values look like."""
    masked = stored({name: "key=plain&user=ann&password=word&api_key=k%20k"})
    assert masked == {
        name: "key=[redacted:key-in-url]&user=ann&password=[redacted:password]&api_key=[redacted:api-key]"
    }


def test_a_part_of_a_form_is_masked() -> None:
    """Forms with files in them have their fields in parts."""
    head = '--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n'
    assert stored(f"{head}word\r\n--x--") == f"{head}[redacted:password]\r\n--x--"


def test_quotes_inside_a_value_do_not_end_it() -> None:
    """The whole value goes, and the document around it can still be read."""
    value = {"password": f'a"b\\{PASSWORD}', "b": "kept"}
    for text in (
        json.dumps(value),
        json.dumps({"args": json.dumps(value)}),
        json.dumps([json.dumps(json.dumps(value))]),
    ):
        masked = stored(text)
        assert PASSWORD not in masked
        assert "kept" in masked
        assert json.loads(masked)


def test_what_was_masked_before_is_left_alone() -> None:
    """Masking twice changes nothing more."""
    once = stored({"password": PASSWORD, "text": f"password={PASSWORD}1 Authorization: Bearer {PASSWORD}"})
    assert stored(copy.deepcopy(once)) == once


def test_a_value_of_any_depth_is_masked() -> None:
    """Depth costs no stack."""
    deep: Any = {"password": PASSWORD}
    for _ in range(100_000):
        deep = [deep]
    masked = stored(deep)
    while isinstance(masked, list):
        (masked,) = masked
    assert masked == {"password": "[redacted:password]"}


def test_a_value_that_holds_itself_is_refused() -> None:
    """It cannot be checked, so the gate withholds it."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="parts"):
        stored(value)


def test_values_that_json_does_not_know_are_searched() -> None:
    """A plugin may log anything; what would be written of it is searched."""
    masked = stored({"pair": (f"password={PASSWORD}1", 2), "bytes": b"x", "set": {f"token={PASSWORD}1"}})
    assert PASSWORD not in json_text.encode(masked)


@given(ANY_JSON)
def test_json_without_a_secret_is_the_same_object(value: Any) -> None:
    """Nothing is copied or changed where nothing was found, whatever the value is."""
    assert stored(value) is value or value != value


@given(st.text(), st.sampled_from(SAMPLES), st.text())
def test_a_secret_is_found_in_any_surroundings(before: str, sample: Sample, after: str) -> None:
    """Text of any kind around it does not hide a secret that stands apart from it."""
    assert sample.secret not in stored(f"{before} \n{sample.text}\n {after}")
