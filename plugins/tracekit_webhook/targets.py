"""Where alerts are posted: only to hosts that are allowed, so that a wrong address cannot become a call elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

__all__ = ["ALLOWED", "URLS", "Targets"]

URLS = "TRACEKIT_WEBHOOK_URLS"
ALLOWED = "TRACEKIT_WEBHOOK_ALLOWED_HOSTS"


@dataclass(frozen=True, slots=True)
class Targets:
    """The addresses, and what is wrong with those that are not used. A problem names the host and no more: the rest
    of such an address is often a secret."""

    urls: tuple[SplitResult, ...] = ()
    problems: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, urls: Iterable[str], allowed_hosts: Iterable[str]) -> Targets:
        """Those whose host is allowed."""
        allowed = {host.lower() for host in allowed_hosts}
        taken: list[SplitResult] = []
        problems: list[str] = []
        for url in urls:
            parts, problem = _checked(url, allowed)
            if problem is not None:
                problems.append(f"{URLS}: {problem}; nothing is posted there")
            elif parts is not None:
                taken.append(parts)
        return cls(tuple(taken), tuple(problems))


def _checked(url: str, allowed: set[str]) -> tuple[SplitResult | None, str | None]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None, "an address is malformed"
    if parts.scheme not in ("http", "https") or not host:
        return None, "an address is not of http or https"
    if host not in allowed:
        return None, f"the host {host[:100]!r} is not among {ALLOWED}"
    return parts, None
