"""Which language and theme a browser is shown, and the words of that language."""

from __future__ import annotations

import gettext
from functools import cache
from pathlib import Path

from starlette.requests import Request

__all__ = [
    "CATALOGUES",
    "LANGUAGES",
    "LANGUAGE_COOKIE",
    "THEMES",
    "THEME_COOKIE",
    "language_of",
    "theme_of",
    "translations",
]

LANGUAGES = {"en": "English", "zh": "简体中文"}
THEMES = ("system", "light", "dark")
LANGUAGE_COOKIE = "tracekit_language"
THEME_COOKIE = "tracekit_theme"
CATALOGUES = Path(__file__).parent / "locale"

_MOST_PREFERENCES = 16


def language_of(request: Request) -> str:
    """The language that was chosen here, else the first of those the browser prefers that there is, else English."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    preferred = request.headers.get("accept-language", "").lower().split(",")[:_MOST_PREFERENCES]
    names = (part.partition(";")[0].strip().partition("-")[0] for part in preferred)
    return next((name for name in names if name in LANGUAGES), "en")


def theme_of(request: Request) -> str:
    """The theme that was chosen here, else the system's."""
    chosen = request.cookies.get(THEME_COOKIE)
    return chosen if chosen in THEMES else "system"


@cache
def translations(language: str) -> gettext.NullTranslations:
    """The words of a language; those of the templates themselves for English."""
    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation("tracekit", CATALOGUES, [language])
