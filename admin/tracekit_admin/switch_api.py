"""Whether the host's page shows its switch for recording."""

from __future__ import annotations

from pydantic import Field
from starlette.responses import Response

from tracekit_admin.documents import json_response
from tracekit_admin.operations import ACCESS_KEY, Answer, Call, Nothing, Operation
from tracekit_admin.queries import NoQuery
from tracekit_admin.schemas import Document

__all__ = ["OPERATIONS"]


class SwitchState(Document):
    """What `<tracekit-switch>` and `<tracekit-link>` need to know. To who has no permission it says no and no more."""

    may_see: bool = Field(description="The reader may see traces.")
    shown: bool = Field(description="The reader may ask for a recording, and recording is on here.")
    default_on: bool = Field(description="The switch is on until the reader turns it.")


def get_switch(call: Call[NoQuery, Nothing]) -> Response:
    """Answers everybody: a page asks before it knows who reads it."""
    may_see = call.request.scope.get(ACCESS_KEY) is not None
    settings = call.recorder.settings.current
    shown = may_see and call.recorder.health().recording
    state = SwitchState(may_see=may_see, shown=shown, default_on=shown and settings.task_trace_default_on)
    return json_response(state.model_dump())


OPERATIONS = (
    Operation(
        method="GET",
        path="/api/switch",
        answer=get_switch,
        summary="Whether a page shows its switch for recording",
        tag="settings",
        answers=(Answer(200, "For this reader.", SwitchState),),
        open=True,
    ),
)
