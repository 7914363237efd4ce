"""Reason codes for errors of well-known libraries, as exceptions and as text."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import socket
import ssl
from typing import Any

import anthropic
import httpx
import openai
import psycopg
import pytest
import sqlalchemy.exc
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

import tracekit_reasons
from tracekit.reasons import REASONS


def code(error: BaseException | str, http_status: int | None = None) -> str | None:
    reason = tracekit_reasons.tracekit_classify_error(error, http_status)
    assert reason is None or reason is REASONS[reason.code]
    return reason.code if reason else None


def answered(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("POST", "http://model.test/v1"))


def raised_from(outer: BaseException, inner: BaseException) -> BaseException:
    try:
        raise outer from inner
    except BaseException as error:
        return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), "TIMEOUT"),
        (concurrent.futures.TimeoutError(), "TIMEOUT"),
        (asyncio.CancelledError(), "CANCELLED"),
        (GeneratorExit(), "CANCELLED"),
        (ClientDisconnect(), "CLIENT_DISCONNECTED"),
        (FileNotFoundError(errno.ENOENT, "gone"), "MISSING_FILE"),
        (PermissionError(), "PERMISSION_DENIED"),
        (MemoryError(), "OUT_OF_MEMORY"),
        (ConnectionRefusedError(), "NETWORK_ERROR"),
        (BrokenPipeError(), "NETWORK_ERROR"),
        (OSError(errno.EHOSTUNREACH, "no route"), "NETWORK_ERROR"),
        (OSError(errno.ENOMEM, "no memory"), "OUT_OF_MEMORY"),
        (socket.gaierror(-2, "Name or service not known"), "NETWORK_ERROR"),
        (ssl.SSLError("bad record"), "NETWORK_ERROR"),
        (httpx.ReadTimeout("slow"), "TIMEOUT"),
        (httpx.ConnectError("refused"), "NETWORK_ERROR"),
        (httpx.RemoteProtocolError("peer closed connection"), "NETWORK_ERROR"),
        (httpx.HTTPStatusError("x", request=answered(503).request, response=answered(503)), "NETWORK_ERROR"),
        (openai.APITimeoutError(answered(200).request), "TIMEOUT"),
        (openai.APIConnectionError(request=answered(200).request), "NETWORK_ERROR"),
        (openai.RateLimitError("slow down", response=answered(429), body=None), "RATE_LIMITED"),
        (openai.AuthenticationError("who?", response=answered(401), body=None), "AUTH_EXPIRED"),
        (openai.PermissionDeniedError("no", response=answered(403), body=None), "PERMISSION_DENIED"),
        (openai.InternalServerError("down", response=answered(502), body=None), "NETWORK_ERROR"),
        (anthropic.InternalServerError("overloaded", response=answered(529), body=None), "RATE_LIMITED"),
        (psycopg.errors.DeadlockDetected("deadlock detected"), "DEADLOCK"),
        (psycopg.errors.QueryCanceled("statement timeout"), "TIMEOUT"),
        (RuntimeError("database is locked"), "DEADLOCK"),
        (RuntimeError('Timeout 30000ms exceeded.\nwaiting for selector "#send"'), "SELECTOR_NOT_FOUND"),
        (TimeoutError("Locator.click: waiting for locator('#send')"), "SELECTOR_NOT_FOUND"),
        (TimeoutError("canceling statement due to lock wait timeout"), "DEADLOCK"),
    ],
    ids=lambda value: f"{type(value).__module__}.{type(value).__name__}" if isinstance(value, BaseException) else value,
)
def test_an_exception_has_a_code(error: BaseException, expected: str) -> None:
    """By its class, by the status it was raised for, by errno, and last by its words."""
    assert code(error) == expected


def test_what_an_error_was_raised_from_tells_more() -> None:
    """An app wraps errors; the one behind says why."""
    assert code(raised_from(RuntimeError("the agent failed"), httpx.ReadTimeout("slow"))) == "TIMEOUT"
    deadlock = psycopg.errors.DeadlockDetected("deadlock detected")
    wrapped = raised_from(sqlalchemy.exc.OperationalError("UPDATE", {}, deadlock), deadlock)
    assert code(wrapped) == "DEADLOCK"


def test_a_group_has_the_code_of_what_is_in_it() -> None:
    """A task group's error is a group, however deep the fault lies."""
    group = BaseExceptionGroup("tasks", [ValueError("x"), ExceptionGroup("inner", [httpx.ConnectError("refused")])])
    assert code(group) == "NETWORK_ERROR"


