"""The table of the console's pages."""

from __future__ import annotations

from tracekit_admin.console import preferences
from tracekit_admin.console.overview import overview
from tracekit_admin.console.questions_pages import failures_page, stuck_page
from tracekit_admin.console.screen import page_operation
from tracekit_admin.console.trace_list import ConsoleListQuery, trace_list
from tracekit_admin.console.trace_page import TraceQuery, trace_page
from tracekit_admin.console.upkeep_pages import health_page, settings_page
from tracekit_admin.question_queries import FailureQuery, StuckQuery, WindowQuery

__all__ = ["OPERATIONS"]

OPERATIONS = (
    page_operation("/", overview, "The overview, as a page", WindowQuery),
    page_operation("/traces", trace_list, "Recorded traces, as a page", ConsoleListQuery),
    page_operation("/traces/{trace_id}", trace_page, "One trace, as a page", TraceQuery),
    page_operation("/stuck", stuck_page, "What is stuck, as a page", StuckQuery),
    page_operation("/failures", failures_page, "What fails, as a page", FailureQuery),
    page_operation("/settings", settings_page, "Settings, clean-up and changes, as a page"),
    page_operation("/health", health_page, "The recorder's health, as a page"),
    *preferences.OPERATIONS,
)
