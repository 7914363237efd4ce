"""What an export format is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tracekit.store import TraceStore

__all__ = ["ExportOptions", "Exporter", "FrameDetail"]

FrameDetail = Literal["none", "summary", "full"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How an export is written. `frames`: leave stream frames out, fold runs of them into a line, or write each."""

    frames: FrameDetail = "summary"


@dataclass(frozen=True, slots=True)
class Exporter:
    """One export format. `write` yields the document piece by piece, in constant memory, and raises NotFound
    before its first piece where the trace does not exist."""

    name: str
    media_type: str
    suffix: str
    write: Callable[[TraceStore, str, ExportOptions], Iterator[bytes]]
