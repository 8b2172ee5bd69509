"""A tracer that is not of OpenTelemetry's SDK."""

import random
import time
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Status


class OwnSpan(trace.NonRecordingSpan):
    """A span of a provider that is not OpenTelemetry's SDK."""

    def __init__(self, tracer: "OwnTracer", name: str, context: Any, kind: Any, start_time: Any) -> None:
        parent = trace.get_current_span(context).get_span_context()
        self.tracer, self.name, self.kind, self.start_time = tracer, name, kind, start_time
        self.parent = parent if parent.is_valid else None
        trace_id = parent.trace_id if parent.is_valid else random.getrandbits(128)
        super().__init__(trace.SpanContext(trace_id, random.getrandbits(64), is_remote=False))
        self.context = self.get_span_context()
        self.status = Status()
        self.attributes: dict[str, Any] = {}
        self.events: list[Any] = []
        self.end_time: int | None = None

    def is_recording(self) -> bool:
        return self.end_time is None

    def set_attributes(self, attributes: Any) -> None:
        self.attributes.update(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        self.events.append(Event(name, attributes, timestamp))

    def record_exception(self, exception: BaseException, *args: Any, **options: Any) -> None:
        self.add_event("exception", None, args[1] if len(args) > 1 else None)

    def set_status(self, status: Any, description: str | None = None) -> None:
        self.status = status if isinstance(status, Status) else Status(status, description)

    def end(self, end_time: int | None = None) -> None:
        self.end_time = end_time or time.time_ns()
        self.tracer.ended.append(self)


class OwnTracer(trace.Tracer):
    """A tracer that is not OpenTelemetry's SDK's."""

    def __init__(self) -> None:
        self.started = 0
        self.ended: list[Any] = []

    def start_span(self, name: str, context: Any = None, kind: Any = None, *args: Any, **options: Any) -> Any:
        self.started += 1
        start_time = args[2] if len(args) > 2 else options.get("start_time")
        return OwnSpan(self, name, context, kind, start_time or time.time_ns())

    def start_as_current_span(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError
