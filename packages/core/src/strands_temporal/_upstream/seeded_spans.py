"""Spans of the tracer of OpenTelemetry's SDK, with ids that are the same in each pass of a workflow's code.

So a span that one worker exports has as its parent the span that another worker exports later. The SDK is not
imported: the attributes `id_generator` and `span_processor` of its tracer (1.45) are public, but have no type
in OpenTelemetry's API.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind
from opentelemetry.util.types import Attributes
from typing_extensions import override

from .run_local import run_local
from .spans import RunSpans, WorkflowSpan, is_first_end, outside_the_sandbox


class SeededSpans:
    """Starts spans of a copy of the SDK's tracer."""

    def __init__(self, tracer: Any) -> None:
        self._processor = getattr(tracer, "span_processor", None)
        self._tracer = copy.copy(tracer)
        self._tracer.id_generator = _RunIds(tracer.id_generator)
        if self._processor is not None:
            self._tracer.span_processor = _LateStarts(self._processor)

    def start(
        self,
        name: str,
        context: Context,
        kind: SpanKind,
        attributes: Attributes,
        links: Sequence[Link] | None,
        start_time: int | None,
        *options: Any,
    ) -> Span:
        run = run_local(RunSpans)
        with outside_the_sandbox():
            span: Span = self._tracer.start_span(
                name, context, kind, attributes, links, start_time or run.now(), *options
            )
        return _SeededSpan(run, span, context, self._processor) if span.is_recording() else span


class _RunIds:
    """An SDK's id generator whose ids in a workflow are those of the run."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def generate_span_id(self) -> int:
        return run_local(RunSpans).span_id()

    def generate_trace_id(self) -> int:
        return run_local(RunSpans).trace_id()


class _LateStarts:
    """An SDK's span processor that is notified of a span's start only when the span ends and is exported.

    Otherwise a processor would see a start at each replay, and most of these spans never end.
    """

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        """Do nothing: `_SeededSpan` notifies the original processor."""


class _SeededSpan(WorkflowSpan):
    """A span of an SDK's tracer. Its ids are the same in each pass."""

    def __init__(self, run: RunSpans, span: Span, context: Context, processor: Any) -> None:
        super().__init__(run)
        self._span = span
        self._context = context
        self._processor = processor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)

    @override
    def get_span_context(self) -> SpanContext:
        return self._span.get_span_context()

    @override
    def _record(self, call: Callable[[Span], object]) -> None:
        call(self._span)

    @override
    def _end(self, end_time: int, *, live: bool) -> None:
        if live and is_first_end(self):
            with outside_the_sandbox():
                if self._processor is not None:
                    self._processor.on_start(self._span, parent_context=self._context)
                self._span.end(end_time)
