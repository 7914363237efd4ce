"""docs/install.md: from two lines in an app to the first trace, done as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from admin_server import wait_until
from serving import serve_in_process

PAGE = Path(__file__).parents[2] / "docs" / "install.md"

APP = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route
from tracekit_admin import install


async def chat(request):
    async def answer():
        for word in ("one", "two", "three"):
            yield f"data: {word}\\n\\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(answer(), media_type="text/event-stream")


app = Starlette(routes=[Route("/chat", chat)])
install(app)
"""


def exported() -> dict[str, str]:
    """The variables that the page has its reader set."""
    lines = re.findall(r"^export (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def test_whoever_follows_the_page_sees_the_first_trace(tmp_path: Path) -> None:
    """Two lines, the variables of the page, one chat: it is in the console."""
    (tmp_path / "first_app.py").write_text(APP)
    variables = exported()
    assert set(variables) >= {"TRACEKIT_ADMIN_TOKEN", "TASK_TRACE_ENABLED", "TASK_TRACE_ADMIN_ONLY"}
    database = {"TRACEKIT_DATABASE_URL": f"sqlite:///{tmp_path}/first.db"}
    with serve_in_process("first_app:app", "--app-dir", str(tmp_path), **variables, **database) as server:
        assert httpx.get(f"{server.url}/chat", timeout=30).text == "data: one\n\ndata: two\n\ndata: three\n\n"
        console = httpx.Client(base_url=f"{server.url}/tracekit", headers={"Accept": "text/html"}, timeout=30)
        token = {"token": variables["TRACEKIT_ADMIN_TOKEN"], "next": "/traces"}
        signed_in = console.post("/sign-in", data=token, headers={"Origin": server.url})
        assert signed_in.status_code == 303
        wait_until(lambda: "/chat" in console.get("/traces").text)
        console.close()
