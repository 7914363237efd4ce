"""Signing in with the admin token, and out again."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tracekit_admin.attempts import Attempts
from tracekit_admin.auth import TokenCheck
from tracekit_admin.guard import SIGN_IN
from tracekit_admin.operations import FORM, HTML, Answer, Call, Nothing, Operation
from tracekit_admin.places import link_to_root, safe_target
from tracekit_admin.queries import NoQuery, SignInQuery
from tracekit_admin.rendering import html_response
from tracekit_admin.schemas import SignInForm

__all__ = ["SignIn"]

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tracekit"'}


class SignIn:
    """The operations that open and close a session."""

    def __init__(self, check: TokenCheck) -> None:
        self._check = check
        self._attempts = Attempts()

    def operations(self) -> tuple[Operation, ...]:
        """Both are pages, for browsers."""
        page = Answer(200, "The page.", media_type=HTML)
        gone = Answer(303, "To the page that was asked for.", media_type="", headers=("Location",))
        wrong = Answer(401, "This is not the token.", media_type=HTML)
        later = Answer(429, "Too many wrong tokens.", media_type=HTML, headers=("Retry-After",))
        return (
            Operation(
                method="GET",
                path=SIGN_IN,
                answer=self.show_sign_in,
                summary="The sign-in page",
                tag="pages",
                answers=(page, gone),
                query=SignInQuery,
                open=True,
            ),
            Operation(
                method="POST",
                path=SIGN_IN,
                answer=self.sign_in,
                summary="Sign in",
                tag="pages",
                answers=(gone, wrong, later),
                body=SignInForm,
                body_type=FORM,
                open=True,
            ),
            Operation(
                method="POST",
                path="/sign-out",
                answer=self.sign_out,
                summary="Sign out",
                tag="pages",
                answers=(Answer(303, "To the sign-in page.", media_type="", headers=("Location",)),),
            ),
        )

    def show_sign_in(self, call: Call[SignInQuery, Nothing]) -> Response:
        """Asks for the token; who is signed in already goes on."""
        if self._check.sessions.is_open(call.request):
            return _onward(call.request, call.query.next)
        return _page(call.request, call.query.next)

    def sign_in(self, call: Call[NoQuery, SignInForm]) -> Response:
        """Compares the token and starts a session. Wrong tokens are limited per client address and overall."""
        client = call.request.client
        address = client.host if client else ""
        wait = self._attempts.admit(address)
        if wait:
            return _page(call.request, call.body.next, 429, {"Retry-After": str(wait)}, wait=wait)
        if not self._check.is_token(call.body.token.strip().encode()):
            return _page(call.request, call.body.next, 401, _CHALLENGE)
        self._attempts.succeeded(address)
        response = _onward(call.request, call.body.next)
        self._check.sessions.start(call.request, response)
        return response

    def sign_out(self, call: Call[NoQuery, Nothing]) -> Response:
        """Takes the session out of the browser."""
        response = RedirectResponse(f"{link_to_root(call.request.scope)}{SIGN_IN[1:]}", 303)
        self._check.sessions.end(call.request, response)
        return response


def _onward(request: Request, target: str) -> Response:
    return RedirectResponse(link_to_root(request.scope) + safe_target(target)[1:], 303)


def _page(
    request: Request, target: str, status: int = 200, headers: dict[str, str] | None = None, *, wait: int = 0
) -> Response:
    """The sign-in page. With a `status` that is no success: the token was wrong, or one must `wait` so many seconds."""
    values = {"target": safe_target(target), "fault": status != 200, "wait": wait}
    return html_response(request, "sign_in.html", values, status, headers)
