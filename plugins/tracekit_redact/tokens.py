"""Tokens that are known by their whole form: JSON Web Tokens, bots' tokens, Azure's keys, AWS secrets by their name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tracekit_redact.found import Found, begins_word
from tracekit_redact.triggers import END, Trigger

__all__ = ["token_triggers"]

_RUN_BEFORE = re.compile(r"[A-Za-z0-9]*")
_RUN = re.compile(r"[A-Za-z0-9_-]*")

# A JSON object in base64url, then two to four further parts (RFC 7515 and 7516). Possessive: a run is read once.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{4,}+(?:\.[A-Za-z0-9_-]*+){0,3}")
_JWT_BEGINNING = re.compile(r"eyJ[A-Za-z0-9_-]*+\.?[A-Za-z0-9_-]{0,3}")
_NO_RUN = re.compile(r"[A-Za-z0-9_-]")

# Azure's keys since 2024: 84 characters with a fixed mark in them; those of an app: 40 with another.
_AZURE_BEFORE, _AZURE_AFTER = 52, re.compile(r"JQQJ99[A-Za-z0-9]{20,40}")
_AZURE_APP_BEFORE, _AZURE_APP_AFTER = 4, re.compile(r"Q~[A-Za-z0-9_.~-]{31,37}")

_TELEGRAM_BEFORE = range(6, 12)
_TELEGRAM = re.compile(r":AA[A-Za-z0-9_-]{30,40}")
_DISCORD = re.compile(r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,42}")
_DISCORD_BEFORE = range(23, 29)

# A secret key of AWS has no form of its own but 40 characters of base64; a commit's hash has 40 as well.
_AWS = re.compile(r"ccess [Kk]ey[^\n]{0,24}?(?<![A-Za-z0-9/+=])(?P<key>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])")
_AWS_BEGINNING = re.compile(r"ccess [Kk]ey[^\n]{0,24}?(?<![A-Za-z0-9/+=])(?P<key>[A-Za-z0-9/+]{1,40})\Z")
_HASH = re.compile(r"[0-9a-fA-F]{40}")


def _jwt(text: str, at: int) -> Found | None:
    # Only where a run begins: else a long run would be read again from each place in it.
    if at and _NO_RUN.match(text, at - 1) and (text[at - 1] in "_-" or not begins_word(text, at)):
        return None
    whole = _JWT.match(text, at)
    if whole is not None:
        return Found(at, whole.end(), "jwt", open=whole.end() == len(text))
    beginning = _JWT_BEGINNING.match(text, at)
    if beginning is None or beginning.end() < len(text):
        return None
    return Found(at, len(text), "jwt", complete=False, open=True)


def _azure(text: str, at: int) -> Found | None:
    start = _run_start(text, at, _AZURE_BEFORE)
    return _around(text, at, start if at - start == _AZURE_BEFORE else at, _AZURE_AFTER, "azure-key")


def _azure_app(text: str, at: int) -> Found | None:
    return _around(text, at, _run_start(text, at, _AZURE_APP_BEFORE), _AZURE_APP_AFTER, "azure-client-secret")


def _telegram(text: str, at: int) -> Found | None:
    start = _run_start(text, at, _TELEGRAM_BEFORE[-1])
    is_bot = at - start in _TELEGRAM_BEFORE and text[start:at].isdigit()
    return _around(text, at, start, _TELEGRAM, "telegram-token") if is_bot else None


def _discord(text: str, at: int) -> Found | None:
    start = _run_start(text, at, _DISCORD_BEFORE[-1])
    return _around(text, at, start, _DISCORD, "discord-token") if at - start in _DISCORD_BEFORE else None


def _aws(text: str, at: int) -> Found | None:
    match = _AWS.match(text, at)
    if match is not None and not _HASH.fullmatch(match["key"]):
        return Found(match.start("key"), match.end("key"), "aws-secret-key", open=match.end() == len(text))
    beginning = _AWS_BEGINNING.match(text, at) if len(text) - at < 96 else None
    if beginning is None:
        return None
    return Found(beginning.start("key"), len(text), "aws-secret-key", complete=False, open=True)


def _run_start(text: str, at: int, most: int) -> int:
    """Where the run of letters, digits, `_` and `-` before `at` begins, at most so many characters before."""
    before = text[max(0, at - most) : at]
    return at - len(before) + len(before.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"))


def _around(text: str, at: int, start: int, after: re.Pattern[str], kind: str) -> Found | None:
    match = after.match(text, at)
    if match is not None:
        run = _RUN.match(text, match.end())
        stop = run.end() if run else match.end()
        return Found(start, stop, kind, open=stop == len(text))
    run = _RUN.match(text, at + 1, at + 80)
    is_unfinished = run is not None and run.end() == len(text)
    return Found(start, len(text), kind, complete=False, open=True) if is_unfinished else None


def token_triggers() -> Iterator[Trigger]:
    """Triggers for each of these forms."""
    yield Trigger("eyJ", _jwt, rf"[A-Za-z0-9_-]{{8}}|[A-Za-z0-9_-]{{0,7}}+(?:\Z|{END})", holds_from=1)
    yield Trigger("JQQJ99", _azure, rf"[A-Za-z0-9]{{20}}|[A-Za-z0-9]{{0,19}}+(?:\Z|{END})")
    yield Trigger("Q~", _azure_app, rf"[A-Za-z0-9_.~-]{{31}}|[A-Za-z0-9_.~-]{{0,30}}+(?:\Z|{END})")
    yield Trigger(":AA", _telegram, rf"[A-Za-z0-9_-]{{30}}|[A-Za-z0-9_-]{{0,29}}+(?:\Z|{END})")
    yield Trigger(".", _discord, r"[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27}")
    for spelling in ("ccess key", "ccess Key"):
        yield Trigger(spelling, _aws, rf"[^\n]{{0,24}}?(?:[A-Za-z0-9/+]{{40}}|[A-Za-z0-9/+]{{1,39}}+(?:\Z|{END}))")
