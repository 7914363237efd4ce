"""`tracekit demo`: a chat app that a person can try, and a check that finds out when recording goes wrong."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import anthropic
import openai
import pytest

from tracekit import Recorder
from tracekit.cli.listening import listen
from tracekit.errors import ConfigurationError
from tracekit.types import EndReason
from tracekit_admin.demo.app import build_app, identify
from tracekit_admin.demo.client import Address, fetch, post
from tracekit_admin.demo.comparison import differences, wait_until_ended
from tracekit_admin.demo.scenarios import SCENARIOS, Exchange, Scenario, send
from tracekit_admin.demo.script import Conversation, answer_to
from tracekit_admin.demo.server import serving

TOKEN = "a-token-for-the-tests"
HELLO = Scenario("complete answer", "openai", "Hello there")


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    url = f"sqlite:///{tmp_path_factory.mktemp('demo') / 'demo.db'}"
    recorder = Recorder(url, settings={"task_trace_enabled": True}, identify=identify, admin_token=TOKEN)
    yield recorder
    recorder.shutdown()


@pytest.fixture(scope="module")
def address(recorder: Recorder) -> Iterator[Address]:
    with serving(build_app(recorder, pace=0.05), listen("127.0.0.1", 0)) as address:
        yield address


def recorded(address: Address, scenario: Scenario, recorder: Recorder) -> Exchange:
    exchange = send(address, scenario, f"session-{uuid.uuid4().hex}")
    assert wait_until_ended([exchange], recorder, 20)
    return exchange


def tracekit(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tracekit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)


def test_the_check_passes_and_leaves_a_timeline_to_read(tmp_path: Path) -> None:
    """Ten chats over real HTTP, each recorded as it was sent; the TXT export is where the check says."""
    done = tracekit("demo", "--check", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == len(SCENARIOS)
    for end_reason in (EndReason.COMPLETED, EndReason.APP_ERROR, EndReason.CLIENT_DISCONNECTED):
        assert end_reason in done.stdout
    timeline = re.search(r"\S+\.txt", done.stdout)
    assert timeline
    assert "get_weather" in Path(timeline[0]).read_text(encoding="utf-8")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: f"{scenario.title}, {scenario.format}")
def test_what_is_recorded_is_what_was_sent(scenario: Scenario, address: Address, recorder: Recorder) -> None:
    """Nothing differs, for any kind of chat that the check sends."""
    assert list(differences(recorded(address, scenario, recorder), recorder.store)) == []


def tampered(exchange: Exchange) -> Iterator[tuple[str, Exchange]]:
    """The same chat as if something else had been sent, with the word that should tell."""
    received, scenario = exchange.received, exchange.scenario
    yield "body", replaced(exchange, body=received.body[:-1] + b"?")
    yield "frame", replaced(exchange, body=received.body + b": one more\n\n")
    yield "the response came to its end", replaced(exchange, whole=False)
    yield "answered with", replaced(exchange, trace_id=None)
    yield "session_id", dataclasses.replace(exchange, session_id="another")
    yield (
        "end_reason",
        dataclasses.replace(exchange, scenario=dataclasses.replace(scenario, end_reason=EndReason.APP_ERROR)),
    )
    yield "answer", dataclasses.replace(exchange, scenario=dataclasses.replace(scenario, prompt="Something else"))
    yield (
        "tool calls",
        dataclasses.replace(exchange, scenario=dataclasses.replace(scenario, prompt="The weather in Rome")),
    )
    yield (
        "there is a trace of it",
        dataclasses.replace(exchange, scenario=dataclasses.replace(scenario, end_reason=None)),
    )


def replaced(exchange: Exchange, **received: object) -> Exchange:
    return dataclasses.replace(exchange, received=dataclasses.replace(exchange.received, **received))


def test_the_check_notices_every_difference(address: Address, recorder: Recorder) -> None:
    """Each fact that the check compares is able to fail it."""
    exchange = recorded(address, HELLO, recorder)
    for told, other in tampered(exchange):
        assert any(told in problem for problem in differences(other, recorder.store)), told


def test_the_openai_client_reads_the_answer(address: Address, recorder: Recorder) -> None:
    """The demo speaks the format well enough for the official client, tool call and all."""
    with openai.OpenAI(base_url=f"http://{address[0]}:{address[1]}/v1", api_key="none", max_retries=0) as client:
        messages = [{"role": "user", "content": "What is the weather in Oslo?"}]
        with client.chat.completions.stream(model="scripted-1", messages=messages) as stream:
            completion = stream.get_final_completion()
    (call,) = completion.choices[0].message.tool_calls or []
    assert call.function.name == "get_weather"
    assert call.function.arguments == '{"city": "Oslo", "unit": "celsius"}'


def test_the_anthropic_client_reads_the_answer(address: Address, recorder: Recorder) -> None:
    """The demo speaks the format well enough for the official client."""
    with anthropic.Anthropic(base_url=f"http://{address[0]}:{address[1]}", api_key="none", max_retries=0) as client:
        messages = [{"role": "user", "content": "Hello there"}]
        with client.messages.stream(model="scripted-1", max_tokens=64, messages=messages) as stream:
            text = "".join(stream.text_stream)
    assert text == answer_to(Conversation("Hello there")).text


def test_the_page_and_its_parts_are_served(address: Address) -> None:
    """The page loads nothing from elsewhere, and its policy says so."""
    status, headers, body = get(address, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'self'" in headers["content-security-policy"]
    parts = re.findall(r'(?:src|href)="(static/[^"]+)"', body)
    assert parts
    assert [get(address, f"/{part}")[0] for part in parts] == [200] * len(parts)
    assert re.findall(r"https?://", body) == []


def get(address: Address, path: str) -> tuple[int, dict[str, str], str]:
    connection = HTTPConnection(*address, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("payload", [{}, {"messages": 7}, {"messages": [None]}, {"messages": [{"role": "user"}]}])
def test_a_request_that_is_no_conversation_is_told_so(address: Address, payload: dict[str, object]) -> None:
    """The app answers 400 with a reason, in every format."""
    received = post(address, "/v1/messages", payload)
    assert received.status == 400
    assert b"message" in received.body


def test_the_admin_api_of_the_demo_is_closed_without_the_token(address: Address) -> None:
    """The address alone opens nothing."""
    assert fetch(address, "/tracekit/api/task-trace", "wrong-token-altogether")[0] in (401, 403)
    assert fetch(address, "/tracekit/api/task-trace", TOKEN)[0] == 200


def test_a_port_that_is_taken_is_a_clear_error() -> None:
    """The error names the address and the option that helps."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port}.*--port"):
            listen("127.0.0.1", port)


def test_the_demo_says_where_to_go_and_serves_it(tmp_path: Path) -> None:
    """What a person is told to open is there, until Ctrl-C ends it in good order."""
    port = free_port()
    command = [sys.executable, "-u", "-m", "tracekit", "demo", "--port", str(port)]
    environment = {**os.environ, "TRACEKIT_ADMIN_TOKEN": TOKEN}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as process:
        try:
            wait_until_served(("127.0.0.1", port))
            assert fetch(("127.0.0.1", port), "/tracekit/api/task-trace", TOKEN)[0] == 200
        finally:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=30)
    assert f"http://127.0.0.1:{port}/" in output
    assert TOKEN in output
    assert (tmp_path / "tracekit-demo.db").exists()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_until_served(address: Address) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            assert get(address, "/")[0] == 200
        except ConnectionError:
            assert time.monotonic() < deadline, "the demo does not start"
            time.sleep(0.05)
        else:
            return
