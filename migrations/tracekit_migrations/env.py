"""What Alembic runs: on the connection that tracekit hands over, or, from Alembic's own command line, on the database
that `TRACEKIT_DATABASE_URL` names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from tracekit.config import Options, load
from tracekit.models import Table
from tracekit.store.engine import Database
from tracekit.store.schema import VERSION_TABLE

_metadata = Table.metadata


def _is_ours(name: str | None, kind: str, _: Any) -> bool:
    """Tables of the host in the same database are none of our business."""
    return kind != "table" or name in _metadata.tables


def _tell(ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]) -> None:
    on_step = context.config.attributes.get("on_step")
    if on_step is not None:
        what = step.up_revision.doc if isinstance(step.up_revision, Script) else ""
        on_step(f"{step.up_revision_id} {what}".strip())


def _number(ctx: MigrationContext, revision: Any, directives: list[MigrationScript]) -> None:
    """Revisions are numbers in order, so that their order can be seen and a newer one is known for what it is."""
    head = ScriptDirectory.from_config(context.config).get_current_head()
    for directive in directives:
        directive.rev_id = f"{int(head or 0) + 1:04}"


def _run(connection: Connection) -> None:
    """In the transaction that is open already."""
    context.configure(
        connection=connection,
        target_metadata=_metadata,
        version_table=VERSION_TABLE,
        include_name=_is_ours,
        # SQLite can hardly alter a table; Alembic then makes it anew and copies the rows.
        render_as_batch=connection.dialect.name == "sqlite",
        on_version_apply=_tell,
        process_revision_directives=_number,
    )
    context.run_migrations()


def _print_sql(database: Database) -> None:
    """For those who let nobody but themselves change a schema: `alembic upgrade head --sql`."""
    context.configure(
        dialect_name=database.dialect,
        target_metadata=_metadata,
        version_table=VERSION_TABLE,
        literal_binds=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _main() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        return _run(connection)
    options, _ = load(Options)
    database = Database(options.database_url)
    if context.is_offline_mode():
        return _print_sql(database)
    with database.migrating() as opened:
        return _run(opened)


_main()
