"""The first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The first tables"""
    op.create_table(
        "system_settings",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_system_settings")),
    )
    op.create_table(
        "system_settings_audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("old_value", sa.Text(), nullable=True),
        sa.Column("new_value", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_system_settings_audit")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "task_trace_processes",
        sa.Column("process_id", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("parent_run", sa.String(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("counters", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_task_trace_processes")),
    )
    op.create_index(
        "ix_task_trace_processes_heartbeat", "task_trace_processes", ["ended_at", "heartbeat_at"], unique=False
    )

    op.create_table(
        "task_traces",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("session_id", sa.String(), nullable=True),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("client_message_id", sa.String(), nullable=True),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("actor_is_admin", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.Column("reason_code", sa.String(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("trace_level", sa.String(), nullable=False),
        sa.Column("enabled_by", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=True),
        sa.Column("path", sa.String(), nullable=True),
        sa.Column("client", sa.String(), nullable=True),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("content_type", sa.String(), nullable=True),
        sa.Column("content_encoding", sa.String(), nullable=True),
        sa.Column("framing", sa.String(), nullable=True),
        sa.Column("wire_format", sa.String(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("finish_reason", sa.String(), nullable=True),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("usage", sa.Text(), nullable=True),
        sa.Column("tool_calls", sa.Integer(), nullable=False),
        sa.Column("prompt_preview", sa.Text(), nullable=True),
        sa.Column("answer_preview", sa.Text(), nullable=True),
        sa.Column("first_byte_us", sa.BigInteger(), nullable=True),
        sa.Column("first_frame_us", sa.BigInteger(), nullable=True),
        sa.Column("first_content_us", sa.BigInteger(), nullable=True),
        sa.Column("first_delivered_us", sa.BigInteger(), nullable=True),
        sa.Column("longest_silence_us", sa.BigInteger(), nullable=False),
        sa.Column("send_blocked_us", sa.BigInteger(), nullable=False),
        sa.Column("stalled", sa.Boolean(), nullable=False),
        sa.Column("frames", sa.BigInteger(), nullable=False),
        sa.Column("keepalives", sa.BigInteger(), nullable=False),
        sa.Column("events_seen", sa.BigInteger(), nullable=False),
        sa.Column("events_stored", sa.BigInteger(), nullable=False),
        sa.Column("events_dropped", sa.BigInteger(), nullable=False),
        sa.Column("bytes_seen", sa.BigInteger(), nullable=False),
        sa.Column("bytes_stored", sa.BigInteger(), nullable=False),
        sa.Column("bytes_dropped", sa.BigInteger(), nullable=False),
        sa.Column("frames_undecoded", sa.BigInteger(), nullable=False),
        sa.Column("payloads_cut", sa.Integer(), nullable=False),
        sa.Column("payloads_redacted", sa.Integer(), nullable=False),
        sa.Column("payloads_deleted", sa.Boolean(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("last_event_at", sa.BigInteger(), nullable=False),
        sa.Column("parent_trace_id", sa.String(length=32), nullable=True),
        sa.Column("parent_span_id", sa.String(length=16), nullable=True),
        sa.Column("root_trace_id", sa.String(length=32), nullable=True),
        sa.Column("traceparent", sa.String(), nullable=True),
        sa.Column("tracestate", sa.String(), nullable=True),
        sa.Column("owner_process_id", sa.String(length=32), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_traces")),
        sa.UniqueConstraint("trace_id", name=op.f("uq_task_traces_trace_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_task_traces_actor", "task_traces", ["actor", "id"], unique=False)
    op.create_index("ix_task_traces_end_reason", "task_traces", ["end_reason", "id"], unique=False)
    op.create_index("ix_task_traces_environment", "task_traces", ["environment", "id"], unique=False)
    op.create_index("ix_task_traces_model", "task_traces", ["model", "id"], unique=False)
    op.create_index("ix_task_traces_owner", "task_traces", ["owner_process_id", "status"], unique=False)
    op.create_index("ix_task_traces_parent", "task_traces", ["parent_trace_id"], unique=False)
    op.create_index("ix_task_traces_session", "task_traces", ["session_id", "id"], unique=False)
    op.create_index("ix_task_traces_started", "task_traces", ["started_at", "id"], unique=False)
    op.create_index("ix_task_traces_status", "task_traces", ["status", "id"], unique=False)

    op.create_table(
        "task_trace_events",
        sa.Column(
            "trace_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("span_id", sa.String(length=16), nullable=True),
        sa.Column("phase", sa.String(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("frames", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trace_key"],
            ["task_traces.id"],
            name=op.f("fk_task_trace_events_trace_key_task_traces"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trace_key", "seq", name=op.f("pk_task_trace_events")),
    )
    op.create_index(
        "ix_task_trace_events_frames",
        "task_trace_events",
        ["trace_key", "seq"],
        unique=False,
        sqlite_where=sa.text("frames IS NOT NULL"),
        postgresql_where=sa.text("frames IS NOT NULL"),
    )
    op.create_table(
        "task_trace_spans",
        sa.Column(
            "trace_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("span_id", sa.String(length=16), nullable=False),
        sa.Column("parent_span_id", sa.String(length=16), nullable=True),
        sa.Column("layer", sa.String(), nullable=True),
        sa.Column("step_name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason_code", sa.String(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("heartbeat_at", sa.BigInteger(), nullable=True),
        sa.Column("input_summary", sa.Text(), nullable=True),
        sa.Column("output_summary", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("artifacts", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["trace_key"],
            ["task_traces.id"],
            name=op.f("fk_task_trace_spans_trace_key_task_traces"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trace_key", "span_id", name=op.f("pk_task_trace_spans")),
    )
    op.create_index("ix_task_trace_spans_status", "task_trace_spans", ["status", "heartbeat_at"], unique=False)

    op.create_table(
        "task_trace_texts",
        sa.Column(
            "trace_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trace_key"],
            ["task_traces.id"],
            name=op.f("fk_task_trace_texts_trace_key_task_traces"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trace_key", "kind", name=op.f("pk_task_trace_texts")),
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_table("task_trace_texts")
    op.drop_index("ix_task_trace_spans_status", table_name="task_trace_spans")

    op.drop_table("task_trace_spans")
    op.drop_table("task_trace_events")
    op.drop_index("ix_task_traces_status", table_name="task_traces")
    op.drop_index("ix_task_traces_started", table_name="task_traces")
    op.drop_index("ix_task_traces_session", table_name="task_traces")
    op.drop_index("ix_task_traces_parent", table_name="task_traces")
    op.drop_index("ix_task_traces_owner", table_name="task_traces")
    op.drop_index("ix_task_traces_model", table_name="task_traces")
    op.drop_index("ix_task_traces_environment", table_name="task_traces")
    op.drop_index("ix_task_traces_end_reason", table_name="task_traces")
    op.drop_index("ix_task_traces_actor", table_name="task_traces")

    op.drop_table("task_traces")
    op.drop_index("ix_task_trace_processes_heartbeat", table_name="task_trace_processes")

    op.drop_table("task_trace_processes")
    op.drop_table("system_settings_audit")
    op.drop_table("system_settings")
