"""What the store answers when it is asked what runs, what is stuck, what failed and how long things take.

Plain frozen values. Moments are integer microseconds UTC, in fields named `_at` and `timestamp`; lengths of time are
integer microseconds, in fields named `_us`. Texts that may be long come as previews, which end with `…` where cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tracekit.alerts import Alert

__all__ = [
    "ActiveTrace",
    "ActiveTraces",
    "Bucket",
    "Cause",
    "EventGlimpse",
    "Failure",
    "FailureSample",
    "LayerFacts",
    "LayerPage",
    "OpenStep",
    "Owner",
    "ProcessAlert",
    "RunningTrace",
    "Spread",
    "Statistics",
    "StepFacts",
    "StuckPage",
    "StuckStep",
    "TopFailures",
    "TraceHealth",
]

TraceHealth = Literal["moving", "silent", "stalled", "no_heartbeat"]
"""How a running trace is: something happened within 5 seconds; nothing did, or only keepalives came; that for longer
than the idle limit; or the process that records it does not beat."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that records a trace, as its row tells. `alive`: it has not ended, and beat within 15 seconds."""

    process_id: str
    host: str
    pid: int
    role: str
    version: str | None
    heartbeat_at: int
    since_heartbeat_us: int
    ended_at: int | None
    alive: bool


@dataclass(frozen=True, slots=True)
class ProcessAlert:
    """An alert that a process raises, and which process that is."""

    owner: Owner
    alert: Alert


@dataclass(frozen=True, slots=True)
class OpenStep:
    """A span that has not ended. `heartbeat_at` is its last sign of any kind; an open span beats by itself, so that
    tells that its process lives, and not that the work moves."""

    span_id: str
    parent_span_id: str | None
    layer: str | None
    step_name: str
    kind: str | None
    status: str
    started_at: int
    heartbeat_at: int | None


@dataclass(frozen=True, slots=True)
class EventGlimpse:
    """An event in short: `preview` is the beginning of its payload, or of the bytes of a frame, as text."""

    seq: int
    event_type: str
    timestamp: int
    span_id: str | None
    preview: str


@dataclass(frozen=True, slots=True)
class RunningTrace:
    """What is shown of a trace that runs, wherever it is listed for that."""

    trace_id: str
    name: str | None
    method: str | None
    path: str | None
    session_id: str | None
    actor: str | None
    model: str | None
    environment: str
    parent_trace_id: str | None
    started_at: int
    last_event_at: int
    """The last thing that shows that work moves, keepalives included. Heartbeats that nobody sent do not count."""
    frames: int
    keepalives: int
    send_blocked_us: int
    """How long sending was blocked, all in all: the client reads slowly."""
    silent_since_at: int | None
    """When something was last said, keepalives not counted, where that has passed the idle limit."""


@dataclass(frozen=True, slots=True)
class ActiveTrace:
    """A running trace: how it is, and where it is."""

    trace: RunningTrace
    health: TraceHealth
    since_last_event_us: int
    last_event: EventGlimpse | None
    step: OpenStep | None
    """The deepest span that is open; of several the one that began last."""
    open_steps: int
    owner: Owner | None
    """None: the process never wrote its row, or that is so old that it was deleted."""


@dataclass(frozen=True, slots=True)
class ActiveTraces:
    """The running traces, those in trouble first: without heartbeat, stalled, then by the time since the last event."""

    items: Sequence[ActiveTrace]
    total: int
    """Traces that run, whatever the list leaves out."""
    idle_timeout_ms: int
    """The idle limit by which they were judged."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something may be stuck. `code` is for programs and translations, with `values`; `text` says it in English."""

    code: str
    text: str
    values: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class StuckStep:
    """A step without a sign, or a trace without a step and without data; and what is known of why."""

    trace: RunningTrace
    step: OpenStep | None
    since_at: int
    stuck_us: int
    """How long there has been no sign."""
    input_preview: str | None
    last_event: EventGlimpse | None
    last_good_event: EventGlimpse | None
    """The last event that is no keepalive, no error and no notice of silence, if it is among the latest."""
    owner: Owner | None
    causes: Sequence[Cause]


@dataclass(frozen=True, slots=True)
class StuckPage:
    """What is stuck, the longest first."""

    items: Sequence[StuckStep]
    has_more: bool
    threshold_us: int
    idle_timeout_ms: int


@dataclass(frozen=True, slots=True)
class FailureSample:
    """Where to look at a failure: a trace, and the span in it that failed."""

    trace_id: str
    span_id: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """How often something failed for one reason in one layer. Traces that failed stand under the layer None, and so
    do spans that name none; `kind` tells them apart."""

    kind: Literal["trace", "span"]
    reason_code: str | None
    layer: str | None
    count: int
    last_at: int
    sample: FailureSample | None
    """The latest one; None where it was deleted a moment ago."""
    reason_class: str
    advice: str | None


@dataclass(frozen=True, slots=True)
class TopFailures:
    """The reasons for which most failed in a time, the most frequent first."""

    items: Sequence[Failure]
    since_at: int
    traces: int
    """Traces that failed in that time, for all reasons."""
    spans: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of some lengths of time, by nearest rank; None where there are no values.

    Past a bound they are computed from a sample that is spread evenly over the time; `sampled` says so.
    """

    p50: int | None
    p95: int | None
    p99: int | None
    values: int
    sampled: bool


@dataclass(frozen=True, slots=True)
class StepFacts:
    """The spans of one step name within a layer."""

    step_name: str
    spans: int
    by_status: Mapping[str, int]
    success_rate: float | None
    duration_us: Spread


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """The spans of one layer that began in a time. None is the layer of spans that name none."""

    layer: str | None
    spans: int
    by_status: Mapping[str, int]
    success_rate: float | None
    """Of those that ended well or failed, the share that ended well; None where none did either."""
    duration_us: Spread


@dataclass(frozen=True, slots=True)
class LayerPage:
    """One layer with its steps, the most frequent first, and the reasons for which its spans failed."""

    facts: LayerFacts
    steps: Sequence[StepFacts]
    steps_left_out: int
    failures: Sequence[Failure]
    since_at: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """The traces that started in one piece of time."""

    start_at: int
    traces: int
    by_ending: Mapping[str, int]
    """How many ended how; those that run are under `running`."""
    errors: int
    """Those that failed or were interrupted."""
    input_tokens: int
    output_tokens: int
    first_content_us: Spread


@dataclass(frozen=True, slots=True)
class Statistics:
    """Traces over time, in pieces of equal length without a gap, and all of them together."""

    since_at: int
    until_at: int
    bucket_us: int
    buckets: Sequence[Bucket]
    total: Bucket
