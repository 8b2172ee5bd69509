"""Spans of a tracer whose ids cannot be chosen. They are made when the outermost one of them ends.

Until then each pass of a workflow's code holds its own spans. When the outermost span ends and the workflow
is not replaying, all of them are made, with their times, so that parents and children belong together.
"""

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, TraceFlags, Tracer
from opentelemetry.util.types import Attributes
from typing_extensions import override

from .run_local import run_local
from .spans import RunSpans, WorkflowSpan, is_first_end, outside_the_sandbox


class HeldSpans:
    """Starts spans of a tracer that is not the SDK's."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

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
        start_time = start_time or run.now()

        def start(parent: Context) -> Span:
            return self._tracer.start_span(name, parent, kind, attributes, links, start_time, *options)

        return _HeldSpan(run, start, context)


class _HeldSpan(WorkflowSpan):
    def __init__(self, run: RunSpans, start: Callable[[Context], Span], context: Context) -> None:
        super().__init__(run)
        current = trace.get_current_span(context)
        self._parent = current if isinstance(current, _HeldSpan) else None
        above = current.get_span_context()
        trace_id = above.trace_id if above.is_valid else run.trace_id()
        sampled = TraceFlags(TraceFlags.SAMPLED)
        self._own_context = SpanContext(trace_id, run.span_id(), is_remote=False, trace_flags=sampled)
        self._start = start
        self._context = context
        self._calls: list[Callable[[Span], object]] = []
        self.children: list[_HeldSpan] = []
        self.ended_at: int | None = None
        self.span: Span | None = None
        if self._parent is not None:
            self._parent.children.append(self)

    @override
    def get_span_context(self) -> SpanContext:
        return self._own_context

    @override
    def _record(self, call: Callable[[Span], object]) -> None:
        self._calls.append(call)

    @override
    def _end(self, end_time: int, *, live: bool) -> None:
        self.ended_at = end_time
        held = self._parent is not None and self._parent.span is None
        if live and not held and is_first_end(self):
            with outside_the_sandbox():
                self._make()

    def _make(self) -> None:
        context = self._context
        if self._parent is not None and self._parent.span is not None:
            context = trace.set_span_in_context(self._parent.span, context)
        self.span = self._start(context)
        for call in self._calls:
            call(self.span)
        for child in self.children:
            if child.ended_at is not None:
                child._make()
        self.span.end(self.ended_at)
