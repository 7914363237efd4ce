"""The frames of one stream: secrets masked, also those that go over several frames; held only where one may grow."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence

from tracekit.decoding import Reasoning, Refusal, Text, ToolArguments
from tracekit.redaction import StreamItem
from tracekit_redact.envelopes import Envelope
from tracekit_redact.found import Found
from tracekit_redact.frames import Edit, edited, marker, text_payload
from tracekit_redact.masks import Report, replaced
from tracekit_redact.search import Search
from tracekit_redact.triggers import END
from tracekit_redact.windows import Channel, Piece, Window

__all__ = ["SecretStream"]

# Frames, and bytes in them, that are held while a secret may be growing. One frame may be longer.
_MOST_FRAMES = 64
_MOST_BYTES = 32 * 1024

# Channels whose tails are kept: answers, parts and calls that run side by side.
_MOST_CHANNELS = 256

# A name and what stands between it and its value are not longer.
_REACH = 72

_PARTS = (Text, Reasoning)

_BYTES = "bytes"
"""The channel of the frames that no decoder reads."""


class SecretStream:
    """Masks the frames of one stream in order. A frame comes again until it was ready, and never after."""

    def __init__(self, search: Search, report: Report) -> None:
        self._search = search
        self._report = report
        self._channels: dict[Hashable, Channel] = {}
        # A pattern of the host's may reach over quotes, so it must see the frames as they are.
        self._envelope = None if search.has_patterns else Envelope(search.is_suspicious)

    def take(self, items: Sequence[StreamItem], *, final: bool) -> int:
        """Mask those frames that are ready; how many they are, from the first."""
        said = _said(items)
        channels, texts, news = [], [], []
        for key, pieces in said.items():
            channel = self._channels.get(key) or self._new_channel(key)
            text = channel.tail + "".join([text for _, text, _ in pieces])
            channels.append(channel)
            texts.append(text)
            news.append(text if channel.is_masked else text[max(0, len(channel.tail) - _REACH) :])
        raws = [item.raw for item in items]
        rest = b'"'.join(raws).decode("latin-1") if self._envelope is None else self._envelope.rest(raws)
        if self._are_harmless(news, rest):
            for channel, text in zip(channels, texts, strict=True):
                channel.store(text)
            return len(items)
        windows = [Window(self._search, *known) for known in zip(channels, said.values(), texts, strict=True)]
        return self._take_carefully(items, windows, rest, final=final)

    def _are_harmless(self, texts: Sequence[str], rest: str) -> bool:
        unfinished_from = self._search.unfinished_from
        for text in texts:
            if unfinished_from(text) < len(text):
                return False
        return not self._search.is_suspicious(END.join((*texts, rest)))

    def _new_channel(self, key: Hashable) -> Channel:
        if len(self._channels) >= _MOST_CHANNELS:
            del self._channels[next(iter(self._channels))]
        channel = self._channels[key] = Channel()
        return channel

    def _take_carefully(self, items: Sequence[StreamItem], windows: Sequence[Window], rest: str, *, final: bool) -> int:
        ready = len(items)
        if not final:
            ready = min((held for window in windows if (held := window.first_held()) is not None), default=ready)
        is_forced = _is_too_much(items[ready:])
        if is_forced:
            ready = len(items)
        edits: list[list[Edit]] = [[] for _ in range(ready)]
        for window in windows:
            window.edits(ready, edits, self._report, also_open=is_forced)
        has_secrets = bool(self._search.secrets(rest))
        for item, own in zip(items[:ready], edits, strict=True):
            if own or has_secrets:
                self._mask(item, own)
        if final and _is_broken(items[-1]) and any(window.is_open for window in windows):
            self._withhold(items[-1])
        return ready

    def _mask(self, item: StreamItem, edits: Sequence[Edit]) -> None:
        raw = edited(item.raw, edits) if edits else item.raw
        if raw is not None:
            raw = self._searched(raw, item, is_read=True)
        else:
            raw = self._searched(item.raw, item, is_read=False)
            if not all(edit.whole and _is_gone(raw, edit) for edit in edits):
                raw = marker(raw, edits[0].kind)
        if raw != item.raw:
            item.raw, item.redacted = raw, True

    def _searched(self, raw: bytes, item: StreamItem, *, is_read: bool) -> bytes:
        """A frame with the secrets masked that its bytes show. `is_read`: those in what it says are masked already."""
        text = raw.decode("latin-1")
        found = [one for one in self._search.secrets(text) if not _is_answer(text, one, item, is_read=is_read)]
        if not found:
            return raw
        for one in found:
            self._report(one.kind)
        return replaced(text, found).encode("latin-1")

    def _withhold(self, item: StreamItem) -> None:
        """A frame that broke off, and that nobody could read, may hold the rest of a secret."""
        self._report("unfinished")
        item.raw, item.redacted = marker(item.raw, "unfinished"), True


def _said(items: Sequence[StreamItem]) -> dict[Hashable, list[Piece]]:
    """What the frames say in each channel, and the bytes of those that nobody reads."""
    said: dict[Hashable, list[Piece]] = {}
    kind: type[Text | Reasoning] | None = None
    part: Hashable = None
    choice = 0
    pieces: list[Piece] = []
    for place, item in enumerate(items):
        facts = item.facts
        if len(facts) == 1 and (fact := facts[0]).__class__ is kind and fact.part == part and fact.choice == choice:
            pieces.append((place, fact.text, None))
            continue
        if not facts and (span := text_payload(item.raw)):
            start, stop = span
            said.setdefault(_BYTES, []).append((place, item.raw[start:stop].decode("latin-1"), start))
        for fact in facts:
            if isinstance(fact, _PARTS):
                # Nearly always it is the channel of the fact before.
                if type(fact) is not kind or fact.part != part or fact.choice != choice:
                    kind, part, choice = type(fact), fact.part, fact.choice
                    pieces = said.setdefault((kind, part, choice), [])
            elif isinstance(fact, ToolArguments):
                kind, pieces = None, said.setdefault((ToolArguments, fact.key), [])
            elif isinstance(fact, Refusal):
                kind, pieces = None, said.setdefault(Refusal, [])
            else:
                continue
            pieces.append((place, fact.text, None))
    return said


def _is_too_much(held: Sequence[StreamItem]) -> bool:
    return len(held) > _MOST_FRAMES or (len(held) > 1 and sum(len(item.raw) for item in held) > _MOST_BYTES)


def _is_broken(item: StreamItem) -> bool:
    return not item.facts and not item.raw.endswith((b"\n", b"\r"))


def _is_gone(raw: bytes, edit: Edit) -> bool:
    """Whether a piece of a secret is not in a frame, however it may be written there."""
    secret = edit.text[edit.start : edit.stop]
    spellings = (secret, *(json.dumps(secret, ensure_ascii=ascii)[1:-1] for ascii in (True, False)))
    return all(spelling.encode("utf-8", "surrogatepass") not in raw for spelling in spellings)


def _is_answer(text: str, one: Found, item: StreamItem, *, is_read: bool) -> bool:
    """Whether this is a piece of the answer, which was looked at with the rest of it: what stands under the name
    `token`, or what is no secret where the text before it is known, as half of a word is none."""
    if one.named and one.kind != "token":
        return False
    value = text[one.start : one.stop].encode("latin-1")
    said = [fact.text.encode("utf-8", "replace") for fact in item.facts if isinstance(fact, _PARTS)]
    return value in said if one.named else is_read and any(value in part for part in said)
