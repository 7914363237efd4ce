"""tracekit as it will be after one more migration: a copy of the real ones and one step more, run in processes that
find it before the installed one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from python_processes import environment

from tracekit.store import Database

_LATER = '''"""A later step."""
import os, time
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade():
    marks = iter("0123456789")

    def mark():
        number = next(marks)
        print("at", number, flush=True)
        if os.environ.get("STOP_AT") == number:
            time.sleep(60)

    mark()
    with op.batch_alter_table("task_traces") as batch:
        batch.add_column(sa.Column("extra", sa.Integer(), nullable=False, server_default="7"))
        batch.alter_column("name", new_column_name="title")
    mark()
    columns = "key, new_value, changed_at, changed_by"
    op.execute(f"INSERT INTO system_settings_audit ({{columns}}) VALUES ('k', 'v', 0, 'step')")
    mark()
    op.create_table("later", sa.Column("id", sa.Integer(), primary_key=True))
    mark()
    {end}
'''

_SCRIPT = """
import os, resource, sys
if limit := os.environ.get("FILE_LIMIT"):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
from tracekit.errors import TracekitError
from tracekit.store import Database
from tracekit.store.schema import ensure, state, upgrade
database = Database(sys.argv[1])
try:
    {"ensure": ensure, "upgrade": upgrade}[sys.argv[2]](database)
    print(state(database).status)
except TracekitError as error:
    print(type(error).__name__, error)
database.close()
"""


class LaterVersion:
    """tracekit as it will be after one more migration."""

    def __init__(self, folder: Path, end: str) -> None:
        package = folder / "tracekit_migrations"
        shutil.copytree(str(files("tracekit_migrations")), package, ignore=shutil.ignore_patterns("__pycache__"))
        newest = max(path.name[:4] for path in (package / "versions").glob("0*.py"))
        self.revision = f"{int(newest) + 1:04}"
        text = _LATER.format(revision=self.revision, before=newest, end=end)
        (package / "versions" / f"{self.revision}_later.py").write_text(text)
        self._folder = str(folder)

    def start(self, database: Database, action: str = "ensure", **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, database.url.render_as_string(hide_password=False), action],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(self._folder, **variables),
        )

    def run(self, database: Database, action: str = "ensure", **variables: str) -> str:
        with self.start(database, action, **variables) as process:
            output, problems = process.communicate(timeout=60)
        assert process.returncode == 0, problems
        return output.splitlines()[-1]
