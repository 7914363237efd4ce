"""Workspaces: one folder per trace id under a root that the operator chose, for the artifacts of a run.

Nothing but folders named by a trace id, directly in the root, is ever looked at or removed.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tracekit.errors import InvalidInput, NotFound, WrongState
from tracekit.folder_trees import Usage, opened_folder, remove_tree, tree_usage
from tracekit.ids import parse_id

__all__ = ["Workspaces"]

logger = logging.getLogger("tracekit.workspaces")

_NAME = re.compile(r"[0-9a-f]{32}")


class Workspaces:
    """The workspaces under one root; none at all where there is no root. Safe to use from any thread and process."""

    def __init__(self, root: Path | None) -> None:
        """`root`: the folder that holds them; made when the first one is."""
        self.root = root
        self._told = False

    def folder(self, trace_id: str) -> Path | None:
        """The workspace of a trace, made if it is not there: nobody but its owner may look into it.

        None where there is no root, or it cannot be made. The first such fault is logged; none is raised, since a
        chat does not fail for want of a folder. Takes a system call or two.
        """
        if self.root is None:
            return None
        try:
            path = self._made(self.root, parse_id(trace_id))
        except (OSError, InvalidInput) as error:
            if not self._told:
                logger.error("no workspace can be made in %s: %s", self.root, error)
            self._told = True
            return None
        self._told = False
        return path

    def _made(self, root: Path, name: str) -> Path:
        path = root / name
        try:
            path.mkdir(mode=0o700)
        except FileNotFoundError:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError:
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise NotADirectoryError(f"{path} is no folder") from None
        return path

    def names(self) -> list[str]:
        """The ids of the traces that have a workspace, in order.

        Raises:
            WrongState: the root cannot be read.
        """
        if self.root is None:
            return []
        try:
            with os.scandir(self.root) as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if _NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
                )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise WrongState(f"the workspaces in {self.root} cannot be listed: {error.strerror}") from None

    def usage(self, trace_id: str) -> Usage:
        """What a workspace holds.

        Raises:
            NotFound: there is none.
            WrongState: it cannot be read.
        """
        with self._inside(trace_id) as (name, root):
            return tree_usage(name, root)

    def remove(self, trace_id: str) -> None:
        """Remove a workspace with all it holds.

        Raises:
            NotFound: there is none.
            WrongState: something in it cannot be removed; the rest is gone.
        """
        with self._inside(trace_id) as (name, root):
            remove_tree(name, root)

    def discard(self, trace_ids: Iterable[str]) -> None:
        """Remove the workspaces of traces that are gone, as far as there are any. Does not raise: what cannot be
        removed stays, is logged, and is found as garbage."""
        for trace_id in trace_ids if self.root is not None else ():
            try:
                self.remove(trace_id)
            except NotFound:
                continue
            except WrongState as error:
                logger.warning("%s", error)

    @contextmanager
    def _inside(self, trace_id: str) -> Iterator[tuple[str, int]]:
        """The name of a workspace, and the descriptor of the root; errors of the file system as ours."""
        try:
            name = parse_id(trace_id)
        except InvalidInput:
            raise NotFound(f"no workspace can belong to {trace_id[:64]!r}") from None
        if self.root is None:
            raise NotFound("there are no workspaces: TRACEKIT_WORKSPACE_DIR is not set")
        try:
            with opened_folder(self.root) as root:
                yield name, root
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"there is no workspace of {name}") from None
        except OSError as error:
            raise WrongState(f"the workspace of {name}: {error.strerror or error}") from None
