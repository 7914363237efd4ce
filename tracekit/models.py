"""The tables. Integer keys join them inside the database; UUIDv7 text names rows outside.

Times are integer microseconds UTC, durations integer microseconds unless the name says `_ms`. JSON is kept as text:
PostgreSQL's jsonb refuses NUL and lone surrogates, which real streams hold, and nothing here is queried by path.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Text, text, true
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

__all__ = [
    "TRACE_COLUMNS",
    "SystemSetting",
    "SystemSettingAudit",
    "Table",
    "TaskTrace",
    "TaskTraceEvent",
    "TaskTraceIngested",
    "TaskTraceProcess",
    "TaskTraceSpan",
    "TaskTraceText",
]

# Constraints without names cannot be altered by a later migration.
_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(SQLModel, registry=registry(metadata=MetaData(naming_convention=_NAMES))):
    """Base of the tables, with a metadata of its own: a host's SQLModel tables and migrations never see ours."""


# SQLite numbers rows by itself only in a column declared INTEGER; PostgreSQL needs 64 bits.
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")


def _trace_key() -> Any:
    return Column(_ROW_ID, ForeignKey("task_traces.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)


def _text() -> Any:
    return Column(Text, nullable=True)


class TaskTrace(Table, table=True):
    """One recorded chat request or run. All but its ids and head is derived from its events.

    `closed`: the process that owns it will add nothing more. That may be later than its end: a background task goes on
    after the last byte.
    """

    __tablename__: ClassVar[Any] = "task_traces"
    __table_args__ = (
        Index("ix_task_traces_session", "session_id", "id"),
        Index("ix_task_traces_status", "status", "id"),
        Index("ix_task_traces_end_reason", "end_reason", "id"),
        Index("ix_task_traces_actor", "actor", "id"),
        Index("ix_task_traces_model", "model", "id"),
        Index("ix_task_traces_environment", "environment", "id"),
        Index("ix_task_traces_started", "started_at", "id"),
        Index("ix_task_traces_parent", "parent_trace_id"),
        Index("ix_task_traces_owner", "owner_process_id", "status"),
        # What failed, by reason and in order of time. The status stands in front although all have it: SQLite chooses
        # an index by the columns that are compared.
        Index(
            "ix_task_traces_failed",
            "status",
            "reason_code",
            "end_reason",
            "ended_at",
            sqlite_where=text("status IN ('failed', 'interrupted')"),
            postgresql_where=text("status IN ('failed', 'interrupted')"),
        ),
        # What a process that dies may leave behind.
        Index(
            "ix_task_traces_open",
            "owner_process_id",
            sqlite_where=text("closed IS 0"),
            postgresql_where=text("closed IS false"),
        ),
        # A number is never given twice, so rows that come late for a deleted trace cannot land in another.
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(_ROW_ID, primary_key=True, autoincrement=True))
    trace_id: str = Field(sa_type=String(32), unique=True)
    name: str | None = None
    session_id: str | None = None
    message_id: str | None = None
    client_message_id: str | None = None
    actor: str | None = None
    actor_is_admin: bool = False
    status: str
    end_reason: str | None = None
    reason_code: str | None = None
    error: str | None = Field(default=None, sa_column=_text())
    trace_level: str = "full"
    enabled_by: str
    environment: str
    method: str | None = None
    path: str | None = None
    client: str | None = None
    http_status: int | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    framing: str | None = None
    wire_format: str | None = None
    model: str | None = None
    finish_reason: str | None = None
    input_tokens: int | None = Field(default=None, sa_type=BigInteger)
    output_tokens: int | None = Field(default=None, sa_type=BigInteger)
    usage: str | None = Field(default=None, sa_column=_text())
    tool_calls: int = 0
    prompt_preview: str | None = Field(default=None, sa_column=_text())
    answer_preview: str | None = Field(default=None, sa_column=_text())
    first_byte_us: int | None = Field(default=None, sa_type=BigInteger)
    first_frame_us: int | None = Field(default=None, sa_type=BigInteger)
    first_content_us: int | None = Field(default=None, sa_type=BigInteger)
    first_delivered_us: int | None = Field(default=None, sa_type=BigInteger)
    longest_silence_us: int = Field(default=0, sa_type=BigInteger)
    send_blocked_us: int = Field(default=0, sa_type=BigInteger)
    stalled: bool = False
    frames: int = Field(default=0, sa_type=BigInteger)
    keepalives: int = Field(default=0, sa_type=BigInteger)
    events_seen: int = Field(default=0, sa_type=BigInteger)
    events_stored: int = Field(default=0, sa_type=BigInteger)
    events_dropped: int = Field(default=0, sa_type=BigInteger)
    bytes_seen: int = Field(default=0, sa_type=BigInteger)
    bytes_stored: int = Field(default=0, sa_type=BigInteger)
    bytes_dropped: int = Field(default=0, sa_type=BigInteger)
    frames_undecoded: int = Field(default=0, sa_type=BigInteger)
    payloads_cut: int = 0
    payloads_redacted: int = 0
    payloads_deleted: bool = False
    last_seq: int = Field(default=0, sa_type=BigInteger)
    started_at: int = Field(sa_type=BigInteger)
    ended_at: int | None = Field(default=None, sa_type=BigInteger)
    duration_ms: int | None = Field(default=None, sa_type=BigInteger)
    last_event_at: int = Field(sa_type=BigInteger)
    closed: bool = Field(default=False, sa_column_kwargs={"server_default": true()})
    parent_trace_id: str | None = Field(default=None, sa_type=String(32))
    parent_span_id: str | None = Field(default=None, sa_type=String(16))
    root_trace_id: str | None = Field(default=None, sa_type=String(32))
    traceparent: str | None = None
    tracestate: str | None = None
    owner_process_id: str = Field(sa_type=String(32))
    metadata_: str | None = Field(default=None, sa_column=Column("metadata", Text, nullable=True))


TRACE_COLUMNS = tuple(column.name for column in Table.metadata.tables["task_traces"].columns if column.name != "id")
"""The columns of a trace, without the key that the database gives it."""


class TaskTraceEvent(Table, table=True):
    """One event, or a block of stream frames: then `frames` holds them packed and seq runs to `last_seq`.

    A block may leave out numbers between `seq` and `last_seq`; those events have rows of their own.
    """

    __tablename__: ClassVar[Any] = "task_trace_events"
    __table_args__ = (
        # Finds the block in which a number lies, past any number of single rows between.
        Index(
            "ix_task_trace_events_frames",
            "trace_key",
            "seq",
            sqlite_where=text("frames IS NOT NULL"),
            postgresql_where=text("frames IS NOT NULL"),
        ),
    )

    trace_key: int = Field(sa_column=_trace_key())
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    last_seq: int = Field(sa_type=BigInteger)
    event_type: str
    timestamp: int = Field(sa_type=BigInteger)
    span_id: str | None = Field(default=None, sa_type=String(16))
    phase: str | None = None
    payload: str | None = Field(default=None, sa_column=_text())
    frames: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    sealed: bool = False


class TaskTraceText(Table, table=True):
    """What a trace says, as text: kind is `prompt`, `answer` or `reasoning`. Derived; read by search and by people."""

    __tablename__: ClassVar[Any] = "task_trace_texts"

    trace_key: int = Field(sa_column=_trace_key())
    kind: str = Field(primary_key=True)
    text: str = Field(sa_column=Column(Text, nullable=False))
    folded: str = Field(sa_column=Column(Text, nullable=False))


class TaskTraceSpan(Table, table=True):
    """One step of a trace."""

    __tablename__: ClassVar[Any] = "task_trace_spans"
    # No index holds the heartbeat: it changes often, and what is open is little.
    __table_args__ = (
        Index(
            "ix_task_trace_spans_open",
            "trace_key",
            "started_at",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "ix_task_trace_spans_failed",
            "status",
            "reason_code",
            "layer",
            "ended_at",
            sqlite_where=text("status = 'failed'"),
            postgresql_where=text("status = 'failed'"),
        ),
        Index("ix_task_trace_spans_layer", "layer", "status", "started_at", "ended_at"),
    )

    trace_key: int = Field(sa_column=_trace_key())
    span_id: str = Field(sa_column=Column(String(16), primary_key=True))
    parent_span_id: str | None = Field(default=None, sa_type=String(16))
    layer: str | None = None
    step_name: str
    kind: str | None = None
    status: str
    reason_code: str | None = None
    started_at: int = Field(sa_type=BigInteger)
    ended_at: int | None = Field(default=None, sa_type=BigInteger)
    heartbeat_at: int | None = Field(default=None, sa_type=BigInteger)
    input_summary: str | None = Field(default=None, sa_column=_text())
    output_summary: str | None = Field(default=None, sa_column=_text())
    error: str | None = Field(default=None, sa_column=_text())
    artifacts: str | None = Field(default=None, sa_column=_text())


class TaskTraceIngested(Table, table=True):
    """An event that another program sent under an id of its own, by a digest of that, and the number that it got."""

    __tablename__: ClassVar[Any] = "task_trace_ingested"
    __table_args__ = ({"sqlite_with_rowid": False},)

    trace_key: int = Field(sa_column=_trace_key())
    event_id: str = Field(sa_column=Column(String(128), primary_key=True))
    seq: int = Field(sa_type=BigInteger)


class TaskTraceProcess(Table, table=True):
    """One recording process, while it lives and after."""

    __tablename__: ClassVar[Any] = "task_trace_processes"
    __table_args__ = (Index("ix_task_trace_processes_heartbeat", "ended_at", "heartbeat_at"),)

    process_id: str = Field(sa_column=Column(String(32), primary_key=True))
    host: str
    pid: int
    role: str
    version: str | None = None
    parent_run: str | None = None
    started_at: int = Field(sa_type=BigInteger)
    heartbeat_at: int = Field(sa_type=BigInteger)
    ended_at: int | None = Field(default=None, sa_type=BigInteger)
    counters: str | None = Field(default=None, sa_column=_text())


class SystemSetting(Table, table=True):
    """One runtime setting that was changed; a key without a row has its first value. `value` is JSON."""

    __tablename__: ClassVar[Any] = "system_settings"

    key: str = Field(primary_key=True)
    value: str = Field(sa_column=Column(Text, nullable=False))
    updated_at: int = Field(sa_type=BigInteger)
    updated_by: str


class SystemSettingAudit(Table, table=True):
    """One change of one runtime setting. The greatest id is the version of the settings as a whole."""

    __tablename__: ClassVar[Any] = "system_settings_audit"
    # A version is not used again, even if the newest row should be deleted.
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: int | None = Field(default=None, sa_column=Column(_ROW_ID, primary_key=True, autoincrement=True))
    key: str
    old_value: str | None = Field(default=None, sa_column=_text())
    new_value: str = Field(sa_column=Column(Text, nullable=False))
    changed_at: int = Field(sa_type=BigInteger)
    changed_by: str
