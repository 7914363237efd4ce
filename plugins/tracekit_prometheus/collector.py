"""Health as metrics: read anew at each scrape, kept nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from tracekit.alerts import RULES
from tracekit.health import Health, Percentiles

__all__ = ["HealthCollector"]


class HealthCollector:
    """What the registry asks. `describe` is empty, so that registering it reads nothing."""

    def __init__(self, health: Callable[[], Health]) -> None:
        self._health = health

    def describe(self) -> list[Metric]:
        """Nothing: names are known when they are collected."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics, as of now."""
        health = self._health()
        yield from _gauges(health)
        yield _quantiles("tracekit_flush_seconds", "Time that a batch took to be written.", health.writer.flush_ms)
        yield _quantiles("tracekit_api_seconds", "Time that the admin took to answer.", health.api_ms)
        yield from _counters(health)
        raised = {alert.rule for alert in health.alerts}
        yield _labelled(
            GaugeMetricFamily("tracekit_alert_raised", "1 while the alert of a rule stands.", labels=["rule"]),
            {rule.name: rule.name in raised for rule in RULES},
        )


def _gauges(health: Health) -> Iterator[Metric]:
    writer, process = health.writer, health.process
    values = {
        "recording": ("Whether requests may be recorded now.", health.recording),
        "healthy": ("1 while the status of health is ok.", health.status == "ok"),
        "writer_alive": ("Whether the writer's thread runs.", writer.alive),
        "open_traces": ("Traces that are not written to their end.", writer.open_traces),
        "queue_bytes": ("What waits in memory to be written.", writer.waiting_bytes),
        "queue_limit_bytes": ("The most that may wait in memory.", writer.limit_bytes),
        "spool_bytes": ("What waits on disk to be written.", writer.spooled_bytes),
        "spool_limit_bytes": ("The most that may wait on disk.", writer.spool_limit_bytes),
        "write_failures_in_a_row": ("Tries that the database refused since the last good one.",
                                    writer.consecutive_failures),
        "process_memory_bytes": ("Resident memory of the process.", process.memory_bytes),
        "database_bytes": ("What the recordings take.", health.database.size_bytes),
        "disk_free_bytes": ("What is free on the disk of a SQLite file.",
                            health.disk.free_bytes if health.disk else None),
    }  # fmt: skip
    for name, (told, value) in values.items():
        if value is not None:
            yield GaugeMetricFamily(f"tracekit_{name}", told, value=float(value))


def _counters(health: Health) -> Iterator[Metric]:
    drops = health.drops
    lost = {
        "refused_event": drops.refused_events,
        "orphaned_event": drops.orphaned_events,
        "internal_error": drops.internal_errors,
        "disk_short_trace": health.disk.skipped_traces if health.disk else 0,
    }
    yield _labelled(CounterMetricFamily("tracekit_dropped", "What was lost, by cause.", labels=["cause"]), lost)
    yield _labelled(
        CounterMetricFamily("tracekit_plugin_faults", "What plugins raised.", labels=["plugin"]),
        {plugin.name: plugin.faults for plugin in health.plugins},
    )
    yield CounterMetricFamily("tracekit_events_written", "Events in the database.", value=health.writer.events_written)
    yield CounterMetricFamily("tracekit_traces_written", "Traces in the database.", value=health.writer.traces_written)


def _quantiles(name: str, told: str, found: Percentiles) -> Metric:
    """Seconds, as Prometheus counts time. A quantile that was not measured is left out."""
    measured = {"0.5": found.p50, "0.95": found.p95, "0.99": found.p99}
    known = {quantile: value / 1000 for quantile, value in measured.items() if value is not None}
    return _labelled(GaugeMetricFamily(name, told, labels=["quantile"]), known)


def _labelled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float]) -> Metric:
    for label, value in values.items():
        family.add_metric([label], float(value))
    return family
