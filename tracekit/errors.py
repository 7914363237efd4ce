"""The errors tracekit raises.

TracekitError
├── ConfigurationError      a setting, an option or an installation is wrong
│   └── PluginError         a plugin misuses a hook
├── StoreError              the database refused
│   ├── StoreUnavailable    it cannot be reached or written now; trying again may help
│   │   ├── StoreFull       its disk is full
│   │   └── StoreDamaged    its file is damaged
│   └── SchemaError         its schema is older or newer than this version of tracekit
├── NotFound                no such trace
├── WrongState              the trace is not in a state in which this can be done
├── InvalidInput            a query, cursor, setting or document is malformed
│   └── InvalidSettings     runtime settings that cannot be; says which and why
└── Conflict                somebody else changed it meanwhile
"""

from __future__ import annotations


class TracekitError(Exception):
    """Base of every error that tracekit raises on its own account."""


class ConfigurationError(TracekitError):
    """A setting, an option or the installation is wrong; the message says which and how to mend it."""


class PluginError(ConfigurationError):
    """A plugin misuses a hook: an unknown name, or arguments the hook does not have."""


class StoreError(TracekitError):
    """The database refused an operation."""


class StoreUnavailable(StoreError):
    """The database cannot be reached or written at the moment; the same call may succeed later."""


class StoreFull(StoreUnavailable):
    """The database's disk is full, so that nothing can be written, and without a reserve nothing deleted."""


class StoreDamaged(StoreUnavailable):
    """The database's file is damaged, or is no database."""


class SchemaError(StoreError):
    """The database's schema is older or newer than this version of tracekit knows."""


class NotFound(TracekitError):
    """No trace has this id."""


class WrongState(TracekitError):
    """What was asked cannot be done with this trace as it stands: it still runs, or what is needed is not stored."""


class InvalidInput(TracekitError):
    """A query, cursor, setting or document is malformed; `field` names the part, if there is one."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class InvalidSettings(InvalidInput):
    """Runtime settings that cannot be. `faults` says for each name what is wrong with it."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {fault}" if name else fault for name, fault in faults.items()))
        self.faults = faults


class Conflict(TracekitError):
    """What was to be changed has been changed by somebody else meanwhile; read it again."""
