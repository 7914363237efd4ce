"""The conversation of the text export: prompt, reasoning, answer, tool calls, usage."""

from __future__ import annotations

from collections.abc import Iterator

from tracekit.conversation import RecordedCall, RecordedCalls
from tracekit.human_units import counted, duration_text, offset_text
from tracekit.store.records import Texts, TraceRecord
from tracekit_exporters.layout import bar, paragraph

__all__ = ["conversation"]

# A text beyond this is no reading matter; the JSONL export has it whole.
_LONGEST_TEXT = 100_000


def conversation(trace: TraceRecord, texts: Texts, calls: RecordedCalls) -> Iterator[str]:
    """The lines of the conversation, in the order in which a chat shows it."""
    yield from _part("PROMPT", texts.prompt or trace.prompt_preview)
    if texts.reasoning:
        yield from _part("REASONING", texts.reasoning)
    yield from _part("ANSWER", texts.answer)
    if not texts.whole:
        yield from paragraph("[not all of it: some frames could not be read, or it is very long; see the timeline]")
    for number, call in enumerate(calls.calls, 1):
        yield from _call(number, call)
    if calls.left_out:
        yield from paragraph(f"… {counted(calls.left_out, 'event')} of further tool calls: see the timeline")
    yield ""
    yield from paragraph(_usage(trace))


def _part(title: str, text: str | None) -> Iterator[str]:
    yield ""
    yield f"  {title}"
    if not text:
        yield "  (none recorded)"
        return
    yield from bar(text[:_LONGEST_TEXT])
    if len(text) > _LONGEST_TEXT:
        yield from paragraph(f"[cut here: {len(text):,} characters in all]")


def _call(number: int, call: RecordedCall) -> Iterator[str]:
    yield ""
    took = f", took {duration_text(call.duration_us)}" if call.duration_us is not None else ""
    state = "" if call.ended else ", never ended"
    named = f"{call.name or '(no name)'}{f' ({call.id})' if call.id else ''}"
    yield from paragraph(f"TOOL CALL {number}: {named} at {offset_text(call.offset_us)}{took}{state}")
    for label, text in (("arguments  ", call.arguments), ("result     ", call.result), ("error      ", call.error)):
        if text is not None:
            yield from bar(text, first=label)


def _usage(trace: TraceRecord) -> str:
    if trace.input_tokens is None and trace.output_tokens is None:
        return "USAGE: not reported"
    counts = ((trace.input_tokens, "in"), (trace.output_tokens, "out"))
    said = ", ".join(f"{'?' if count is None else f'{count:,}'} {way}" for count, way in counts)
    return f"USAGE: {said} (tokens)"
