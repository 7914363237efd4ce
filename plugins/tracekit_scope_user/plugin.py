"""The user that Starlette's AuthenticationMiddleware, Django or an app of its own way has put into `scope`.

This runs on the event loop, so a user object is only read where that runs none of its code: a lazy one that nobody
has touched yet, and an ORM object's unread columns, stay unread.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from starlette.authentication import BaseUser

from tracekit.hookspecs import hookimpl
from tracekit.plain_attributes import instance_dict, plain_attribute
from tracekit.types import Actor, Scope

__all__ = ["tracekit_identify_actor"]

_IDS = ("identity", "username", "id", "email", "display_name")
_ADMIN_MARKS = ("is_admin", "is_superuser", "is_staff")
_ADMIN_SCOPE = "admin"
_LONGEST_ID = 256

# Types are compared, not asked for: `isinstance` asks an object for its class, and a lazy one looks itself up then.
_ID_TYPES = frozenset({int, UUID})
_SCOPE_TYPES = frozenset({list, tuple, set, frozenset})

# What Starlette documents of its users; all three are properties.
_STARLETTE = frozenset({"is_authenticated", "identity", "display_name"})


@hookimpl
def tracekit_identify_actor(scope: Scope) -> Actor | None:
    """Names the user of `scope["user"]`; an admin by the user's marks, or by the scope "admin" in `scope["auth"]`."""
    user = _unwrapped(scope.get("user"))
    if user is None or _fact(user, "is_authenticated") is False:
        return None
    name = next(filter(None, (_name(_fact(user, field)) for field in _IDS)), None)
    is_admin = any(_is_set(_fact(user, mark)) for mark in _ADMIN_MARKS) or _may_all(scope.get("auth"))
    return Actor(name[:_LONGEST_ID] if name else None, is_admin=is_admin) if name or is_admin else None


def _unwrapped(user: object) -> object:
    """The user behind a lazy object of Django's, if it was looked up already; None if it was not."""
    attributes = instance_dict(user)
    if "_wrapped" not in attributes:
        return user
    wrapped: object = attributes["_wrapped"]
    # Django's mark for "not looked up yet" is a bare object.
    return None if type(wrapped) is object else wrapped


def _fact(user: object, name: str) -> Any:
    """A fact about the user. Starlette documents three properties of its users, which are read as such."""
    if type(user) is dict:
        return user.get(name)
    if type(user) is str:
        return user if name == "username" else None
    if name in _STARLETTE and issubclass(type(user), BaseUser):
        try:
            return getattr(user, name)
        except Exception:  # noqa: BLE001 - `identity` is not implemented in Starlette's own users
            return None
    return plain_attribute(user, name)


def _name(value: Any) -> str | None:
    if issubclass(type(value), str):
        return str.__str__(value)
    return str(value) if type(value) in _ID_TYPES else None


def _is_set(value: object) -> bool:
    """A mark that is true, or the 1 of a database. A text such as "false" is no mark."""
    return type(value) in (bool, int) and value == 1


def _may_all(auth: object) -> bool:
    scopes = auth.get("scopes") if type(auth) is dict else plain_attribute(auth, "scopes")
    return type(scopes) in _SCOPE_TYPES and _ADMIN_SCOPE in (scopes or ())
