"""Workspaces that nobody needs: found, measured, and removed where somebody asks for it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from command_line import on
from recorders import recording, written
from trace_rows import START, frames, write_trace

from tracekit.errors import NotFound, WrongState
from tracekit.garbage import INACTIVE_US, GarbageCollector
from tracekit.ids import new_id
from tracekit.store import Database, TraceStore
from tracekit.workspaces import Workspaces

HOUR_US = 3_600_000_000
NOW = START + 30 * 24 * HOUR_US


def an_id(number: int) -> str:
    """An id of a trace that began long ago."""
    return f"{number:032x}"


@pytest.fixture
def workspaces(tmp_path: Path) -> Workspaces:
    return Workspaces(tmp_path / "spaces")


@pytest.fixture
def collector(database: Database, workspaces: Workspaces) -> GarbageCollector:
    return GarbageCollector(TraceStore(database), workspaces, lambda: NOW)


def made(workspaces: Workspaces, trace_id: str, size: int = 10, changed_at: int = START) -> str:
    """A workspace with one file, and when it was changed."""
    folder = workspaces.folder(trace_id)
    assert folder is not None
    (folder / "file").write_bytes(b"x" * size)
    for path in (folder / "file", folder):
        os.utime(path, ns=(changed_at * 1000, changed_at * 1000))
    return trace_id


def test_garbage_is_what_has_no_trace_or_one_that_rests(
    database: Database, workspaces: Workspaces, collector: GarbageCollector
):
    """A week without an event is the limit, also for a trace that says it still runs."""
    gone = made(workspaces, an_id(1), size=7, changed_at=NOW - HOUR_US)
    resting, running, busy = (
        made(workspaces, write_trace(database, frames(2), trace_id=an_id(number), status=status, last_event_at=at))
        for number, status, at in (
            (2, "completed", NOW - INACTIVE_US),
            (3, "running", NOW - INACTIVE_US - HOUR_US),
            (4, "completed", NOW - INACTIVE_US + 1),
        )
    )
    found = {item.trace_id: item for item in collector.all()}
    assert list(found) == [gone, resting, running]
    assert busy not in found
    assert (found[gone].reason, found[gone].bytes, found[gone].files) == ("gone", 7, 1)
    assert (found[gone].last_active_at, found[gone].age_s) == (NOW - HOUR_US, 3600)
    assert (found[resting].reason, found[resting].bytes, found[resting].age_s) == ("inactive", 10, 7 * 86_400)


def test_a_trace_that_has_only_begun_is_no_garbage(database: Database, workspaces: Workspaces):
    """It may not be in the database yet. A minute later it is, or never will be."""
    now = time.time_ns() // 1000
    trace_id = made(workspaces, new_id())
    store = TraceStore(database)
    assert not list(GarbageCollector(store, workspaces, lambda: now).all())
    with pytest.raises(WrongState):
        GarbageCollector(store, workspaces, lambda: now).remove(trace_id)
    assert [item.trace_id for item in GarbageCollector(store, workspaces, lambda: now + 70_000_000).all()] == [trace_id]


def test_pages_hold_each_once(database: Database, workspaces: Workspaces, collector: GarbageCollector):
    """However many there are, and whatever stands between them."""
    garbage = [made(workspaces, an_id(number)) for number in range(1, 24, 2)]
    for number in range(2, 24, 2):
        made(workspaces, write_trace(database, [], trace_id=an_id(number), last_event_at=NOW))
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = collector.page(limit=5, cursor=cursor)
        assert len(page.items) <= 5
        found += [item.trace_id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == garbage


def test_only_garbage_is_removed(database: Database, workspaces: Workspaces, collector: GarbageCollector):
    """What is in use stays, what is not there is told."""
    gone = made(workspaces, an_id(1))
    busy = made(workspaces, write_trace(database, [], trace_id=an_id(2), last_event_at=NOW))
    assert collector.remove(gone).bytes == 10
    with pytest.raises(WrongState, match="active within"):
        collector.remove(busy)
    for unknown in (gone, an_id(99), "../spaces", ""):
        with pytest.raises(NotFound):
            collector.remove(unknown)
    assert workspaces.names() == [busy]


def test_without_a_root_there_is_no_garbage(database: Database):
    """Nothing to list, nothing to remove."""
    collector = GarbageCollector(TraceStore(database), Workspaces(None))
    assert collector.page().items == []
    with pytest.raises(NotFound):
        collector.remove(an_id(1))


def test_a_real_trace_and_its_workspace(sqlite_url: str, tmp_path: Path):
    """Recorded, in use, deleted behind our back by another database's doing, found, removed."""
    with recording(sqlite_url, workspace_dir=tmp_path / "spaces") as recorder:
        with recorder.trace("job") as trace:
            folder = trace.workspace()
        written(recorder)
        later = time.time_ns() // 1000 + 8 * 24 * HOUR_US
        assert folder is not None
        assert not list(GarbageCollector(recorder.store, recorder.workspaces).all())
        (item,) = GarbageCollector(recorder.store, recorder.workspaces, lambda: later).all()
        assert (item.trace_id, item.reason, item.files) == (folder.name, "inactive", 0)


def test_prune_removes_garbage_where_it_is_asked_to(database: Database, workspaces: Workspaces):
    """A dry run tells the same and removes nothing; traces are not touched."""
    old = write_trace(database, frames(2), trace_id=an_id(3))
    for trace_id in (an_id(1), an_id(2), old):
        made(workspaces, trace_id)
    root = str(workspaces.root)
    dry = on(database, "prune", "--garbage", "--dry-run", "--json", TRACEKIT_WORKSPACE_DIR=root)
    assert json.loads(dry.out) == {"dry_run": True, "workspaces": 3, "bytes": 30, "kept": 0}
    assert len(workspaces.names()) == 3
    done = on(database, "prune", "--garbage", TRACEKIT_WORKSPACE_DIR=root)
    assert (done.status, done.out) == (0, "deleted 3 workspaces (30 B)\n")
    assert workspaces.names() == []
    assert TraceStore(database).exists(old)


def test_prune_of_traces_takes_their_workspaces(database: Database, workspaces: Workspaces):
    """The command line knows the folder from the environment, as the app does."""
    trace_id = made(workspaces, write_trace(database, frames(2)))
    made(workspaces, an_id(1))
    done = on(database, "prune", "--older-than-days", "7", TRACEKIT_WORKSPACE_DIR=str(workspaces.root))
    assert done.status == 0
    assert workspaces.names() == [an_id(1)]
    assert not TraceStore(database).exists(trace_id)


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("--garbage",), {}, "TRACEKIT_WORKSPACE_DIR"),
        (("--garbage", "--older-than-days", "3"), {"TRACEKIT_WORKSPACE_DIR": "/nowhere"}, "--older-than-days"),
    ],
)
def test_what_prune_needs_for_garbage(
    database: Database, arguments: tuple[str, ...], environment: dict[str, str], said: str
):
    """A folder, and no age: that is about traces."""
    done = on(database, "prune", *arguments, **environment)
    assert (done.status, len(done.err.splitlines())) == (2, 1)
    assert said in done.err
