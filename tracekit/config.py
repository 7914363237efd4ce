"""Settings: what is fixed at deployment (`TRACEKIT_*`), and what admins change while the app runs (`task_trace_*`).

A wrong environment variable never stops the app: its default is used, and the problem is kept to be logged and shown
on the health page. A wrong argument in code raises, since its author is there to see it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from tracekit.errors import ConfigurationError, InvalidInput
from tracekit.header_names import response_header_name

__all__ = ["DEFAULT_DATABASE_URL", "Environment", "InitialSettings", "Options", "SystemSettings", "first_fault", "load"]

DEFAULT_DATABASE_URL = "sqlite:///tracekit.db"

_ENVIRONMENT_WORDS = {"development": "dev", "production": "prod"}

Environment = Annotated[
    Literal["dev", "prod"],
    BeforeValidator(lambda word: _ENVIRONMENT_WORDS.get(word.lower(), word.lower()) if isinstance(word, str) else word),
]


def _absolute(path: object) -> object:
    """The folder that is meant now, wherever the process goes later; empty is none."""
    if path == "":
        return None
    return Path(path).absolute() if isinstance(path, str | Path) else path


_Model = TypeVar("_Model", bound=BaseSettings)


class SystemSettings(BaseModel):
    """The runtime settings as one frozen value: a request sees all of one version or all of the next."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task_trace_enabled: bool = Field(
        False, description="Master switch. Off: nothing is recorded, whatever a request asks for."
    )
    task_trace_default_on: bool = Field(False, description="Record a request that does not say whether to record it.")
    task_trace_admin_only: bool = Field(True, description="Only a request made by an admin may be recorded.")
    task_trace_env: Literal["dev", "prod", "both"] = Field(
        "dev", description="The environments in which recording is allowed."
    )
    task_trace_retention_days: int = Field(
        7, ge=0, le=36500, description="Traces older than this many days are deleted; 0 keeps them all."
    )
    task_trace_payload_retention_days: int = Field(
        0, ge=0, le=36500, description="Frames and payloads are deleted after this many days; 0: with their trace."
    )
    task_trace_max_events: int = Field(
        20_000, ge=100, le=10_000_000, description="Most events stored per trace; the last ones and the end always fit."
    )
    task_trace_idle_timeout_ms: int = Field(
        30_000, ge=100, le=86_400_000, description="Silence, in milliseconds, after which a stream counts as stalled."
    )
    task_trace_payload_max_length: int = Field(
        65_536,
        ge=256,
        le=67_108_864,
        description="Most bytes stored of one payload; of what is cut, the length and SHA-256 of the whole are kept.",
    )
    task_trace_flush_interval_ms: int = Field(
        200, ge=10, le=10_000, description="How often, in milliseconds, what was captured is written to the database."
    )

    def changed(self, changes: dict[str, Any]) -> SystemSettings:
        """These settings with some values replaced.

        Raises:
            pydantic.ValidationError: a name is unknown, or a value of the wrong type or out of range.
        """
        return SystemSettings.model_validate({**self.model_dump(), **changes}, strict=True)


