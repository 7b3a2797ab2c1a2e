"""Prometheus metrics of this process. Asking twice for a name gives the same metric.

Metrics and log context are the two things that belong to the process, not to a constructor.
"""

from functools import cache

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LATENCIES_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


@cache
def counter(name: str, help_text: str, labels: tuple[str, ...] = ()) -> Counter:
    """A counter; its name ends in `_total`."""
    return Counter(name, help_text, labels)


@cache
def gauge(name: str, help_text: str, labels: tuple[str, ...] = ()) -> Gauge:
    """A value that goes up and down."""
    return Gauge(name, help_text, labels)


@cache
def histogram(name: str, help_text: str, labels: tuple[str, ...] = ()) -> Histogram:
    """Durations in seconds, from one millisecond to ten seconds."""
    return Histogram(name, help_text, labels, buckets=_LATENCIES_SECONDS)


def render() -> bytes:
    """All metrics in the text format that Prometheus reads."""
    return generate_latest(REGISTRY)
