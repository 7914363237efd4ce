"""The Responses API as a stream of typed events.

Deltas are told as they come. The whole items that follow them (`response.output_item.done`, the last event's `output`)
only fill in what no delta told, so nothing is said twice. Where servers differ from
https://platform.openai.com/docs/api-reference/responses-streaming:
1. Copilot gives an item a new id in every event, so items are told apart by `output_index`.
2. A stream that is resumed with `starting_after` begins in the middle. What it lacks stands in its last event; until
   that comes, its deltas are held back.
3. OpenRouter ends with `[DONE]` as well, sends no `event:` lines, and has called the last event `response.done`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tracekit.decoding import (
    Ended,
    Fact,
    Failed,
    Finished,
    Frame,
    ModelNamed,
    Noted,
    Reasoning,
    Refusal,
    Text,
    Unreadable,
    Usage,
)
from tracekit_openai.content import reasoning_text
from tracekit_openai.failures import failure_of, reported_failure
from tracekit_openai.markers import marker_of
from tracekit_openai.response_items import ResponseItems, place_of
from tracekit_openai.usage import token_counts

__all__ = ["ResponsesDecoder"]

_FINAL = {
    "response.completed": "completed",
    "response.done": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}


class ResponsesDecoder:
    """Decodes one stream of the Responses API."""

    wire_format = "openai-responses"

    def __init__(self) -> None:
        self._items = ResponseItems()
        self._model_known = False
        self._begun = False
        self._held: list[Fact] | None = None

    def feed(self, frame: Frame) -> Iterable[Fact]:
        """The facts of one event. Types that say nothing new give none.

        Raises:
            Unreadable: the frame is no JSON object, or none of this API.
        """
        try:
            event = frame.object
        except Unreadable as problem:
            return (marker_of(frame, problem),)
        if not self._begun:
            self._begin(event)
        kind = event.get("type")
        handler = _HANDLERS.get(kind) if isinstance(kind, str) else None
        if handler is None:
            return self._read_unknown(event, kind)
        facts = handler(self, event)
        if self._held is None:
            return facts
        self._held.extend(facts)
        return ()

    def finish(self) -> Iterable[Fact]:
        """What was held back of a resumed stream that was cut off again, and which tools the provider ran itself."""
        hosted = self._items.hosted
        return (*self._release(), Noted("server_items", hosted)) if hosted else self._release()

    def _release(self) -> Iterable[Fact]:
        held, self._held = self._held, None
        return held or ()

    def _begin(self, event: dict[str, Any]) -> None:
        self._begun = True
        number = event.get("sequence_number")
        if isinstance(number, int) and number > 0 and event.get("type") != "response.created":
            self._held = []

    def _text(self, event: dict[str, Any]) -> Iterable[Fact]:
        delta = event.get("delta")
        if not isinstance(delta, str) or not delta:
            return ()
        place = place_of(event)
        self._items.text_told.add(place)
        return (Text(delta, place),)

    def _refusal(self, event: dict[str, Any]) -> Iterable[Fact]:
        delta = event.get("delta")
        if not isinstance(delta, str) or not delta:
            return ()
        self._items.text_told.add(place_of(event))
        return (Refusal(delta),)

    def _summary(self, event: dict[str, Any]) -> Iterable[Fact]:
        return self._reasoning(event, "summary", event.get("summary_index"))

    def _thought(self, event: dict[str, Any]) -> Iterable[Fact]:
        return self._reasoning(event, "content", event.get("content_index"))

    def _reasoning(self, event: dict[str, Any], name: str, number: Any) -> Iterable[Fact]:
        words = reasoning_text(event.get("delta"))
        if not words:
            return ()
        place = place_of(event)
        self._items.reasoning_told.add(place)
        return (Reasoning(words, (place, name, number if isinstance(number, int) else 0)),)

    def _arguments(self, event: dict[str, Any]) -> Iterable[Fact]:
        return self._items.arguments(place_of(event), event.get("delta"))

    def _whole_arguments(self, event: dict[str, Any]) -> Iterable[Fact]:
        return self._items.whole_arguments(place_of(event), event.get("arguments"))

    def _whole_input(self, event: dict[str, Any]) -> Iterable[Fact]:
        return self._items.whole_arguments(place_of(event), event.get("input"))

    def _item_added(self, event: dict[str, Any]) -> Iterable[Fact]:
        item = event.get("item")
        return self._items.begin(place_of(event), item) if isinstance(item, dict) else ()

    def _item_done(self, event: dict[str, Any]) -> Iterable[Fact]:
        item = event.get("item")
        return self._items.complete(place_of(event), item) if isinstance(item, dict) else ()

    def _state(self, event: dict[str, Any]) -> Iterable[Fact]:
        response = event.get("response")
        return self._model(response) if isinstance(response, dict) else ()

    def _model(self, response: dict[str, Any]) -> Iterator[Fact]:
        model = response.get("model")
        if not self._model_known and isinstance(model, str) and model:
            self._model_known = True
            yield ModelNamed(model)

    def _error(self, event: dict[str, Any]) -> Iterable[Fact]:
        return (*self._release(), reported_failure(event) or failure_of(event))

    def _final(self, event: dict[str, Any]) -> Iterable[Fact]:
        response = event.get("response")
        return self._end(response if isinstance(response, dict) else event, _FINAL[event["type"]])

    def _end(self, response: dict[str, Any], usual_status: str) -> list[Fact]:
        facts: list[Fact] = [*self._model(response)]
        output = response.get("output")
        if isinstance(output, list) and output:
            if self._held is not None:
                self._held.clear()
                self._items = ResponseItems()
            facts.extend(self._items.complete_all(output))
        return [*self._release(), *facts, *_ending(response, usual_status)]

    def _read_unknown(self, event: dict[str, Any], kind: Any) -> Iterable[Fact]:
        if event.get("object") == "response":
            return self._end(event, "completed")
        if isinstance(kind, str) and kind.startswith(("response.", "keepalive")):
            return ()
        failure = reported_failure(event)
        if failure is None:
            raise Unreadable("no event of the Responses API")
        return (failure,)


def _ending(response: dict[str, Any], usual_status: str) -> Iterator[Fact]:
    if counts := token_counts(response.get("usage")):
        yield Usage(counts)
    status = response.get("status")
    status = status if isinstance(status, str) and status else usual_status
    if error := response.get("error"):
        yield failure_of(error)
    elif status == "failed":
        yield Failed("the response failed")
    if isinstance(detail := response.get("incomplete_details"), dict):
        yield Noted("finish_detail", detail)
    yield Finished(status)
    yield Ended()


_Handler = Callable[[ResponsesDecoder, dict[str, Any]], Iterable[Fact]]

_HANDLERS: dict[str, _Handler] = {
    "response.output_text.delta": ResponsesDecoder._text,
    "response.audio.transcript.delta": ResponsesDecoder._text,
    "response.refusal.delta": ResponsesDecoder._refusal,
    "response.reasoning_summary_text.delta": ResponsesDecoder._summary,
    "response.reasoning_summary.delta": ResponsesDecoder._summary,
    "response.reasoning_text.delta": ResponsesDecoder._thought,
    "response.reasoning.delta": ResponsesDecoder._thought,
    "response.function_call_arguments.delta": ResponsesDecoder._arguments,
    "response.function_call_arguments.done": ResponsesDecoder._whole_arguments,
    "response.custom_tool_call_input.delta": ResponsesDecoder._arguments,
    "response.custom_tool_call_input.done": ResponsesDecoder._whole_input,
    "response.output_item.added": ResponsesDecoder._item_added,
    "response.output_item.done": ResponsesDecoder._item_done,
    "response.created": ResponsesDecoder._state,
    "response.queued": ResponsesDecoder._state,
    "response.in_progress": ResponsesDecoder._state,
    "response.error": ResponsesDecoder._error,
    "error": ResponsesDecoder._error,
    **dict.fromkeys(_FINAL, ResponsesDecoder._final),
}
