"""`tracekit demo --check`: the demo without a person. Real HTTP on both sides; nothing is taken for granted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tracekit import Recorder, TracekitError
from tracekit.store import TraceFilter, TraceRecord
from tracekit_admin.demo.client import Address, fetch
from tracekit_admin.demo.comparison import differences, wait_until_ended
from tracekit_admin.demo.scenarios import SCENARIOS, Exchange, send

__all__ = ["check"]

_FLUSH_SECONDS = 15.0
_COLUMNS = ("trace", "path", "status", "ended by", "frames", "keepalives", "ms", "prompt")


def check(recorder: Recorder, address: Address, token: str, folder: Path, console: Console) -> bool:
    """Send every scenario's chat to the server at `address` and compare; whether all was recorded as it was sent.

    The results, the list of traces and the path of a TXT export in `folder` go to `console`.
    """
    run = uuid.uuid4().hex[:8]
    exchanges = []
    for number, scenario in enumerate(SCENARIOS, 1):
        exchanges.append(send(address, scenario, f"check-{run}-{number}"))
    written = _written(exchanges, recorder)
    if not written:
        console.print(Text(f"✗ not everything was written: {recorder.health().database.problem}", "red"))
    passed = [_report(exchange, list(_problems(exchange, recorder, address, token)), console) for exchange in exchanges]
    passed.append(_counted(exchanges, recorder, console))
    console.print()
    console.print(_trace_list(recorder, f"check-{run}"))
    exported = _export(exchanges, address, token, folder)
    console.print("\nTimeline of the tool call as text:", Text(str(exported), "bold"), soft_wrap=True)
    return written and all(passed)


def _written(exchanges: list[Exchange], recorder: Recorder) -> bool:
    try:
        return wait_until_ended(exchanges, recorder, _FLUSH_SECONDS)
    except TracekitError:
        return False


def _problems(exchange: Exchange, recorder: Recorder, address: Address, token: str) -> Iterator[str]:
    try:
        yield from differences(exchange, recorder.store)
    except TracekitError as error:
        yield f"the store cannot be read: {error}"
    yield from _problems_of_the_api(exchange, address, token)


def _problems_of_the_api(exchange: Exchange, address: Address, token: str) -> Iterator[str]:
    """What the admin API answers, asked over HTTP as anyone would."""
    trace_id, received = exchange.received.trace_id, exchange.received
    if trace_id is None:
        return
    status, body = fetch(address, f"/tracekit/api/task-trace/{trace_id}/export?format=sse", token)
    if status != 200 or not body.startswith(received.body):
        yield f"export?format=sse: status {status}, {len(body)} bytes that are not those received"
    status, _ = fetch(address, f"/tracekit/api/task-trace/{trace_id}", "not-the-token-at-all")
    if status not in (401, 403):
        yield f"the admin API answers a wrong token with {status}"


def _report(exchange: Exchange, problems: list[str], console: Console) -> bool:
    scenario, received = exchange.scenario, exchange.received
    line = Text("✗ " if problems else "✓ ", "red" if problems else "green")
    line.append(f"{scenario.title}, {scenario.wire_format.title}", "default")
    line.append(f"  {len(received.frames)} frames, {len(received.body):,} bytes received", "dim")
    console.print(line, soft_wrap=True)
    for problem in problems:
        console.print(Text(f"    {problem[:2000]}", "red"), soft_wrap=True)
    return not problems


def _counted(exchanges: list[Exchange], recorder: Recorder, console: Console) -> bool:
    """Whether this process recorded as many traces as responses named, and none besides."""
    newest = recorder.store.list_traces(limit=100).items
    made = {trace.trace_id for trace in newest if trace.owner_process_id == recorder.process_id}
    named = {exchange.received.trace_id for exchange in exchanges} - {None}
    if made != named:
        console.print(Text(f"✗ {len(named)} responses name a trace, {len(made)} traces were recorded", "red"))
    return made == named


def _trace_list(recorder: Recorder, sessions: str) -> Table:
    table = Table(*_COLUMNS, title="What was recorded")
    for trace in recorder.store.list_traces(TraceFilter(keyword=sessions)).items:
        table.add_row(*map(Text, _cells(trace)))
    return table


def _cells(trace: TraceRecord) -> Iterator[str]:
    numbers = (trace.frames, trace.keepalives, trace.duration_ms)
    yield from (f"…{trace.trace_id[-8:]}", trace.path or "", trace.status, trace.end_reason or "")
    yield from (str(number) for number in numbers)
    yield (trace.prompt_preview or "")[:28]


def _export(exchanges: list[Exchange], address: Address, token: str, folder: Path) -> Path:
    """Save the TXT export of the first tool call.

    Raises:
        TracekitError: the admin API does not give it.
    """
    chosen = next(exchange for exchange in exchanges if exchange.scenario.answer.tool)
    trace_id = chosen.received.trace_id
    status, body = fetch(address, f"/tracekit/api/task-trace/{trace_id}/export?format=txt&frames=full", token)
    if status != 200 or str(trace_id).encode() not in body:
        raise TracekitError(f"export?format=txt answered with {status}: {body[:200]!r}")
    path = folder / f"tracekit-{trace_id}.txt"
    path.write_bytes(body)
    return path
