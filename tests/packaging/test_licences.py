"""What is installed with tracekit may be used wherever tracekit may: its licences ask for no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement

PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Unlicense)\b", re.IGNORECASE)

# Only with the extra `postgres`: used as a library of its own, which its licence allows to programs of any licence.
WEAK_COPYLEFT = {"psycopg", "psycopg-binary"}


def needed(name: str, *extras: str) -> Iterator[str]:
    """The names of what an installation brings."""
    found: dict[str, None] = {}
    waiting = [(name, extras)]
    while waiting:
        name, wanted = waiting.pop()
        for line in distribution(name).requires or ():
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                key = requirement.name.lower().replace("_", "-")
                if key not in found:
                    found[key] = None
                    waiting.append((requirement.name, tuple(requirement.extras)))
    yield from sorted(found)


def licence_of(name: str) -> str:
    """What a package says of its licence, in any of the three places for it."""
    metadata = distribution(name).metadata
    classifiers = [line for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    return " ".join([metadata.get("License-Expression") or metadata.get("License") or "", *classifiers])


@pytest.mark.parametrize("name", list(needed("tracekit", "cli", "postgres")))
def test_every_package_that_comes_along_has_a_licence_that_asks_for_little(name: str) -> None:
    """MIT, BSD, Apache, ISC and the like."""
    licence = licence_of(name)
    assert PERMISSIVE.search(licence) or (name in WEAK_COPYLEFT and "LGPL" in licence), licence
