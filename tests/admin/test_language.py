"""The words of the console: none is left untranslated, and what is compiled is what was written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO

import pytest
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

from tracekit.alerts import RULES, UNKNOWN_TITLE
from tracekit.config import SystemSettings
from tracekit.reasons import REASONS
from tracekit.store.failures import PROCESS_ADVICE
from tracekit_admin.language import CATALOGUES, LANGUAGES, translations
from tracekit_admin.rendering import environment
from tracekit_admin.words import CAUSES, WORDS

TRANSLATED = sorted(set(LANGUAGES) - {"en"})


def messages() -> set[str]:
    """Every text that a page may show in another language."""
    templates = environment("en")
    found: set[str] = set()
    for name in templates.list_templates(extensions=["html"]):
        assert templates.loader is not None
        source = templates.loader.get_source(templates, name)[0]
        for _, _, message in templates.extract_translations(source):  # type: ignore[attr-defined]
            found.add(message[0] if isinstance(message, tuple) else message)
    found |= {word.replace("_", " ") for word in WORDS} | set(CAUSES.values())
    found |= {field.description or "" for field in SystemSettings.model_fields.values()}
    found |= {reason.advice for reason in REASONS.values()} | set(PROCESS_ADVICE.values())
    found |= {text for rule in RULES for text in (rule.title, rule.advice)} | {UNKNOWN_TITLE}
    return found - {None}  # type: ignore[arg-type]


def catalogue(language: str) -> Path:
    return CATALOGUES / language / "LC_MESSAGES" / "tracekit.po"


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_is_left_untranslated_and_nothing_is_translated_in_vain(language: str) -> None:
    """Each message of the templates and of the words that tables hold has its translation, and no other."""
    with catalogue(language).open("rb") as file:
        known = {message.id if isinstance(message.id, str) else message.id[0]: message for message in read_po(file)}
    known.pop("", None)
    assert set(known) == messages()
    assert [name for name, message in known.items() if not message.string or message.fuzzy] == []
    for name, message in known.items():
        assert list(message.check()) == [], name


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_compiled_is_what_was_written(language: str) -> None:
    """`make messages` was run after the last change."""
    with catalogue(language).open("rb") as file:
        written = read_po(file)
    compiled = io.BytesIO()
    write_mo(compiled, written)
    compiled.seek(0)
    with catalogue(language).with_suffix(".mo").open("rb") as file:
        assert _texts(file) == _texts(compiled)
    assert translations(language).gettext("Overview") != "Overview"


def _texts(file: IO[bytes]) -> dict[str, object]:
    """What a compiled catalogue says, but for its head, which tells when it was compiled."""
    return {str(message.id): message.string for message in read_mo(file) if message.id}
