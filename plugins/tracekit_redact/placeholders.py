"""Values that stand where a secret will be put, and texts that could hardly be one."""

from __future__ import annotations

import re

__all__ = ["MASK", "is_mask", "is_placeholder", "looks_random"]

MASK = "[redacted:"
"""How the mask of a secret begins."""

_PLACEHOLDER = re.compile(
    r"(?:your|my|the|some|example|sample|placeholder|change[_-]?me|insert|enter|replace|todo|none|null|nil|true|false|"
    r"undefined|os\.|process\.|env[.\[]|config|settings|self\.|args\.|options\.|include$|same-origin$|omit$|required|"
    r"optional|string$|str$|bytes$|any$|number$)|[a-z]{2,10}://|/(?:home|root|users|tmp|usr|var|etc|opt|srv|mnt|app)/|[$<%]|\{\{|\{[a-z]|[x*.•_-]+$",
    re.IGNORECASE,
)
_DIGIT_AND_LETTER = re.compile(r"(?=.{0,64}?[0-9!@#$%^*~+])(?=.{0,64}?[A-Za-z])", re.DOTALL)
_LONG_WORD = re.compile(r"[A-Za-z0-9+/_=-]{24}")


def is_mask(value: str) -> bool:
    """Whether a value was masked or withheld before."""
    return value.startswith((MASK, "[withheld"))


def is_placeholder(value: str) -> bool:
    """Whether a value in code or prose only says what belongs there."""
    return _PLACEHOLDER.match(value) is not None


def looks_random(value: str) -> bool:
    """Whether a value can hardly be a word: it mixes letters with digits or signs, or is very long."""
    return _DIGIT_AND_LETTER.match(value) is not None or _LONG_WORD.match(value) is not None
