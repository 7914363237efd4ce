"""What a browser is shown: its language and its theme, kept in cookies."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from tracekit_admin.language import LANGUAGE_COOKIE, THEME_COOKIE
from tracekit_admin.operations import FORM, Answer, Call, Operation
from tracekit_admin.places import link_to_root, safe_target
from tracekit_admin.queries import NoQuery
from tracekit_admin.sessions import is_https

__all__ = ["OPERATIONS"]

_YEAR_S = 365 * 24 * 3600


class Preferences(BaseModel):
    """What is chosen; what is left out stays as it is."""

    language: Literal["en", "zh"] | None = None
    theme: Literal["system", "light", "dark"] | None = None
    next: str = Field("/", max_length=4096, description="A path inside the mount, with its query.")


def set_preferences(call: Call[NoQuery, Preferences]) -> Response:
    """Keeps the choice in cookies, and goes back to the page. They name no path, as the session's names none."""
    request, chosen = call.request, call.body
    response = RedirectResponse(link_to_root(request.scope) + safe_target(chosen.next)[1:], 303)
    for name, value in ((LANGUAGE_COOKIE, chosen.language), (THEME_COOKIE, chosen.theme)):
        if value is not None:
            response.set_cookie(
                name,
                value,
                max_age=_YEAR_S,
                path=None,
                secure=is_https(request),
                httponly=True,
                samesite="strict",
            )
    return response


OPERATIONS = (
    Operation(
        method="POST",
        path="/preferences",
        answer=set_preferences,
        summary="Choose language and theme",
        tag="pages",
        answers=(Answer(303, "To the page.", media_type="", headers=("Location",)),),
        body=Preferences,
        body_type=FORM,
    ),
)