def test_a_chain_that_bites_its_tail_comes_to_an_end() -> None:
    """Causes may form a ring, and be as many as you like."""
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert code(first) is None
    long: BaseException = TimeoutError()
    for number in range(1000):
        long = raised_from(ValueError(str(number)), long)
    assert code(long) is None


def test_an_exception_that_cannot_be_read_has_no_code() -> None:
    """Its own code may raise; none of it is run but `__str__`, behind a fence."""

    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

        @property
        def status_code(self) -> int:
            raise RuntimeError("no")

    assert code(Broken()) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("httpx.ReadTimeout: the read timed out", "TIMEOUT"),
        ("playwright._impl._errors.TimeoutError: Page.click: Timeout 30000ms exceeded", "TIMEOUT"),
        ("TimeoutError: Page.click: waiting for selector '#x'", "SELECTOR_NOT_FOUND"),
        ("ConnectionResetError: [Errno 104] Connection reset by peer", "NETWORK_ERROR"),
        ("openai.RateLimitError: Error code: 429 - {'error': {}}", "RATE_LIMITED"),
        ("RuntimeError: Error code: 401 - {'error': {}}", "AUTH_EXPIRED"),
        ("Rate limit reached for model", "RATE_LIMITED"),
        ("Overloaded", "RATE_LIMITED"),
        ("sqlite3.OperationalError: database is locked", "DEADLOCK"),
        ("CUDA out of memory. Tried to allocate 2 GiB", "OUT_OF_MEMORY"),
        ("the session has expired", "AUTH_EXPIRED"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'x'", "MISSING_FILE"),
        ("upstream said HTTP 504", "TIMEOUT"),
        ("ValueError: 429 is no answer to the question", None),
        ("KeyError: 'timezone'", None),
        ("", None),
    ],
)
def test_a_text_has_a_code(text: str, expected: str | None) -> None:
    """As the error of a trace is kept: class and message, or the words of a stream."""
    assert code(text) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, "AUTH_EXPIRED"), (403, "PERMISSION_DENIED"), (404, "MISSING_FILE"), (408, "TIMEOUT"),
        (429, "RATE_LIMITED"), (502, "NETWORK_ERROR"), (503, "NETWORK_ERROR"), (504, "TIMEOUT"), (529, "RATE_LIMITED"),
        (200, None), (400, None), (500, None), (None, None),
    ],
)  # fmt: skip
def test_a_status_has_a_code(status: int | None, expected: str | None) -> None:
    """Where the error itself does not tell; 400 and 500 say nothing of why."""
    assert code("http_error", status) == expected


def test_the_error_goes_before_the_status() -> None:
    """An app answers many different faults with the same status."""
    assert code(httpx.ReadTimeout("slow"), 502) == "TIMEOUT"


@given(st.text(max_size=300), st.integers() | st.none())
def test_any_text_is_survived(text: str, status: Any) -> None:
    """Streams say what they like."""
    code(text, status)


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "a." * 500_000, "waiting for " * 100_000, "status " * 100_000, "\n" * 10**6]
)
def test_a_long_text_costs_no_more_than_a_short_one(text: str) -> None:
    """Only the beginning is looked at, once; what is slow here never ends."""
    assert code(text) in (None, "SELECTOR_NOT_FOUND")
