"""Indexes for what is open, what failed, and how layers do"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Indexes for what is open, what failed, and how layers do"""
    op.create_index(
        "ix_task_traces_failed",
        "task_traces",
        ["status", "reason_code", "end_reason", "ended_at"],
        unique=False,
        sqlite_where=sa.text("status IN ('failed', 'interrupted')"),
        postgresql_where=sa.text("status IN ('failed', 'interrupted')"),
    )
    op.drop_index("ix_task_trace_spans_status", table_name="task_trace_spans")
    op.create_index(
        "ix_task_trace_spans_failed",
        "task_trace_spans",
        ["status", "reason_code", "layer", "ended_at"],
        unique=False,
        sqlite_where=sa.text("status = 'failed'"),
        postgresql_where=sa.text("status = 'failed'"),
    )
    op.create_index(
        "ix_task_trace_spans_layer",
        "task_trace_spans",
        ["layer", "status", "started_at", "ended_at"],
        unique=False,
    )
    op.create_index(
        "ix_task_trace_spans_open",
        "task_trace_spans",
        ["trace_key", "started_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_index("ix_task_trace_spans_open", table_name="task_trace_spans")
    op.drop_index("ix_task_trace_spans_layer", table_name="task_trace_spans")
    op.drop_index("ix_task_trace_spans_failed", table_name="task_trace_spans")
    op.create_index("ix_task_trace_spans_status", "task_trace_spans", ["status", "heartbeat_at"], unique=False)
    op.drop_index("ix_task_traces_failed", table_name="task_traces")
