"""What Prometheus reads at `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters of one gateway.

    Args:
        counters: numbers of engine and encoder, read when they are asked for.
    """

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, counters: Callable[[], Mapping[str, float]]) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter("arc_requests", "answered requests", ["endpoint", "status"], registry=registry)
        self.seconds = Histogram(
            "arc_request_seconds", "time until a request was answered", ["endpoint"], buckets=SECONDS, registry=registry
        )
        self.first_token = Histogram(
            "arc_first_token_seconds", "time until the first text of an answer", buckets=SECONDS, registry=registry
        )
        self.in_flight = Gauge("arc_requests_in_flight", "requests under way", registry=registry)
        self.text_tokens = Counter("arc_prompt_text_tokens", "prompt positions that are text", registry=registry)
        self.vectors = Counter("arc_prompt_vectors", "prompt positions that are vectors", registry=registry)
        self.document_tokens = Counter(
            "arc_document_tokens", "encoder tokens of the documents behind those vectors", registry=registry
        )
        self.completion_tokens = Counter("arc_completion_tokens", "tokens of answers", registry=registry)
        registry.register(_Read(counters))

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)


class _Read(Collector):
    def __init__(self, counters: Callable[[], Mapping[str, float]]) -> None:
        self.counters = counters

    def collect(self) -> Iterator[Metric]:
        for name, value in self.counters().items():
            yield GaugeMetricFamily(f"arc_{name}", name.replace("_", " "), value=value)
