"""Settings: what the environment and arguments may say, and what happens where they are wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tracekit.config import DEFAULT_DATABASE_URL, InitialSettings, Options, SystemSettings, first_fault, load
from tracekit.errors import ConfigurationError

DEFAULTS = {
    "task_trace_enabled": False,
    "task_trace_default_on": False,
    "task_trace_admin_only": True,
    "task_trace_env": "dev",
    "task_trace_retention_days": 7,
    "task_trace_payload_retention_days": 0,
    "task_trace_max_events": 20000,
    "task_trace_idle_timeout_ms": 30000,
    "task_trace_payload_max_length": 65536,
    "task_trace_flush_interval_ms": 200,
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only what a test sets is in the environment."""
    for name in (*SystemSettings.model_fields, *(f"tracekit_{name}" for name in Options.model_fields)):
        monkeypatch.delenv(name.upper(), raising=False)
    return


def _initial() -> tuple[InitialSettings, list[str]]:
    return load(InitialSettings)


def test_the_settings_have_the_documented_defaults() -> None:
    """Nothing is recorded until somebody switches it on."""
    settings, problems = _initial()
    assert settings.model_dump() == SystemSettings.model_validate({}).model_dump() == DEFAULTS
    assert (settings.model_fields_set, problems) == (set(), [])


