"""How many events a second one worker takes over HTTP from programs that are not Python."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import httpx
from admin_server import BEARER, TOKEN, recording_into, serving
from recorders import EVERYTHING

from benchmarks.measure import Rounds, Sample
from benchmarks.report import Figure, show
from tracekit.ids import new_id
from tracekit_admin import Admin

_EVENTS = 1000
_BATCHES = 10


def run(folder: Path, rounds: int) -> list[Figure]:
    """Measure, print and return the figures. The client's own time is not counted: its bodies are made before."""
    shutil.rmtree(folder / "ingest", ignore_errors=True)
    (folder / "ingest").mkdir()
    url = f"sqlite:///{folder / 'ingest' / 'ingest.db'}"
    with (
        recording_into(url, admin_token=TOKEN, settings=EVERYTHING) as recorder,
        serving(Admin(recorder)) as address,
        httpx.Client(base_url=address, headers=BEARER, timeout=60) as client,
    ):
        taken = Rounds({"batches": lambda: _send(client)}, rounds)
    figures = [
        Figure(f"ingest, batches of {_EVENTS:,}: events a second", "1/s", taken.spread("batches", "rate"), 20_000,
               least=True),
    ]  # fmt: skip
    show("Ingest over HTTP, server and client in one process", figures)
    return figures


def _send(client: httpx.Client) -> Sample:
    bodies = [_body(number) for number in range(_BATCHES)]
    began = time.perf_counter()
    for body in bodies:
        client.post("/api/task-trace/ingest", content=body).raise_for_status()
    return {"rate": _BATCHES * _EVENTS / (time.perf_counter() - began)}


def _body(number: int) -> bytes:
    events = [
        {"id": f"{number}-{place}", "type": "persist.progress", "payload": {"saved": place, "of": _EVENTS}}
        for place in range(_EVENTS)
    ]
    return json.dumps({"trace": {"trace_id": new_id(), "name": "import"}, "events": events}).encode()
