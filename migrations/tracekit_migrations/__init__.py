"""The Alembic environment of tracekit's tables, and their versions."""