def test_the_environment_gives_first_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """`TASK_TRACE_*`, in any case, with the usual words for yes and no."""
    monkeypatch.setenv("TASK_TRACE_ENABLED", "yes")
    monkeypatch.setenv("task_trace_env", "both")
    monkeypatch.setenv("TASK_TRACE_MAX_EVENTS", "500")
    settings, problems = _initial()
    assert (settings.task_trace_enabled, settings.task_trace_env, settings.task_trace_max_events) == (True, "both", 500)
    assert settings.model_fields_set == {"task_trace_enabled", "task_trace_env", "task_trace_max_events"}
    assert problems == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TASK_TRACE_ENABLED", "maybe"),
        ("TASK_TRACE_ENV", "test"),
        ("TASK_TRACE_RETENTION_DAYS", "-1"),
        ("TASK_TRACE_MAX_EVENTS", "99"),
        ("TASK_TRACE_MAX_EVENTS", "many"),
        ("TASK_TRACE_MAX_EVENTS", ""),
        ("TASK_TRACE_PAYLOAD_MAX_LENGTH", "1" * 1000),
        ("TASK_TRACE_FLUSH_INTERVAL_MS", "nan"),
    ],
)
def test_a_wrong_variable_does_not_stop_the_app(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Its default is used and counts as such, the others hold, and the problem names the variable."""
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("TASK_TRACE_IDLE_TIMEOUT_MS", "5000")
    settings, problems = _initial()
    assert settings.model_dump() == DEFAULTS | {"task_trace_idle_timeout_ms": 5000}
    assert settings.model_fields_set == {"task_trace_idle_timeout_ms"}
    assert len(problems) == 1
    assert problems[0].startswith(f"{name}: ")
    assert problems[0].endswith("the default is used")


def test_several_wrong_variables_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look at the log is enough to mend them."""
    monkeypatch.setenv("TRACEKIT_BUFFER_BYTES", "1")
    monkeypatch.setenv("TRACEKIT_ENVIRONMENT", "moon")
    options, problems = load(Options)
    assert (options.buffer_bytes, options.environment) == (64 * 1024 * 1024, "dev")
    assert [problem.split(":")[0] for problem in problems] == ["TRACEKIT_ENVIRONMENT", "TRACEKIT_BUFFER_BYTES"]


def test_a_wrong_argument_raises() -> None:
    """Its author is there to see it."""
    with pytest.raises(ConfigurationError, match="buffer_bytes"):
        load(Options, buffer_bytes=1)
    with pytest.raises(ConfigurationError, match="task_trace_env"):
        load(InitialSettings, task_trace_env="moon")


def test_an_argument_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And an argument that is None says nothing."""
    monkeypatch.setenv("TRACEKIT_DATABASE_URL", "sqlite:///environment.db")
    monkeypatch.setenv("TRACEKIT_ROLE", "worker")
    options, problems = load(Options, database_url="sqlite:///argument.db", role=None)
    assert (options.database_url, options.role, problems) == ("sqlite:///argument.db", "worker", [])


def test_a_wrong_variable_does_not_matter_under_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not even looked at."""
    monkeypatch.setenv("TRACEKIT_BUFFER_BYTES", "1")
    options, problems = load(Options, buffer_bytes=2 * 1024 * 1024)
    assert (options.buffer_bytes, problems) == (2 * 1024 * 1024, [])


def test_the_options_have_the_documented_defaults() -> None:
    """A file in the working directory, 64 MiB of buffer, a development environment, five seconds to drain."""
    options, _ = load(Options)
    assert options.database_url == DEFAULT_DATABASE_URL == "sqlite:///tracekit.db"
    assert (options.environment, options.buffer_bytes, options.shutdown_timeout) == ("dev", 64 * 1024 * 1024, 5.0)
    assert (options.admin_token, options.spool_dir, options.plugins_dir) == (None, None, None)
    assert (options.response_header, options.role, options.version) == ("X-Trace-Id", "web", None)


@pytest.mark.parametrize(
    ("word", "environment"), [("production", "prod"), ("Prod", "prod"), ("DEVELOPMENT", "dev"), ("dev", "dev")]
)
def test_the_environment_may_be_written_out(monkeypatch: pytest.MonkeyPatch, word: str, environment: str) -> None:
    """As the variables of other tools have it."""
    monkeypatch.setenv("TRACEKIT_ENVIRONMENT", word)
    assert load(Options)[0].environment == environment


WRONG_NAMES = [
    "X Trace",
    "X-Trace:",
    "X-Trace\r\nSet-Cookie",
    "X-Träce",
    "X-追踪",
    "Content-Length",
    "set-cookie",
    "x" * 200,
]


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_a_response_header_that_would_break_answers_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """No server sends a name that is none, and the trace id must not take the place of a length."""
    monkeypatch.setenv("TRACEKIT_RESPONSE_HEADER", name)
    options, problems = load(Options)
    assert options.response_header == "X-Trace-Id"
    assert len(problems) == 1
    assert problems[0].startswith("TRACEKIT_RESPONSE_HEADER: ")
    with pytest.raises(ConfigurationError, match="response_header"):
        load(Options, response_header=name)


def test_folders_are_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the response header can be switched off."""
    monkeypatch.setenv("TRACEKIT_SPOOL_DIR", "/var/spool/tracekit")
    monkeypatch.setenv("TRACEKIT_RESPONSE_HEADER", "")
    options, problems = load(Options)
    assert options.spool_dir == Path("/var/spool/tracekit")
    assert (not options.response_header, problems) == (True, [])


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the token nor the password of the database is in what a log or a traceback would print."""
    monkeypatch.setenv("TRACEKIT_ADMIN_TOKEN", "hidden-token-0123456789")
    monkeypatch.setenv("TRACEKIT_DATABASE_URL", "postgresql://u:hidden-password@host/name")
    options, _ = load(Options)
    assert options.admin_token is not None
    assert options.admin_token.get_secret_value() == "hidden-token-0123456789"
    assert "hidden" not in f"{options!r} {options}"


def test_a_token_that_is_too_short_is_not_shown_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """The problem names the variable, and there is no token then: the admin pages stay closed."""
    monkeypatch.setenv("TRACEKIT_ADMIN_TOKEN", "hidden")
    options, problems = load(Options)
    assert options.admin_token is None
    assert "TRACEKIT_ADMIN_TOKEN" in problems[0]
    assert "hidden" not in problems[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"task_trace_enabled": "yes"},
        {"task_trace_enabled": 1},
        {"task_trace_enabled": None},
        {"task_trace_max_events": True},
        {"task_trace_max_events": 500.0},
        {"task_trace_max_events": "500"},
        {"task_trace_max_events": 99},
        {"task_trace_max_events": 10**100},
        {"task_trace_env": "DEV"},
        {"task_trace_env": "\ud800"},
        {"nonsense": 1},
    ],
)
def test_a_change_is_taken_by_the_letter(changes: dict[str, Any]) -> None:
    """Over the API a setting has its own type: nothing is guessed from a word or a number."""
    settings = SystemSettings.model_validate({})
    with pytest.raises(ValidationError) as caught:
        settings.changed(changes)
    assert first_fault(caught.value).field == next(iter(changes))


def test_settings_are_one_value_that_does_not_change() -> None:
    """A request that read them sees the same ones until its end."""
    settings = SystemSettings.model_validate({})
    with pytest.raises(ValidationError):
        settings.task_trace_enabled = True  # type: ignore[misc]
    assert settings.changed({"task_trace_enabled": True}).task_trace_enabled
    assert not settings.task_trace_enabled
    assert hash(settings) == hash(SystemSettings.model_validate({}))


@pytest.mark.parametrize("name", SystemSettings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    """The settings page and the command line print it."""
    assert len(SystemSettings.model_fields[name].description or "") > 20
