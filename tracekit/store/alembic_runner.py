"""Runs the migrations with Alembic, on a connection whose transaction is open already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

__all__ = ["run"]

# Alembic keeps the running migration in module variables, so one at a time.
_one_at_a_time = Lock()


def run(connection: Connection, folder: Path, version_table: str, on_step: Callable[[str], None] | None) -> None:
    """Run the migrations of `folder` up to the newest. Their environment leaves the transaction alone.

    Raises:
        alembic.util.CommandError: the folder's revisions do not lead there.
        Exception: whatever a migration raises.
    """
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=version_table, on_step=on_step)
    with _one_at_a_time:
        command.upgrade(config, "head")
