"""The answers to questions as models, made from the records that the store answers, so that they cannot differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache, reduce
from operator import or_
from types import GenericAlias, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, create_model

from tracekit.store import landmarks, question_records, tree_records
from tracekit_admin.schemas import Document

__all__ = [
    "ActiveTraces",
    "CheckpointList",
    "Graph",
    "Landmarks",
    "LayerList",
    "LayerPage",
    "SpanDetail",
    "SpanTreePage",
    "Statistics",
    "StuckPage",
    "TopFailures",
]


@cache
def _model_of(record: type[Any]) -> type[BaseModel]:
    """The model of a record: moments are ISO 8601, records in it are models, and all fields are there."""
    hints = get_type_hints(record)
    described: dict[str, Any] = {field.name: (_kind(field.name, hints[field.name]), ...) for field in fields(record)}
    return create_model(record.__name__, __base__=Document, __doc__=record.__doc__, **described)


def _kind(name: str, hint: Any) -> Any:
    """A field's type as JSON has it."""
    if hint is int and (name.endswith("_at") or name == "timestamp"):
        return datetime
    if isinstance(hint, type) and is_dataclass(hint):
        return _model_of(hint)
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return reduce(or_, (_kind(name, part) for part in parts))
    if origin is Sequence:
        return GenericAlias(list, (_kind(name, parts[0]),))
    return GenericAlias(dict, parts) if origin is Mapping else hint


ActiveTraces = _model_of(question_records.ActiveTraces)
StuckPage = _model_of(question_records.StuckPage)
TopFailures = _model_of(question_records.TopFailures)
LayerPage = _model_of(question_records.LayerPage)
Statistics = _model_of(question_records.Statistics)
SpanTreePage = _model_of(tree_records.SpanTreePage)
SpanDetail = _model_of(tree_records.SpanDetail)
Graph = _model_of(tree_records.Graph)
Landmarks = _model_of(landmarks.Landmarks)


class LayerList(Document):
    """The layers with spans, most spans first."""

    items: list[_model_of(question_records.LayerFacts)]  # type: ignore[valid-type]  # made when this is loaded


class CheckpointList(Document):
    """The checkpoints of a trace, in order."""

    items: list[_model_of(tree_records.Checkpoint)]  # type: ignore[valid-type]  # made when this is loaded
