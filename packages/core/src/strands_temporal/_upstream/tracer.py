"""Makes Strands' tracer safe for replays, whatever tracer provider the application has set.

Strands takes its tracer from OpenTelemetry's global provider. That can be set only once per process and knows
nothing of replays, so we wrap the tracer.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer
from opentelemetry.util.types import Attributes
from temporalio import workflow
from typing_extensions import override

from .held_spans import HeldSpans
from .seeded_spans import SeededSpans
from .teardown import is_torn_down

_SCOPE = "strands.telemetry.tracer"
"""The name under which Strands asks a provider for its tracer (1.62: telemetry/tracer.py)."""

_Start = Callable[..., Span]


class ReplaySafeTracer(Tracer):
    """Wraps the application's tracer for Strands. In a workflow, each of its spans is exported once.

    Outside a workflow it behaves as the application's tracer. The same holds for a tracer that is replay-safe
    itself: that of temporalio's `create_tracer_provider`, or one with an attribute `replay_safe = True`.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._source: object = None
        self._start: _Start | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracer, name)

    @override
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
    ) -> Span:
        start = self._in_workflow()
        if start is None:
            start = self._tracer.start_span
        elif context is None:
            context = contexts.get_current()
        return start(
            name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
        )

    @override
    def start_as_current_span(  # pyright: ignore[reportIncompatibleMethodOverride]  # its decorator has no type
        self, name: str, *args: Any, **options: Any
    ) -> AbstractContextManager[Span]:
        if self._in_workflow() is None:
            return self._tracer.start_as_current_span(name, *args, **options)
        return self._current(name, *args, **options)

    @contextmanager
    def _current(self, name: str, *args: Any, end_on_exit: bool = True, **options: Any) -> Generator[Span]:
        span = self.start_span(name, *args, **options)
        how = {key: options[key] for key in ("record_exception", "set_status_on_exception") if key in options}
        with trace.use_span(span, end_on_exit, **how):
            yield span

    def _in_workflow(self) -> _Start | None:
        """Return the function that starts a span here, or None if the application's own tracer starts it."""
        if not workflow.in_workflow() or workflow.unsafe.is_read_only() or is_torn_down():
            return None
        source: object = self._tracer
        if isinstance(source, trace.ProxyTracer):  # made before the application set its provider
            source = trace.get_tracer_provider()
            if isinstance(source, trace.ProxyTracerProvider):  # still none
                return None
        if source is not self._source:
            tracer = source.get_tracer(_SCOPE) if isinstance(source, trace.TracerProvider) else self._tracer
            self._source, self._start = source, _start_of(tracer)
        return self._start


def _start_of(tracer: Tracer) -> _Start | None:
    if isinstance(tracer, trace.NoOpTracer) or _knows_replays(tracer):
        return None
    if hasattr(tracer, "id_generator"):
        return SeededSpans(tracer).start
    return HeldSpans(tracer).start


def _knows_replays(tracer: Tracer) -> bool:
    contrib = (cls.__module__.startswith("temporalio.contrib.opentelemetry") for cls in type(tracer).__mro__)
    return any(contrib) or getattr(tracer, "replay_safe", False) is True
