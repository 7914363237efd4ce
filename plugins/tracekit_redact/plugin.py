"""Masks secrets in all that is stored. On by default; switched off with `plugins_off="redact"`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from tracekit.errors import ConfigurationError
from tracekit.hookspecs import hookimpl
from tracekit.redaction import Redactor
from tracekit_redact.redactor import SecretRedactor
from tracekit_redact.routes import sample_route
from tracekit_redact.settings import RedactSettings, build_search

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from tracekit.recorder import Recorder
    from tracekit.trace import TraceInfo

__all__ = ["Redact", "tracekit_admin_routes", "tracekit_before_store"]


class Redact:
    """The plugin with a configuration in code, for `Recorder(plugins=[Redact(...)], plugins_off="redact")`."""

    def __init__(
        self,
        *,
        patterns: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        keys: Iterable[str] = (),
        allow: Iterable[str] = (),
        extra: Iterable[str] = (),
    ) -> None:
        """Say what is masked besides, and what is not.

        Args:
            patterns: names and regular expressions; every repetition needs an upper bound.
            keys: further names whose values are masked, in any case and with any separators.
            allow: values that are kept although they look like secrets; `re:...` is a pattern for whole values.
            extra: personal data to be masked as well: `cards`, `emails`, `phones`.

        Raises:
            ConfigurationError: a pattern is malformed or might take too long, or an extra is unknown.
        """
        self._search = build_search(extra, patterns, keys, allow)

    @hookimpl
    def tracekit_before_store(self) -> Redactor:
        """A redactor for a trace."""
        return SecretRedactor(self._search)

    @hookimpl
    def tracekit_admin_routes(self, recorder: Recorder) -> Sequence[BaseRoute]:
        """`POST /api/redaction/test`."""
        return [sample_route(recorder, lambda: SecretRedactor(self._search))]


@cache
def _configured() -> Redact:
    """The plugin as the environment wants it. A fault in there is raised each time: nothing is stored unmasked."""
    settings = RedactSettings.from_env()
    patterns = [(pattern.name, pattern.pattern) for pattern in settings.patterns]
    return Redact(patterns=patterns, keys=settings.keys, allow=settings.allow, extra=settings.extra)


@hookimpl
def tracekit_before_store(trace: TraceInfo) -> Redactor:
    """A redactor for a trace."""
    return _configured().tracekit_before_store()


@hookimpl
def tracekit_admin_routes(recorder: Recorder) -> Sequence[BaseRoute]:
    """`POST /api/redaction/test`."""
    return _configured().tracekit_admin_routes(recorder)


@hookimpl
def tracekit_configuration_problems() -> Sequence[str] | None:
    """Says so where the environment is malformed. Every value is then withheld."""
    try:
        _configured()
    except ConfigurationError as error:
        return [f"TRACEKIT_REDACT_* cannot be used, so every value is withheld: {error}"]
    return None
