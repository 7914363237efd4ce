"""Events from other programs, and whether a trace can still grow"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Events from other programs, and whether a trace can still grow"""
    op.add_column("task_traces", sa.Column("closed", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.execute("UPDATE task_traces SET closed = false WHERE status = 'running'")
    op.create_index(
        "ix_task_traces_open",
        "task_traces",
        ["owner_process_id"],
        unique=False,
        sqlite_where=sa.text("closed IS 0"),
        postgresql_where=sa.text("closed IS false"),
    )
    op.create_table(
        "task_trace_ingested",
        sa.Column(
            "trace_key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("event_id", sa.String(length=128), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["trace_key"],
            ["task_traces.id"],
            name=op.f("fk_task_trace_ingested_trace_key_task_traces"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("trace_key", "event_id", name=op.f("pk_task_trace_ingested")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_table("task_trace_ingested")
    op.drop_index("ix_task_traces_open", table_name="task_traces")
    op.drop_column("task_traces", "closed")
