"""What may stand behind the question mark of the questions about all traces, and about the inside of one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tracekit_admin.queries import PageQuery, Query, Whole

__all__ = ["ActiveQuery", "FailureQuery", "GraphQuery", "SpanQuery", "StatisticsQuery", "StuckQuery", "WindowQuery"]

_YEAR_H = 24 * 366

Hours = Annotated[float, Field(gt=0, le=_YEAR_H, allow_inf_nan=False)]


class ActiveQuery(Query):
    """How many running traces are told of."""

    limit: Whole = Field(50, ge=1, le=500)


class StuckQuery(Query):
    """What counts as stuck."""

    minutes: float = Field(
        5, gt=0, le=_YEAR_H * 60, allow_inf_nan=False, description="Without a sign for so long; parts of one are taken."
    )
    limit: Whole = Field(50, ge=1, le=200)


class WindowQuery(Query):
    """The last hours."""

    hours: Hours = Field(24, description="So far back.")


class FailureQuery(WindowQuery):
    """Which failures are told of."""

    limit: Whole = Field(20, ge=1, le=200)


class StatisticsQuery(WindowQuery):
    """Which pieces of time."""

    bucket: Literal["1m", "5m", "15m", "1h", "6h", "1d"] | None = Field(
        None, description="Length of a piece; left out, one that gives about 60. There are at most 750."
    )


class SpanQuery(PageQuery):
    """Which spans of the tree."""

    limit: Whole = Field(1000, ge=1, le=5000)


class GraphQuery(Query):
    """How much is drawn."""

    limit: Whole = Field(2000, ge=1, le=20_000, description="Most spans and tool calls; of runs there are at most 200.")
