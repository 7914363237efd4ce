"""Names under which secrets stand: JSON keys, form fields, headers, variables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

__all__ = ["SecretNames", "plain_name"]

# Endings of a name, without case and separators, and the kind that the mask names. The first that fits counts.
_ENDINGS = {
    "password": "password passwords passwd passphrase passcode pwd db_pass smtp_pass mail_pass user_pass pg_pass",
    "api-key": "api_key api_keys subscription_key functions_key function_key service_key admin_key app_key",
    "access-key": "access_key account_key",
    "private-key": "private_key ssh_key deploy_key",
    "secret": "secret secrets secret_key encryption_key signing_key master_key hmac_key session_key auth_key",
    "cookie": "cookie cookies",
    "authorization": "authorization",
    "credentials": "credential credentials",
    "token": "token jwt",
}

# What ends like a secret and is none: places in a list, words of a model's vocabulary, methods.
_HARMLESS = (
    "page next previous prev continuation cursor eos bos pad unk mask sep cls stop start begin end first last special "
    "max min num per cancel cancellation sync image audio video prompt chat think thinking reasoning fill_in resume"
)

# What may follow the word in the name of a password.
_FURTHER_WORDS = "hash confirmation confirm again repeat repeated new old current value digest plain text salt"

# Names whose numbers are secrets as well.
_NUMERIC = frozenset({"password", "passwd", "passcode", "pass", "pwd", "pin", "pincode", "pinnumber"})

# Longer names are no names; of those the end is looked at.
_LONGEST = 96

_SEPARATORS = re.compile(r"[^a-z0-9]+")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def plain_name(name: str) -> str:
    """A name without case and separators."""
    return _SEPARATORS.sub("", name[-_LONGEST:].lower())


_ENDINGS_OF_KIND = {kind: tuple(plain_name(name) for name in names.split()) for kind, names in _ENDINGS.items()}
_HARMLESS_ENDINGS = tuple(f"{plain_name(word)}token" for word in _HARMLESS.split())
_PASSWORD_AND_MORE = frozenset(_FURTHER_WORDS.split())


class SecretNames:
    """Knows by its name whether a value is a secret."""

    def __init__(self, further: Iterable[str] = ()) -> None:
        """`further`: names of the host's own; case and separators do not count."""
        further = tuple(further)
        self._further = tuple({plain_name(name) for name in further} - {""})
        self.spellings = frozenset(spelling for name in further for spelling in _spellings(name))
        """How the host's own names are written."""
        self.kind = lru_cache(4096)(self._kind)
        """The kind of secret that a name stands for; None where its value is no secret."""

    def _kind(self, name: str) -> str | None:
        plain = plain_name(name)
        if plain.endswith(self._further):
            return "named"
        plain = plain.rstrip("0123456789")
        if plain in _NUMERIC:
            return "password"
        for kind, endings in _ENDINGS_OF_KIND.items():
            if plain.endswith(endings):
                return None if plain.endswith(_HARMLESS_ENDINGS) else kind
        _, word, rest = plain.rpartition("password")
        return "password" if word and rest in _PASSWORD_AND_MORE else None

    def hides_numbers(self, name: str) -> bool:
        """Whether numbers under this name are masked as well: those of a password or a PIN."""
        return plain_name(name) in _NUMERIC


def _spellings(name: str) -> Iterator[str]:
    """A name of several words in the ways in which names are written."""
    words = [word.lower() for word in _WORDS.findall(name)]
    for separator in ("_", "-", "", "."):
        joined = separator.join(words)
        yield from (joined, joined.upper())
    titled = [word.capitalize() for word in words]
    yield from ("".join(titled), "".join(words[:1] + titled[1:]), "-".join(titled))