class InitialSettings(BaseSettings, SystemSettings):
    """The first values of the runtime settings, from `TASK_TRACE_*`; `model_fields_set` tells which were given."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="", case_sensitive=False)


class Options(BaseSettings):
    """What is fixed when the process starts, from `TRACEKIT_*` or from the arguments of `Recorder`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_prefix="TRACEKIT_", case_sensitive=False, populate_by_name=True
    )

    database_url: str = Field(
        DEFAULT_DATABASE_URL,
        repr=False,  # it may hold a password
        description="SQLAlchemy URL: sqlite:///file or postgresql://...",
    )
    environment: Environment = Field("dev", description="Where this process runs: dev or prod.")
    admin_token: SecretStr | None = Field(
        None, min_length=16, description="Lets its bearer into the admin API and pages; at least 16 characters."
    )
    buffer_bytes: int = Field(
        64 * 1024 * 1024, ge=1024 * 1024, description="Most bytes of frames that wait in memory to be written."
    )
    request_body_bytes: int = Field(
        1024 * 1024, ge=0, description="Most bytes kept of one request body; of a longer one, its beginning."
    )
    spool_dir: Path | None = Field(
        None,
        description="Folder for what cannot be written to the database for longer; beside a SQLite file, else here.",
    )
    spool_bytes: int = Field(
        1024 * 1024 * 1024, ge=0, description="Most bytes that one process keeps there; 0 switches it off."
    )
    daily_backups: int = Field(
        0,
        ge=0,
        le=1000,
        description="A SQLite file is backed up once a day, and so many backups stay; 0: none is made.",
    )
    min_free_bytes: int = Field(
        100 * 1024 * 1024,
        ge=0,
        description="With less free on the disk of a SQLite file, no new traces are recorded; 0: never mind.",
    )
    memory_alert_bytes: int = Field(
        1_000_000_000, ge=0, description="An alert is raised when the process takes more memory; 0 switches it off."
    )
    workspace_dir: Annotated[Path | None, BeforeValidator(_absolute)] = Field(
        None, description="Folder with a folder for each trace that asks for one, deleted with the trace."
    )
    shutdown_timeout: float = Field(5.0, ge=0, le=600, description="Longest that the exit waits for writing, seconds.")
    plugins_dir: Path | None = Field(None, description="Folder of single-file plugins.")
    trust_traceparent: bool = Field(
        False, description="Take the parent of a trace from the request's traceparent header. Anyone can send one."
    )
    span_heartbeat_s: float = Field(30.0, ge=1, le=3600, description="How often an open span beats by itself, seconds.")
    plugins_off: str = Field("", description="Names of installed plugins that are not loaded, parted by commas.")
    response_header: Annotated[str, AfterValidator(response_header_name)] | None = Field(
        "X-Trace-Id",
        validation_alias=AliasChoices("TRACEKIT_RESPONSE_HEADER", "response_header"),
        description="Response header that carries the trace id; empty switches it off.",
    )
    role: str = Field("web", max_length=64, description="What this process is, as the process list shows it.")
    version: str | None = Field(None, max_length=128, description="Version of the host's code, as traces show it.")

    @property
    def plugins_left_out(self) -> list[str]:
        """The names in `plugins_off`; spaces part them as well."""
        return self.plugins_off.replace(",", " ").split()


def load(model: type[_Model], **given: Any) -> tuple[_Model, list[str]]:
    """Options or settings from `given` arguments over environment variables, with what was wrong in the environment.

    Raises:
        ConfigurationError: an argument in `given` is wrong.
    """
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return model(**given), []
    except ValidationError as error:
        return _without_the_wrong(model, given, error)


def _without_the_wrong(model: type[_Model], given: dict[str, Any], error: ValidationError) -> tuple[_Model, list[str]]:
    defaults, problems = {}, []
    for fault in error.errors(include_url=False, include_input=False):
        name = str(fault["loc"][0]).lower().removeprefix(str(model.model_config.get("env_prefix", "")).lower())
        if name in given:
            raise ConfigurationError(f"{name}: {fault['msg']}") from None
        variable = f"{model.model_config.get('env_prefix', '')}{name}".upper()
        problems.append(f"{variable}: {fault['msg']}; the default is used")
        defaults[name] = model.model_fields[name].get_default(call_default_factory=True)
    settings = model(**given, **defaults)
    settings.model_fields_set.difference_update(defaults)
    return settings, problems


def first_fault(error: ValidationError) -> InvalidInput:
    """A pydantic error as one `InvalidInput` that names the field."""
    fault = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"])
    return InvalidInput(f"{field}: {fault['msg']}" if field else str(fault["msg"]), field=field or None)
