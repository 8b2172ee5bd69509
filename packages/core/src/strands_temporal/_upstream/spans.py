"""A span that Strands starts in a workflow. It is exported once, however often the workflow replays.

A replay starts the same spans again. A span is exported only if the workflow is not replaying when the span
ends. `seeded_spans` has the subclass for the tracer of OpenTelemetry's SDK, `held_spans` that for others.
"""

import random
import threading
import time
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone

from opentelemetry.trace import Span, SpanContext, Status, StatusCode
from opentelemetry.util.types import Attributes, AttributeValue
from temporalio import workflow
from typing_extensions import override

from .passes import is_live
from .run_local import run_local
from .teardown import is_torn_down

_REMEMBERED = 4096  # spans; a workflow task that fails is retried within seconds

_TIMES = frozenset({"gen_ai.event.start_time", "gen_ai.event.end_time"})
"""Attributes in which Strands writes the machine's time (1.62: telemetry/tracer.py:248). At a replay that is
the replay's time."""


class RunSpans:
    """The ids and the clock of the spans of one run, or of one replay of it."""

    def __init__(self) -> None:
        # Seeded with the run's id: the workflow's own random source gives a reset run the same ids again.
        self._random = random.Random(f"strands-temporal-spans:{workflow.info().run_id}")  # noqa: S311
        self._task_time = self._task_began = 0

    def span_id(self) -> int:
        """Return a new span id."""
        return self._random.getrandbits(64) or 1

    def trace_id(self) -> int:
        """Return a new trace id. It begins with the time in seconds, as AWS X-Ray wants it."""
        seconds = int(workflow.time()) & 0xFFFFFFFF
        return seconds << 96 | self._random.getrandbits(96)

    def now(self) -> int:
        """Return the workflow's time in nanoseconds, plus what the current workflow task has taken so far.

        A replay does not repeat the second part: its spans begin a little earlier. The clock of the machine
        does not count, so workers with different clocks make no negative durations.
        """
        at = workflow.time_ns()
        if not is_live():
            return at
        if at != self._task_time:
            self._task_time, self._task_began = at, time.perf_counter_ns()
        return at + time.perf_counter_ns() - self._task_began


class WorkflowSpan(Span):
    """A span that Strands' code in a workflow starts. A replay starts it again.

    Args:
        run: The ids and the clock of the pass that started the span.
    """

    def __init__(self, run: RunSpans) -> None:
        self._run = run
        self._over = False

    @abstractmethod
    def _record(self, call: Callable[[Span], object]) -> None:
        """Apply `call` to the application's span."""

    @abstractmethod
    def _end(self, end_time: int, *, live: bool) -> None:
        """End the span. If the pass is `live`, the span is exported."""

    @override
    def end(self, end_time: int | None = None) -> None:
        if self._writes():
            end_time = self._run.now() if end_time is None else end_time
            self._end(end_time, live=is_live())
        self._over = True

    @override
    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        self._apply(lambda span: span.set_attributes(attributes))

    @override
    def set_attribute(self, key: str, value: AttributeValue) -> None:
        if key in _TIMES and self._writes():
            value = datetime.fromtimestamp(self._run.now() / 1e9, timezone.utc).isoformat()
        self._apply(lambda span: span.set_attribute(key, value))

    @override
    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        if self._writes():
            at = timestamp or self._run.now()
            self._record(lambda span: span.add_event(name, attributes, at))

    @override
    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        self._apply(lambda span: span.add_link(context, attributes))

    @override
    def update_name(self, name: str) -> None:
        self._apply(lambda span: span.update_name(name))

    @override
    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        self._apply(lambda span: span.set_status(status, description))

    @override
    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        if self._writes():
            at = timestamp or self._run.now()
            self._record(lambda span: span.record_exception(exception, attributes, at, escaped))

    @override
    def is_recording(self) -> bool:
        return not self._over

    def _apply(self, call: Callable[[Span], object]) -> None:
        if self._writes():
            self._record(call)

    def _writes(self) -> bool:
        """Tell whether the running code is that of the span's pass, and not a teardown."""
        return (
            not self._over
            and workflow.in_workflow()
            and run_local(RunSpans) is self._run
            and not is_torn_down()
        )


class _EndedSpans:
    """The spans that this process exported lately. A workflow task that is retried ends them again."""

    def __init__(self) -> None:
        self._spans: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, span_id: int) -> bool:
        """Remember a span, and return whether it is new."""
        with self._lock:
            new = span_id not in self._spans
            self._spans[span_id] = None
            if len(self._spans) > _REMEMBERED:
                self._spans.popitem(last=False)
        return new


_ended = _EndedSpans()


def is_first_end(span: Span) -> bool:
    """Tell whether this process has not exported `span` yet, and remember it."""
    return _ended.add(span.get_span_context().span_id)


@contextmanager
def outside_the_sandbox() -> Generator[None]:
    """Let samplers, processors and exporters of the application import modules and open files."""
    with workflow.unsafe.sandbox_unrestricted(), workflow.unsafe.imports_passed_through():
        yield
