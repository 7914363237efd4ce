"""How a host changes what is masked: environment variables, or arguments in code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from tracekit.errors import ConfigurationError
from tracekit_redact.host_patterns import HostPattern
from tracekit_redact.names import SecretNames
from tracekit_redact.personal import PERSONAL, Seeker
from tracekit_redact.search import Search

__all__ = ["RedactSettings", "build_search"]

_PATTERN = "re:"
_KIND = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


_Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class NamedPattern(BaseModel):
    """A pattern of the host's own, and the name that its mask shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    pattern: str = Field(min_length=1, max_length=1024)


class RedactSettings(BaseSettings):
    """What is masked besides, and what is not, from `TRACEKIT_REDACT_*`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_prefix="TRACEKIT_REDACT_", case_sensitive=False)

    extra: _Names = Field(default=(), description="Personal data that is masked as well: cards, emails, phones.")
    patterns: tuple[NamedPattern, ...] = Field(default=(), description='JSON list of {"name": ..., "pattern": ...}.')
    keys: _Names = Field(default=(), description="Further names whose values are masked, parted by commas.")
    allow: tuple[str, ...] = Field(default=(), description='JSON list of values that are kept; "re:..." is a pattern.')

    @classmethod
    def from_env(cls) -> RedactSettings:
        """The settings of the environment.

        Raises:
            ConfigurationError: a variable is malformed.
        """
        try:
            return cls()
        except SettingsError as error:
            raise ConfigurationError(f"TRACEKIT_REDACT_*: {error}") from None
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            raise ConfigurationError(f"TRACEKIT_REDACT_{str(fault['loc'][0]).upper()}: {fault['msg']}") from None


def build_search(
    extra: Iterable[str],
    patterns: Mapping[str, str] | Iterable[tuple[str, str]],
    keys: Iterable[str],
    allow: Iterable[str],
) -> Search:
    """The search of a configuration.

    Raises:
        ConfigurationError: personal data of an unknown sort, or a pattern that is malformed or may take too long.
    """
    seekers: list[Seeker] = []
    for sort in extra:
        if sort not in PERSONAL:
            raise ConfigurationError(f"redaction of {sort!r}: there are {', '.join(PERSONAL)}")
        seekers += PERSONAL[sort]
    for name, source in patterns.items() if isinstance(patterns, Mapping) else patterns:
        if not _KIND.fullmatch(name):
            raise ConfigurationError(f"redaction pattern {name!r}: a name has letters, digits, `_`, `.` and `-`")
        seekers.append(Seeker(name, HostPattern(name, source)))
    return Search(SecretNames(keys), seekers, _allowance(allow))


def _allowance(allow: Iterable[str]) -> Callable[[str], bool]:
    allow = tuple(allow)
    values = frozenset(value for value in allow if not value.startswith(_PATTERN))
    matches = [
        HostPattern("allow", value.removeprefix(_PATTERN)).regex.fullmatch
        for value in allow
        if value.startswith(_PATTERN)
    ]
    return lambda text: text in values or any(match(text) for match in matches)
