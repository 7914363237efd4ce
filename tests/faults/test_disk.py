"""A disk that runs short, and one that is full: recording gives way, deleting still works, and all goes on after."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from admin_server import wait_until
from asgi import END, body, run, start, streams
from chat_events import DONE, event, events
from python_processes import environment
from recorders import body as stored_body
from recorders import recording, traces
from trace_rows import frames, write_trace

from tracekit import Recorder, TraceMiddleware
from tracekit.errors import StoreFull

COUNT = 50
SENT = events(COUNT) + DONE
CHAT = streams(start(), *map(body, map(event, range(COUNT))), body(DONE), END)
MIB = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 32 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(mount(folder, "size=32m"), check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(folder: Path, options: str) -> list[str]:
    return ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]


def fill(folder: Path, left: int) -> Path:
    """A file of somebody else that takes all but `left` bytes."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while free(folder) > left:
            file.write(bytes(min(65536, free(folder) - left)))
    return ballast


def is_short(recorder: Recorder) -> bool:
    """Whether recording pauses."""
    return recorder._disk.short


def free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def test_recording_pauses_before_the_disk_is_full_and_goes_on_by_itself(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The chat goes on, what was not recorded is counted, and each turn is one line of the log."""
    with recording(f"sqlite:///{small_disk}/t.db", min_free_bytes=12 * MIB) as recorder:
        assert run(TraceMiddleware(CHAT, recorder)).body == SENT
        ballast = fill(small_disk, 8 * MIB)
        wait_until(lambda: is_short(recorder), 5)
        for _ in range(3):
            assert run(TraceMiddleware(CHAT, recorder)).body == SENT
        with recorder.trace("job") as job:
            job.log("note")
        health = recorder.health()
        assert health.disk is not None
        assert (health.status, health.disk.short, health.disk.skipped_traces) == ("degraded", True, 4)
        ballast.unlink()
        ballast = fill(small_disk, 13 * MIB)
        time.sleep(2)
        health = recorder.health()
        assert health.disk is not None
        assert health.disk.short, "it says that it pauses for as long as it does"
        assert is_short(recorder)
        ballast.unlink()
        wait_until(lambda: not is_short(recorder), 5)
        assert run(TraceMiddleware(CHAT, recorder)).body == SENT
        assert [stored_body(recorder, trace.trace_id) for trace in traces(recorder)] == [SENT, SENT]
        assert [path.name for path in small_disk.iterdir() if "reserve" in path.name] == []
    told = [line for line in caplog.messages if "recording pauses" in line or "recording goes on" in line]
    assert len(told) == 2


def test_a_trace_that_runs_when_the_disk_runs_short_is_kept_whole(small_disk: Path) -> None:
    """Only new ones wait: half a trace would help nobody."""
    with recording(f"sqlite:///{small_disk}/t.db", min_free_bytes=12 * MIB) as recorder:

        async def app(scope: object, receive: object, send: object) -> None:
            await receive()  # type: ignore[operator]
            await send(start())  # type: ignore[operator]
            for number in range(COUNT):
                await send(body(event(number)))  # type: ignore[operator]
                if number == COUNT // 2:
                    fill(small_disk, 8 * MIB)
                    wait_until(lambda: is_short(recorder), 5)
            await send(body(DONE))  # type: ignore[operator]
            await send(END)  # type: ignore[operator]

        assert run(TraceMiddleware(app, recorder)).body == SENT  # type: ignore[arg-type]
        (trace,) = traces(recorder)
        assert stored_body(recorder, trace.trace_id) == SENT


def test_on_a_full_disk_old_traces_can_still_be_deleted(small_disk: Path) -> None:
    """SQLite cannot delete without room for its log: the reserve that was made when the disk ran short is that room."""
    with recording(f"sqlite:///{small_disk}/t.db", min_free_bytes=12 * MIB) as recorder:
        old = [large_trace(recorder) for _ in range(8)]
        fill(small_disk, 8 * MIB)
        # While it grows, other files must leave it the room.
        wait_until(
            lambda: any("reserve" in path.name and path.stat().st_size > MIB for path in small_disk.iterdir()), 5
        )
        (small_disk / "ballast").rename(small_disk / "first")
        fill(small_disk, 0)
        with pytest.raises(StoreFull):
            write_until_full(recorder)
        for trace_id in old[:4]:
            assert recorder.store.delete(trace_id)
        assert [recorder.store.exists(trace_id) for trace_id in old] == [False] * 4 + [True] * 4
        assert large_trace(recorder), "what was freed can be used again"


def test_a_reserve_that_is_too_small_is_a_full_disk_all_the_same(small_disk: Path) -> None:
    """Whoever deletes hears so by the error that is documented."""
    with recording(f"sqlite:///{small_disk}/t.db", min_free_bytes=0) as recorder:
        old = [large_trace(recorder) for _ in range(8)]
        (small_disk / "t.db.reserve").write_bytes(bytes(70_000))
        fill(small_disk, 0)
        with pytest.raises(StoreFull):
            write_until_full(recorder)
        with pytest.raises(StoreFull):
            recorder.store.delete(old[0])


def write_until_full(recorder: Recorder) -> None:
    """The log of SQLite has room for some more."""
    for _ in range(50):
        large_trace(recorder)


def large_trace(recorder: Recorder) -> str:
    """A trace of half a megabyte that does not compress."""
    return write_trace(recorder.database, [*frames(3), *(os.urandom(50_000) for _ in range(10))], closed=True)


def test_a_disk_that_is_full_loses_nothing_silently(small_disk: Path) -> None:
    """What cannot be written waits; when there is room it is written, and what did not fit in memory is counted."""
    options = {"min_free_bytes": 0, "buffer_bytes": MIB}
    with recording(f"sqlite:///{small_disk}/t.db", **options) as recorder:  # type: ignore[arg-type]
        assert recorder.flush(10).complete
        ballast = fill(small_disk, 0)
        sent = [b"data: " + os.urandom(3000).hex().encode() + b"\n\n" for _ in range(300)]
        large = streams(start(), *map(body, sent), END)
        for _ in range(3):
            assert run(TraceMiddleware(large, recorder)).body == b"".join(sent)
        wait_until(lambda: recorder.health().writer.consecutive_failures > 0, 10)
        assert recorder.health().status == "failing"
        ballast.unlink()
        wait_until(lambda: recorder.flush(1).complete, 30)
        for trace in traces(recorder):
            assert trace.events_seen == trace.events_stored + trace.events_dropped
            assert trace.end_reason == "completed"
        assert sum(trace.events_dropped for trace in traces(recorder)) > 0


LIMITED = """
import resource
from asgi import END, body, run, start, streams
from chat_events import DONE, event
from recorders import recording, traces
from tracekit import TraceMiddleware
import sys

CHAT = streams(start(), *(body(event(number)) for number in range(5000)), body(DONE), END)
with recording(sys.argv[1], spool_bytes=0) as recorder:
    assert recorder.flush(10).complete
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    sent = [run(TraceMiddleware(CHAT, recorder)).body for _ in range(3)]
    assert len(set(sent)) == 1
    assert not recorder.flush(2).complete
    print(recorder.health().status, recorder.health().writer.last_problem)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert recorder.flush(20).complete
    print([(trace.end_reason, trace.events_dropped) for trace in traces(recorder)])
"""


def test_a_limit_on_the_size_of_files_is_survived(sqlite_url: str) -> None:
    """As a full disk is: the process lives, and all is written once the limit is lifted."""
    command = [sys.executable, "-c", LIMITED, sqlite_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, env=environment())
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert first.startswith("failing the database cannot be used now")
    assert last == str([("completed", 0)] * 3)
