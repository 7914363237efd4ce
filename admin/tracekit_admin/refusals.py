"""Problems as answers: a document for programs, a page for people."""

from __future__ import annotations

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from tracekit_admin.problems import Problem, problem_response
from tracekit_admin.rendering import html_response

__all__ = ["is_navigation", "refusal"]


def is_navigation(connection: HTTPConnection) -> bool:
    """Whether a person follows a link or sends a form: a browser that wants a page."""
    headers = connection.headers
    return "text/html" in headers.get("accept", "") and "authorization" not in headers


def refusal(connection: HTTPConnection, problem: Problem) -> Response:
    """The answer that tells of a problem, in the form that suits who asks."""
    if connection.scope["type"] != "http" or not is_navigation(connection):
        return problem_response(problem)
    return html_response(
        Request(connection.scope), "problem.html", {"problem": problem}, problem.status, problem.headers
    )
