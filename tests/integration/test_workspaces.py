"""Workspaces: a folder for a trace, gone with it, and never anything else."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asgi import END, Wire, body, request, run, start
from chat_events import DONE, event
from hypothesis import example, given
from hypothesis import strategies as st
from recorders import recording, written
from trace_rows import START, frames, write_trace

import tracekit
from tracekit import Recorder, TraceMiddleware, folder_trees
from tracekit.config import SystemSettings
from tracekit.errors import NotFound, WrongState
from tracekit.ids import new_id
from tracekit.retention import RetentionSweeper
from tracekit.store import Database, TraceStore
from tracekit.workspaces import Workspaces

ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "work" / "spaces"


@pytest.fixture
def workspaces(root: Path) -> Workspaces:
    return Workspaces(root)


@pytest.fixture
def recorder(sqlite_url: str, root: Path) -> Iterator[Recorder]:
    with recording(sqlite_url, workspace_dir=root) as made:
        yield made


def made(workspaces: Workspaces, trace_id: str = ID) -> Path:
    """A workspace with files, a folder of folders, and a pipe that nobody reads."""
    folder = workspaces.folder(trace_id)
    assert folder is not None
    (folder / "answer.txt").write_text("12345")
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "more.bin").write_bytes(b"x" * 100)
    os.mkfifo(folder / "a" / "pipe")
    return folder


# Asking for one


def test_an_app_gets_a_folder_that_nobody_else_can_read(recorder: Recorder, root: Path):
    """Made on the first call, with the id of the trace for its name; the same on every call."""
    folders: list[Path | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        folders.extend([tracekit.current_trace().workspace(), tracekit.current_trace().workspace()])
        for message in (start(), body(event(1)), body(DONE), END):
            await send(message)

    outcome = run(TraceMiddleware(app, recorder), Wire([request()]))
    assert folders == [root / str(outcome.header("x-trace-id"))] * 2
    assert stat.S_IMODE(folders[0].stat().st_mode) == 0o700  # type: ignore[union-attr]
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_a_job_gets_one_too(recorder: Recorder, root: Path):
    """Runs outside HTTP have artifacts above all."""
    with recorder.trace("nightly-import") as trace:
        assert trace.workspace() == root / str(trace.trace_id)


def test_without_a_folder_for_them_there_are_none(sqlite_url: str):
    """Nothing is made in a place that nobody chose, and nothing is raised."""
    with recording(sqlite_url) as recorder, recorder.trace("job") as trace:
        assert trace.recording
        assert trace.workspace() is None


def test_where_nothing_is_recorded_there_is_none(sqlite_url: str, root: Path):
    """No trace, no workspace."""
    with recording(sqlite_url, {"task_trace_enabled": False}, workspace_dir=root) as recorder:
        with recorder.trace("job") as trace:
            assert trace.workspace() is None
        assert tracekit.current_trace().workspace() is None
    assert not root.exists()


@pytest.mark.parametrize("obstacle", ["file as root", "file as workspace", "link as workspace", "loop as root"])
def test_a_folder_that_cannot_be_made_breaks_nothing(
    tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture, obstacle: str
):
    """None is answered, and the log says why, once."""
    root.mkdir(parents=True)
    place = root / ID
    match obstacle:
        case "file as root":
            root.rmdir()
            root.write_text("")
        case "file as workspace":
            place.write_text("")
        case "link as workspace":
            place.symlink_to(tmp_path)
        case _:
            root.rmdir()
            root.symlink_to(root)
    workspaces = Workspaces(root)
    assert [workspaces.folder(ID) for _ in range(3)] == [None] * 3
    assert len(caplog.records) == 1


def test_many_ask_at_once(workspaces: Workspaces):
    """Threads and processes may be the first together."""
    found: list[Path | None] = []
    threads = [threading.Thread(target=lambda: found.append(workspaces.folder(ID))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len(set(found)) == 1


def test_the_folder_is_the_one_that_was_meant_at_the_start(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A relative name means a place, wherever the process goes later; an empty one means none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACEKIT_WORKSPACE_DIR", "spaces")
    assert Recorder(sqlite_url).workspaces.root == tmp_path / "spaces"
    monkeypatch.setenv("TRACEKIT_WORKSPACE_DIR", "")
    assert Recorder(sqlite_url).workspaces.root is None


# Gone with the trace


def test_retention_takes_the_workspace_with_the_trace(database: Database, workspaces: Workspaces):
    """Of old traces, and of no others."""
    store = TraceStore(database, on_deleted=workspaces.discard)
    old, large, young = (
        write_trace(database, frames(count), started_at=started)
        for count, started in ((3, START), (1500, START), (3, START + 90 * 86_400_000_000))
    )
    for trace_id in (old, large, young):
        made(workspaces, trace_id)
    now = START + 91 * 86_400_000_000
    settings = SystemSettings.model_validate({"task_trace_retention_days": 7})
    result = RetentionSweeper(store, lambda: settings, lambda: now).run(threading.Event())
    assert result.traces == 2
    assert workspaces.names() == [young]


def test_a_trace_that_is_deleted_takes_its_workspace(recorder: Recorder, root: Path):
    """By whatever way; but what still runs goes on working in it."""
    with recorder.trace("job") as trace:
        folder, trace_id = trace.workspace(), str(trace.trace_id)
        written(recorder)
        assert recorder.store.delete(trace_id)
        assert folder is not None
        assert folder.is_dir()
    with recorder.trace("job") as trace:
        folder, trace_id = trace.workspace(), str(trace.trace_id)
    written(recorder)
    assert recorder.store.delete(trace_id)
    assert not folder.exists()
    assert root.is_dir()


def test_payloads_that_go_earlier_leave_the_workspace(database: Database, workspaces: Workspaces):
    """It goes with its trace, and the trace stays."""
    store = TraceStore(database, on_deleted=workspaces.discard)
    trace_id = write_trace(database, frames(3))
    made(workspaces, trace_id)
    assert sum(store.delete_payloads_before(START + 1)) == 1
    assert workspaces.names() == [trace_id]


def test_what_cannot_be_removed_does_not_stop_the_deletion(
    database: Database, workspaces: Workspaces, caplog: pytest.LogCaptureFixture
):
    """The trace is gone, the log says what is left; it is found as garbage."""
    store = TraceStore(database, on_deleted=workspaces.discard)
    trace_id = write_trace(database, frames(3))
    assert workspaces.root is not None
    workspaces.root.mkdir(parents=True)
    (workspaces.root / trace_id).write_text("no folder")
    assert store.delete(trace_id)
    assert not store.exists(trace_id)
    assert (workspaces.root / trace_id).exists()


# Measuring and removing


def test_what_a_workspace_holds_is_counted(workspaces: Workspaces):
    """Files and their bytes, at any depth; links count as what they are."""
    folder = made(workspaces)
    (folder / "link").symlink_to("/")
    usage = workspaces.usage(ID)
    assert usage.files == 4
    assert usage.bytes == 5 + 100 + 1
    assert time.time_ns() - usage.changed_ns < 60 * 10**9


def test_a_workspace_is_removed_with_all_it_holds(workspaces: Workspaces, root: Path):
    """Files that nobody may write, folders that nobody may change, pipes, and names of any bytes."""
    folder = made(workspaces)
    (folder / "a" / "b" / "more.bin").chmod(0)
    os.mkdir(os.fsencode(folder) + b"/\xff\n")
    (folder / "a" / "b").chmod(0o500)
    (folder / "a").chmod(0o500)
    workspaces.remove(ID)
    assert list(root.iterdir()) == []


def test_a_tree_of_any_depth_is_removed(workspaces: Workspaces, root: Path):
    """Deeper than the names of the system, the descriptors of a process or the stack of Python."""
    folder = workspaces.folder(ID)
    assert folder is not None
    place = os.open(folder, os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("d", dir_fd=place)
        place, above = os.open("d", os.O_RDONLY, dir_fd=place), place
        os.close(above)
    os.close(place)
    assert workspaces.usage(ID).files == 0
    workspaces.remove(ID)
    assert list(root.iterdir()) == []


# Never anything else


@pytest.fixture
def treasure(tmp_path: Path) -> Path:
    """What lies outside of the root and must stay."""
    folder = tmp_path / "treasure"
    folder.mkdir()
    (folder / "gold").write_text("gold")
    return folder


def test_links_out_of_a_workspace_are_removed_and_not_followed(workspaces: Workspaces, treasure: Path):
    """To folders and to files, absolute and relative, at any depth, also in a circle."""
    folder = made(workspaces)
    (folder / "out").symlink_to(treasure)
    (folder / "a" / "out").symlink_to("../../../../treasure")
    (folder / "a" / "gold").symlink_to(treasure / "gold")
    (folder / "a" / "round").symlink_to(folder)
    os.link(treasure / "gold", folder / "hard")
    workspaces.remove(ID)
    assert not folder.exists()
    assert (treasure / "gold").read_text() == "gold"


def test_a_link_in_the_place_of_a_workspace_is_left_alone(workspaces: Workspaces, root: Path, treasure: Path):
    """It is no workspace: neither listed, nor measured, nor removed."""
    root.mkdir(parents=True)
    (root / ID).symlink_to(treasure)
    assert workspaces.names() == []
    for ask in (workspaces.usage, workspaces.remove):
        with pytest.raises(NotFound):
            ask(ID)
    workspaces.discard([ID])
    assert (treasure / "gold").exists()
    assert (root / ID).is_symlink()


@given(name=st.text(max_size=40) | st.sampled_from(["..", ".", "/", "../treasure", f"{ID}/..", f"../{ID}", "", "\0"]))
@example(name=f"{ID}/../../treasure")
@example(name=ID.upper()[:31])
def test_no_name_leads_anywhere_else(name: str, tmp_path_factory: pytest.TempPathFactory):
    """What is no trace id is nothing that could be found."""
    outer = tmp_path_factory.mktemp("outer")
    (outer / "spaces").mkdir()
    (outer / "treasure").mkdir()
    workspaces = Workspaces(outer / "spaces")
    assert workspaces.folder(name) is None
    with pytest.raises(NotFound):
        workspaces.remove(name)
    workspaces.discard([name])
    assert sorted(path.name for path in outer.rglob("*")) == ["spaces", "treasure"]


def test_other_things_in_the_root_are_none_of_ours(workspaces: Workspaces, root: Path):
    """Only folders named by an id count, in the one way in which we write it."""
    made(workspaces)
    for name in ("notes", ID[:31], ID + "0", ID.upper(), "f" * 31 + "g", ".cache"):
        (root / name).mkdir()
    (root / ("f" * 32)).write_text("a file")
    assert workspaces.names() == [ID]
    workspaces.discard([name.name for name in root.iterdir()])
    assert not (root / ID).exists()
    assert {entry.name for entry in root.iterdir()} >= {"notes", "f" * 32, ID.upper()}


def test_a_folder_that_becomes_a_link_between_two_steps(
    workspaces: Workspaces, treasure: Path, monkeypatch: pytest.MonkeyPatch
):
    """Seen as a folder, then exchanged: it is not entered, and removed as the link that it is."""
    folder = made(workspaces)
    is_folder = folder_trees._is_folder

    def exchanged(name: str, inside: int) -> bool:
        seen = is_folder(name, inside)
        if name == "a" and seen:
            (folder / "a").rename(folder / "away")
            (folder / "a").symlink_to(treasure)
        return seen

    monkeypatch.setattr(folder_trees, "_is_folder", exchanged)
    workspaces.remove(ID)
    assert not folder.exists()
    assert (treasure / "gold").read_text() == "gold"


def test_a_folder_that_goes_on_becoming_a_link(workspaces: Workspaces, treasure: Path, tmp_path: Path):
    """However often, and at whatever step: what the link points at stays."""
    stop = threading.Event()
    folder = made(workspaces)

    def exchange() -> None:
        while not stop.is_set():
            with suppress(OSError):
                (folder / "a").mkdir(parents=True)
            with suppress(OSError):
                (folder / "a").rename(tmp_path / "spare")
                (folder / "a").symlink_to(treasure)
                (folder / "a").unlink()
                (tmp_path / "spare").rename(folder / "a")

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for _ in range(300):
            with suppress(NotFound, WrongState):
                workspaces.remove(ID)
    finally:
        stop.set()
        thread.join()
    assert (treasure / "gold").read_text() == "gold"


def test_removing_one_that_is_being_written(workspaces: Workspaces):
    """It is removed, or it stays and the error says so; nothing else can happen."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            folder = workspaces.folder(ID)
            with suppress(OSError):
                if folder is not None:
                    (folder / new_id()).mkdir()
                    (folder / new_id()).write_text("x")

    thread = threading.Thread(target=write)
    thread.start()
    outcomes = set()
    try:
        for _ in range(100):
            try:
                workspaces.remove(ID)
                outcomes.add("removed")
            except (NotFound, WrongState) as error:
                outcomes.add(type(error).__name__)
    finally:
        stop.set()
        thread.join()
    assert outcomes <= {"removed", "NotFound", "WrongState"}


def test_ids_are_taken_as_everywhere(workspaces: Workspaces):
    """With dashes and in capitals."""
    made(workspaces)
    dashed = f"{ID[:8]}-{ID[8:12]}-{ID[12:16]}-{ID[16:20]}-{ID[20:]}".upper()
    assert workspaces.usage(dashed).bytes == 105
    workspaces.remove(dashed)
    assert workspaces.names() == []
