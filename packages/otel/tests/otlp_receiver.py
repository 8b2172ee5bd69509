"""A real OTLP/HTTP receiver on 127.0.0.1 that decodes exports and draws their span trees."""

import gzip
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from integration_tests.http_server import QuietHandler, serving
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass
class SeenSpan:
    """A span as it arrived."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    status: int
    start: int
    end: int
    scope: str
    service: str


@dataclass
class SeenMetric:
    """One point of a metric, from the last export of its process."""

    name: str
    attributes: dict[str, Any]
    count: int
    total: float


@dataclass
class Receiver:
    """Everything that has arrived so far."""

    url: str
    spans: list[SeenSpan] = field(default_factory=list[SeenSpan])
    exports: list[list[SeenMetric]] = field(default_factory=list[list[SeenMetric]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def named(self, name: str) -> list[SeenSpan]:
        """Return the spans of that name."""
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> SeenSpan:
        """Return the one span of that name."""
        (span,) = self.named(name)
        return span

    def tree(self) -> list[str]:
        """Return the names in order of start, each indented below its parent. `?` is a lost parent."""
        by_id = {span.span_id: span for span in self.spans}

        def below(parent: str, depth: int) -> list[str]:
            children = sorted((s for s in self.spans if s.parent_id == parent), key=lambda s: s.start)
            return [line for s in children for line in ("  " * depth + s.name, *below(s.span_id, depth + 1))]

        lost = sorted({s.parent_id for s in self.spans if s.parent_id and s.parent_id not in by_id})
        return below("", 0) + [line for parent in lost for line in ("?", *below(parent, 1))]

    def twice(self) -> list[str]:
        """Return the names of spans that arrived more than once."""
        counts = Counter((span.trace_id, span.span_id, span.name) for span in self.spans)
        return [name for (_, _, name), count in counts.items() if count > 1]

    def metrics(self, name: str) -> list[SeenMetric]:
        """Return the points of the metric in the last export that has it."""
        for export in reversed(self.exports):
            if found := [metric for metric in export if metric.name == name]:
                return found
        return []

    def counts(self) -> dict[str, int]:
        """Return the number of measurements of each metric."""
        names = {metric.name for export in self.exports for metric in export}
        return {name: sum(metric.count for metric in self.metrics(name)) for name in sorted(names)}

    def clear(self) -> None:
        """Forget everything that has arrived."""
        self.spans.clear()
        self.exports.clear()


@contextmanager
def otlp_receiver() -> Generator[Receiver]:
    """Run a receiver on a free port while the block runs."""
    receiver = Receiver("")

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.body()
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.answer(200, "application/x-protobuf", _receive(receiver, self.path, body))

    with serving(Handler) as receiver.url:
        yield receiver


def _receive(receiver: Receiver, path: str, body: bytes) -> bytes:
    if path == "/v1/traces":
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _attributes(resource.resource.attributes).get("service.name", "")
            for scope in resource.scope_spans:
                receiver.spans += [_span(span, scope.scope.name, service) for span in scope.spans]
        return ExportTraceServiceResponse().SerializeToString()
    assert path == "/v1/metrics", path
    seen: list[SeenMetric] = []
    for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                seen += _points(metric)
    receiver.exports.append(seen)
    return ExportMetricsServiceResponse().SerializeToString()


def _span(span: Any, scope: str, service: str) -> SeenSpan:
    return SeenSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        kind=span.kind,
        attributes=_attributes(span.attributes),
        events=[(event.name, _attributes(event.attributes)) for event in span.events],
        status=span.status.code,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        scope=scope,
        service=service,
    )


def _points(metric: Any) -> list[SeenMetric]:
    if metric.HasField("histogram"):
        return [
            SeenMetric(metric.name, _attributes(p.attributes), p.count, p.sum)
            for p in metric.histogram.data_points
        ]
    values = [(p, p.as_int or p.as_double) for p in metric.sum.data_points]
    return [SeenMetric(metric.name, _attributes(p.attributes), int(value), value) for p, value in values]


def _attributes(attributes: Any) -> dict[str, Any]:
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return (
        [_value(item) for item in value.array_value.values] if kind == "array_value" else getattr(value, kind)
    )
