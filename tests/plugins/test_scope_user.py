"""Who asks, read from the ASGI scope without running any of the user object's code."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.authentication import AuthCredentials, BaseUser, SimpleUser, UnauthenticatedUser

import tracekit_scope_user
from tracekit import Actor


def actor(user: Any = None, **scope: Any) -> Actor | None:
    found = tracekit_scope_user.tracekit_identify_actor({"type": "http", "user": user, **scope})
    assert found is None or isinstance(found, Actor)
    return found


class StarletteUser(BaseUser):
    def __init__(self, identity: str, *, is_authenticated: bool = True) -> None:
        self._identity = identity
        self._is_authenticated = is_authenticated

    @property
    def is_authenticated(self) -> bool:
        return self._is_authenticated

    @property
    def display_name(self) -> str:
        return "Ann Lee"

    @property
    def identity(self) -> str:
        return self._identity


class DjangoUser:
    """As Django's model instances are: columns in the dict, everything else properties."""

    is_active = True

    def __init__(self, **columns: Any) -> None:
        self.__dict__.update(columns)

    @property
    def is_authenticated(self) -> bool:
        return True

    def get_username(self) -> str:
        raise AssertionError("no code of the user is run")


class LazyUser:
    """As Django's lazy objects are: any attribute looks the user up."""

    def __init__(self, wrapped: Any) -> None:
        self.__dict__["_wrapped"] = wrapped

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} would ask the database")

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise AssertionError("isinstance would ask the database")


@dataclass
class RecordUser:
    id: uuid.UUID
    is_admin: Any = False


@dataclass(slots=True)
class SlottedUser:
    username: str
    is_superuser: bool = True


def test_starlettes_users_are_known() -> None:
    """Its own user has a name and no identity; a user of the app's own has both."""
    assert actor(SimpleUser("ann")) == Actor("ann")
    assert actor(StarletteUser("user-7")) == Actor("user-7")


@pytest.mark.parametrize(
    "user", [None, UnauthenticatedUser(), StarletteUser("x", is_authenticated=False), object(), ""]
)
def test_nobody_is_nobody(user: Any) -> None:
    """Without a user who is known, other plugins are asked."""
    assert actor(user) is None
    assert tracekit_scope_user.tracekit_identify_actor({"type": "http"}) is None


def test_djangos_users_are_known() -> None:
    """By their columns, and staff are admins."""
    assert actor(DjangoUser(username="ann", id=3, is_staff=False)) == Actor("ann")
    assert actor(DjangoUser(id=3, is_staff=1)) == Actor("3", is_admin=True)


def test_a_lazy_user_is_not_looked_up() -> None:
    """One that was looked up already is read; another asks the database when touched, so it is not touched."""
    assert actor(LazyUser(DjangoUser(username="ann", is_superuser=True))) == Actor("ann", is_admin=True)
    assert actor(LazyUser(object())) is None


def test_properties_are_not_run() -> None:
    """What a property does nobody knows; an ORM's columns may ask the database."""

    class Costly:
        username = property(lambda self: pytest.fail("was run"))
        id = 5

        def __getattribute__(self, name: str) -> Any:
            pytest.fail(f"{name} was asked for")

    assert actor(Costly()) == Actor("5")


def test_plain_users_of_any_make_are_known() -> None:
    """Data classes, with slots and without, dictionaries, and a name alone."""
    known = uuid.uuid4()
    assert actor(RecordUser(known, is_admin=True)) == Actor(str(known), is_admin=True)
    assert actor(SlottedUser("bo")) == Actor("bo", is_admin=True)
    assert actor({"id": 9, "email": "a@b.c", "is_staff": False}) == Actor("9")
    assert actor("cleo") == Actor("cleo")


@pytest.mark.parametrize("mark", ["false", "no", 2, [], None, lambda: True, object()])
def test_a_mark_counts_only_if_it_is_true(mark: Any) -> None:
    """A text, a method or a number that is not 1 makes nobody an admin."""
    assert actor({"id": "x", "is_admin": mark}) == Actor("x")
    assert actor(RecordUser(uuid.UUID(int=1), is_admin=mark)) == Actor(str(uuid.UUID(int=1)))


def test_the_scope_admin_makes_an_admin() -> None:
    """Starlette's AuthCredentials, or a dictionary like them."""
    assert actor(SimpleUser("ann"), auth=AuthCredentials(["authenticated", "admin"])) == Actor("ann", is_admin=True)
    assert actor(SimpleUser("ann"), auth={"scopes": ("admin",)}) == Actor("ann", is_admin=True)
    assert actor(SimpleUser("ann"), auth=AuthCredentials(["administrator"])) == Actor("ann")
    assert actor(UnauthenticatedUser(), auth=AuthCredentials(["admin"])) is None
    assert actor(SimpleUser("ann"), auth={"scopes": "admin"}) == Actor("ann")
