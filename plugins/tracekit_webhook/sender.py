"""Posting on a thread of its own: whoever raises an alert does not wait for somebody else's server."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult

from tracekit.version import VERSION

__all__ = ["Sender"]

logger = logging.getLogger("tracekit.webhook")

_MOST_WAITING = 100
_TIMEOUT_S = 5.0
_TRIES = 3
_PAUSE_S = 2.0
_HEADERS = {"Content-Type": "application/json", "User-Agent": f"tracekit/{VERSION}"}


class Sender:
    """Posts documents in order. What cannot be posted after three tries is logged and given up."""

    def __init__(self, urls: Sequence[SplitResult], *, pause_s: float = _PAUSE_S) -> None:
        self.failed = 0
        """Documents that one of the addresses did not take."""
        self._urls = urls
        self._pause_s = pause_s
        self._waiting: queue.Queue[bytes] = queue.Queue(_MOST_WAITING)
        self._pid = 0

    def send(self, document: bytes) -> None:
        """Post a document some time soon. Returns at once."""
        if not self._urls:
            return
        if self._pid != os.getpid():
            # The first time, or in a forked child, which has no thread and what waited is the parent's.
            self._pid, self._waiting = os.getpid(), queue.Queue(_MOST_WAITING)
            threading.Thread(target=self._run, args=(self._waiting,), name="tracekit-webhook", daemon=True).start()
        try:
            self._waiting.put_nowait(document)
        except queue.Full:
            self._give_up("too many alerts wait to be posted")

    def _run(self, waiting: queue.Queue[bytes]) -> None:
        while True:
            document = waiting.get()
            for url in self._urls:
                self._deliver(url, document)

    def _deliver(self, url: SplitResult, document: bytes) -> None:
        problem = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(self._pause_s * attempt)
            try:
                status = _post(url, document)
            except (OSError, HTTPException) as error:
                problem = f"{type(error).__name__}: {error}"
                continue
            if 200 <= status < 300:
                return
            problem = f"status {status}"
        self._give_up(f"{url.hostname} did not take it: {problem}")

    def _give_up(self, why: str) -> None:
        self.failed += 1
        logger.error("an alert was not posted: %s (%d so far)", why, self.failed)


def _post(url: SplitResult, document: bytes) -> int:
    """The status of the answer. A redirect is none that is followed: it would lead to a host that nobody allowed."""
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=_TIMEOUT_S)
    try:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("POST", target, document, _HEADERS)
        return connection.getresponse().status
    finally:
        connection.close()
