"""Pages from templates, in the reader's language. Every value is escaped; what was recorded is also freed of characters
that mislead the eye."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from tracekit.human_units import duration_text, moment_text, size_text
from tracekit.terminal_text import fit, one_line, safe_lines
from tracekit_admin.language import LANGUAGES, THEMES, language_of, theme_of, translations
from tracekit_admin.places import link_to_root, requested_target
from tracekit_admin.sessions import COOKIE
from tracekit_admin.words import cause_text, word

__all__ = ["environment", "html_response"]


@cache
def environment(language: str) -> Environment:
    """The templates in one language."""
    made = Environment(
        loader=PackageLoader("tracekit_admin"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    translation = translations(language)
    made.install_gettext_translations(translation, newstyle=True)  # type: ignore[attr-defined]  # of the extension
    made.filters.update(
        cause=partial(cause_text, translation),
        duration=duration_text,
        fit=fit,
        lines=lambda text: "\n".join(safe_lines(text)),
        moment=moment_text,
        number="{:,}".format,
        one_line=one_line,
        query=urlencode,
        size=size_text,
        word=partial(word, translation),
    )
    return made


def html_response(
    request: Request,
    template: str,
    values: Mapping[str, Any],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """A page. `root` is its relative link to the root of the mount, `here` its own address inside it."""
    language = language_of(request)
    frame = {
        "root": link_to_root(request.scope),
        "here": requested_target(request),
        "language": language,
        "languages": LANGUAGES,
        "theme": theme_of(request),
        "themes": THEMES,
        "can_sign_out": bool(request.cookies.get(COOKIE)),
    }
    page = environment(language).get_template(template).render({**frame, **values})
    return HTMLResponse(page.encode("utf-8", "replace"), status, {"Vary": "Cookie, Accept-Language", **(headers or {})})
