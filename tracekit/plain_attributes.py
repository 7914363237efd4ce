"""Attributes read without running anybody's code.

A lazy user object asks the database when it is touched, an ORM object when it has expired, a property does what it
likes. On the event loop, and while an error is being recorded, none of that may happen.
"""

from __future__ import annotations

from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

__all__ = ["instance_dict", "plain_attribute"]

_NO_ATTRIBUTES: dict[str, Any] = {}


def instance_dict(value: object) -> dict[str, Any]:
    """The attributes that are stored in an object itself; empty where it has no dict. Not to be changed."""
    for kind in reversed(type(value).__mro__):
        descriptor = kind.__dict__.get("__dict__")
        if type(descriptor) is GetSetDescriptorType:
            found = descriptor.__get__(value)
            return found if type(found) is dict else _NO_ATTRIBUTES
    return _NO_ATTRIBUTES


def plain_attribute(value: object, name: str, default: Any = None) -> Any:
    """An attribute that is stored in the object, in a slot of it, or as a constant in its class; else `default`.

    Properties, methods and all other descriptors are passed over, as if they were not there.
    """
    attributes = instance_dict(value)
    if name in attributes:
        return attributes[name]
    for kind in type(value).__mro__:
        if name in kind.__dict__:
            return _of_class(value, kind.__dict__[name], default)
    return default


def _of_class(value: object, attribute: Any, default: Any) -> Any:
    if type(attribute) is MemberDescriptorType:
        try:
            return attribute.__get__(value)
        except AttributeError:
            return default
    return default if hasattr(type(attribute), "__get__") else attribute
