"""The example plugin is a project of its own: `test_example_plugin.py` installs it and runs its tests."""

from __future__ import annotations

collect_ignore = ["example_plugin"]
