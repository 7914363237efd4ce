"""A spool file gives back what was put in, in order and once, however its process ended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracekit.spool import write_back
from tracekit.store.batch import Batch, EventRow, SpanRow, TextRow
from tracekit.store.batch_codec import _as_stored, decode_batch, encode_batch
from tracekit.store.spool_file import DamagedSpool, SpoolFile, SpoolOwner

OWNER = SpoolOwner.here("0" * 32, "web", None, "sqlite:///x.db")
_TEXT = st.text(st.characters(exclude_categories=()))
_WHOLE = st.integers(-(2**63), 2**63 - 1)
_VALUES = st.none() | st.booleans() | _WHOLE | st.floats(allow_nan=False) | _TEXT
_ROWS = st.dictionaries(st.text("abc_", max_size=5), _VALUES, max_size=5)
_BATCHES = st.builds(
    Batch,
    st.lists(_ROWS, max_size=3),
    st.lists(_ROWS, max_size=3),
    st.lists(st.builds(EventRow, _TEXT, _WHOLE, _WHOLE, _TEXT, _WHOLE, st.none() | _TEXT, st.none() | st.binary(),
                       st.booleans(), st.none(), st.none(), st.integers(1, 9)), max_size=3),
    st.lists(st.builds(TextRow, _TEXT, _TEXT, _TEXT), max_size=3),
    st.lists(st.builds(SpanRow, *[_TEXT] * 8, _WHOLE, *[st.none() | _WHOLE] * 2, *[_TEXT] * 4), max_size=2),
)  # fmt: skip


@given(_BATCHES)
def test_a_batch_reads_back_as_it_was_or_as_it_would_be_stored(batch: Batch) -> None:
    """Text that UTF-8 does not have is written as the database would get it."""
    again = decode_batch(encode_batch(batch))
    assert len(again.events) == len(batch.events)
    assert [row.frames for row in again.events] == [row.frames for row in batch.events]
    assert encode_batch(again) == encode_batch(_as_stored(batch)) or encode_batch(again) == encode_batch(batch)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_batch_are_refused(data: bytes) -> None:
    """With the one error that is documented."""
    with pytest.raises(ValueError):  # noqa: PT011
        decode_batch(data)


def contents(file: SpoolFile) -> list[bytes]:
    """Read what waits, and mark it."""
    found = []
    for record in file.waiting():
        found.append(record.content)
        file.done(record)
    return found


def fresh(folder: Path) -> Path:
    return folder / f"{time.monotonic_ns()}.spool"


_CONTENTS = st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=6)
_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)


@_FOLDER
@given(_CONTENTS, st.integers(0, 5))
def test_what_was_marked_is_not_read_again(tmp_path: Path, given_contents: list[bytes], read: int) -> None:
    """Whoever takes the file over goes on where its owner was."""
    path = fresh(tmp_path)
    file = SpoolFile.create(path, OWNER)
    for content in given_contents:
        file.append(content)
    for record in file.waiting():
        if read == 0:
            break
        file.done(record)
        read -= 1
        given_contents = given_contents[1:]
    file.close()
    taken = SpoolFile.take_over(path)
    assert taken is not None
    assert taken.owner == OWNER
    assert contents(taken) == given_contents
    assert taken.is_empty
    taken.remove()
    assert not path.exists()


@_FOLDER
@given(_CONTENTS, st.integers(1, 200))
def test_a_file_that_was_cut_off_gives_what_is_whole(tmp_path: Path, given_contents: list[bytes], lost: int) -> None:
    """And says that there was more; it never gives a part of a batch."""
    path = fresh(tmp_path)
    file = SpoolFile.create(path, OWNER)
    head = file.size
    for content in given_contents:
        file.append(content)
    file.close()
    length = max(head, path.stat().st_size - lost)
    with path.open("r+b") as raw:
        raw.truncate(length)
    taken = SpoolFile.take_over(path)
    assert taken is not None
    found: list[bytes] = []
    try:
        for record in taken.waiting():
            found.append(record.content)
            taken.done(record)
        assert length in {head + sum(9 + len(content) for content in given_contents[:n]) for n in range(7)}
    except DamagedSpool:
        pass
    taken.close()
    assert found == given_contents[: len(found)]


@_FOLDER
@given(st.binary(max_size=100))
def test_any_other_file_is_refused(tmp_path: Path, data: bytes) -> None:
    """With the one error that is documented."""
    path = fresh(tmp_path)
    path.write_bytes(data)
    with pytest.raises(DamagedSpool):
        SpoolFile.take_over(path)


def test_a_file_whose_process_lives_is_not_taken(tmp_path: Path) -> None:
    """Nor one that has just been written and removed."""
    path = tmp_path / "a.spool"
    file = SpoolFile.create(path, OWNER)
    assert SpoolFile.take_over(path) is None
    file.close()
    taken = SpoolFile.take_over(path)
    assert taken is not None
    taken.remove()
    with pytest.raises(FileNotFoundError):
        SpoolFile.take_over(path)


def test_a_batch_that_cannot_be_written_stays_first(tmp_path: Path) -> None:
    """Whatever `write` raises, what came before it is marked and the rest is in its order."""
    file = SpoolFile.create(tmp_path / "a.spool", OWNER)
    for number in range(5):
        file.append(encode_batch(Batch(texts=[TextRow("t", "k", str(number))])))
    written: list[str] = []

    def write(batch: Batch) -> None:
        if len(written) == 2:
            raise RuntimeError
        written.append(batch.texts[0].text)

    with pytest.raises(RuntimeError):
        write_back(file, write, until=time.monotonic() + 5)
    assert write_back(file, lambda batch: written.append(batch.texts[0].text), until=time.monotonic() + 5)
    assert written == ["0", "1", "2", "3", "4"]
    file.remove()
