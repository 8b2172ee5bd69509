"""A tracer provider for spans that Strands creates inside a workflow.

`temporalio.contrib.opentelemetry.create_tracer_provider` gives spans the same ids at every replay, and does
not end spans while replaying. This provider does three more things for an agent. First, it also exports a
span with an error that the workflow handled (a tool that failed, a hook that raised). Second, it exports
nothing twice if a workflow task is retried. Third, Strands' spans contain no content unless the environment
allows it.
"""

import asyncio
import inspect
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, Tracer, use_span
from opentelemetry.util.types import Attributes, AttributeValue
from temporalio import workflow
from temporalio.contrib.opentelemetry import ReplaySafeTracerProvider, create_tracer_provider

from ._export import SpanExport
from ._types import CONTENT_ATTRIBUTES, captures_content

_REMEMBERED = 4096  # spans; a workflow task that fails is retried within seconds


class AgentTracerProvider(ReplaySafeTracerProvider):
    """The tracer provider that `OTelPlugin` sets if the application has not set one.

    Attributes:
        export: Its exporter. It starts with the first span and stops with the last worker.
    """

    def __init__(self) -> None:
        # The public way to get contrib's id generator, which draws ids from the workflow's random source.
        ids = create_tracer_provider(resource=Resource.get_empty(), shutdown_on_exit=False).id_generator()
        # The SDK reads resource, sampler and limits from the OTEL_* variables.
        self._sdk = TracerProvider(id_generator=ids, shutdown_on_exit=False)
        super().__init__(self._sdk, ids)
        self._ended = _EndedSpans()
        self.export = SpanExport()
        self.add_span_processor(self.export)

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes | None = None,
    ) -> Tracer:
        """See base class."""
        tracer = self._sdk.get_tracer(
            instrumenting_module_name, instrumenting_library_version, schema_url, attributes
        )
        of_strands = instrumenting_module_name.partition(".")[0] == "strands"
        return _AgentTracer(tracer, self._ended, of_strands=of_strands)


class _AgentTracer(Tracer):
    replay_safe = True  # core's own replay-safe tracer leaves this one as it is

    def __init__(self, tracer: Tracer, ended: "_EndedSpans", *, of_strands: bool) -> None:
        self._tracer = tracer
        self._ended = ended
        self._of_strands = of_strands

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> "_AgentSpan":
        if _replaying():
            start_time = start_time or workflow.time_ns()
        span = self._tracer.start_span(
            name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )
        return _AgentSpan(span, self._ended, content=not self._of_strands or captures_content())

    def start_as_current_span(self, name: str, *args: Any, end_on_exit: bool = True, **kwargs: Any) -> Any:
        return _CurrentSpan(partial(self.start_span, name, *args, **kwargs), kwargs, end_on_exit)


class _CurrentSpan:
    """A span for one block of code, or for each call of a function that it decorates."""

    def __init__(self, start: Callable[[], "_AgentSpan"], options: dict[str, Any], end_on_exit: bool) -> None:
        self._start = start
        self._options = options
        self._end_on_exit = end_on_exit

    def __enter__(self) -> Span:
        span = self._start()
        span.is_block = True
        self._use = use_span(
            span,
            self._end_on_exit,
            self._options.get("record_exception", True),
            self._options.get("set_status_on_exception", True),
        )
        return self._use.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        return self._use.__exit__(*error)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def again() -> _CurrentSpan:
            return _CurrentSpan(self._start, self._options, self._end_on_exit)

        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def call_async(*args: Any, **kwargs: Any) -> Any:
                with again():
                    return await function(*args, **kwargs)

            return call_async

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with again():
                return function(*args, **kwargs)

        return call


class _AgentSpan(Span):
    """A span that ends once, however often the workflow replays. Drops content unless it is allowed."""

    def __init__(self, span: Span, ended: "_EndedSpans", *, content: bool) -> None:
        self._span = span
        self._ended = ended
        self._content = content
        self._home = weakref.ref(asyncio.get_running_loop()) if workflow.in_workflow() else None
        self._error: BaseException | None = None
        self.is_block = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)

    def end(self, end_time: int | None = None) -> None:
        if self._home is None or (self._is_over() and self._ended.first(self.get_span_context())):
            self._span.end(end_time)

    def get_span_context(self) -> SpanContext:
        return self._span.get_span_context()

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        kept = {name: value for name, value in attributes.items() if self._keeps(name)}
        self._span.set_attributes(kept)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        if self._keeps(key):
            self._span.set_attribute(key, value)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        if self._content:
            self._span.add_event(name, attributes, timestamp)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        self._span.add_link(context, attributes)

    def update_name(self, name: str) -> None:
        self._span.update_name(name)

    def is_recording(self) -> bool:
        return self._span.is_recording()

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        self._span.set_status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        self._error = exception
        self._span.record_exception(exception, attributes, timestamp, escaped)

    def _keeps(self, attribute: str) -> bool:
        return self._content or attribute not in CONTENT_ATTRIBUTES

    def _is_over(self) -> bool:
        """Tell whether the end of a span that a workflow started is final.

        In three cases it is not. The workflow replays or is evicted. Or the garbage collector ends the span
        while it closes the generators of an evicted workflow, outside of a workflow or in another one. Or an
        error that left the block fails the workflow task, which is retried.
        """
        home = self._home and self._home()
        if not workflow.in_workflow() or asyncio.get_running_loop() is not home or _replaying():
            return False
        return not self.is_block or self._error is None or workflow.is_failure_exception(self._error)


class _EndedSpans:
    """The spans that recently ended in workflows. A workflow task that is retried ends them again."""

    def __init__(self) -> None:
        self._spans: OrderedDict[tuple[int, int], None] = OrderedDict()
        self._lock = threading.Lock()

    def first(self, span: SpanContext) -> bool:
        """Remember `span`, and return whether it is new."""
        key = (span.trace_id, span.span_id)
        with self._lock:
            new = key not in self._spans
            self._spans[key] = None
            self._spans.move_to_end(key)
            if len(self._spans) > _REMEMBERED:
                self._spans.popitem(last=False)
        return new


def _replaying() -> bool:
    """Tell whether a workflow is replaying. temporalio also counts an eviction as replaying."""
    return workflow.in_workflow() and workflow.unsafe.is_replaying_history_events()
