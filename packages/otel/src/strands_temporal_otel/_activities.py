"""Records the span and metrics of a model call, on the worker."""

import time
from collections.abc import AsyncIterator
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from strands.types.event_loop import Usage
from strands.types.streaming import StreamEvent
from temporalio import activity

from strands_temporal.extension import ModelRequest, ModelStream

from . import _types as names

_SCOPE = "strands_temporal_otel"


class ChatTelemetry:
    """Model call middleware: one `chat {model}` span per attempt around the provider's stream, and metrics.

    It records in the activity, which runs once per attempt. The workflow would record again at each replay.
    """

    key = "strands_temporal_otel"
    rank = 200  # inside streaming (100), so that the time for forwarding does not count

    def __init__(self) -> None:
        self.tracer = trace.get_tracer(_SCOPE)
        meter = metrics.get_meter(_SCOPE)
        self.token_usage = meter.create_histogram(
            names.TOKEN_USAGE,
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=names.TOKEN_BUCKETS,
        )
        self.duration = meter.create_histogram(
            names.OPERATION_DURATION,
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=names.SECOND_BUCKETS,
        )
        self.first_chunk = meter.create_histogram(
            names.TIME_TO_FIRST_CHUNK,
            "s",
            "Time until the first chunk of the response.",
            explicit_bucket_boundaries_advisory=names.SECOND_BUCKETS,
        )

    async def __call__(self, request: ModelRequest, next: ModelStream) -> AsyncIterator[StreamEvent]:
        """Yield the provider's events unchanged, and record them."""
        call = _Call(self, request)
        events = next(request)
        try:
            while True:
                # The span is current only for the provider's own code. If it stayed current across a `yield`,
                # it would be current for the consumer of the events. And a generator may be closed in another
                # context.
                with trace.use_span(call.span, record_exception=False, set_status_on_exception=False):
                    try:
                        event = await anext(events)
                    except StopAsyncIteration:
                        return
                call.saw(event)
                yield event
        except GeneratorExit:  # the consumer does not want the rest; the call did not fail
            raise
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            call.end()


class _Call:
    """One attempt of a model call: its span, and the values from its events."""

    def __init__(self, telemetry: ChatTelemetry, request: ModelRequest) -> None:
        self._telemetry = telemetry
        self._latest = names.latest_conventions()
        settings = names.request_attributes(request.model)
        model = settings.setdefault(names.REQUEST_MODEL, request.model_name or type(request.model).__name__)
        self._common: dict[str, Any] = {
            names.OPERATION_NAME: "chat",
            names.PROVIDER_NAME if self._latest else names.SYSTEM: names.provider_name(request.model),
            names.REQUEST_MODEL: model,
        }
        attributes = settings | self._common | {names.ATTEMPT: activity.info().attempt}
        if request.session_id:
            attributes[names.CONVERSATION_ID] = request.session_id
        self.span: Span = telemetry.tracer.start_span(
            f"chat {model}", kind=SpanKind.CLIENT, attributes=attributes
        )
        self._started = time.perf_counter()
        self._first_chunk: float | None = None

    def saw(self, event: StreamEvent) -> None:
        """Take the values from an event."""
        if self._first_chunk is None and ("contentBlockStart" in event or "contentBlockDelta" in event):
            self._first_chunk = time.perf_counter() - self._started
            self._telemetry.first_chunk.record(self._first_chunk, self._common, self._context())
            if self._latest:
                self.span.set_attribute(names.RESPONSE_TIME_TO_FIRST_CHUNK, self._first_chunk)
        elif reason := event.get("messageStop", {}).get("stopReason"):
            self.span.set_attribute(names.FINISH_REASONS, [str(reason)])
        elif usage := event.get("metadata", {}).get("usage"):
            self._used(usage)

    def failed(self, error: BaseException) -> None:
        """Record the error that ended the attempt."""
        self._common[names.ERROR_TYPE] = _class_name(error)
        self.span.set_attribute(names.ERROR_TYPE, self._common[names.ERROR_TYPE])
        if isinstance(error, Exception):  # a cancellation is not an error
            self.span.record_exception(error)
            self.span.set_status(Status(StatusCode.ERROR, str(error)))

    def end(self) -> None:
        """End the span and record its duration."""
        seconds = time.perf_counter() - self._started
        self._telemetry.duration.record(seconds, self._common, self._context())
        self.span.end()

    def _used(self, usage: Usage) -> None:
        tokens = {names.INPUT_TOKENS: _input_tokens(usage), names.OUTPUT_TOKENS: usage["outputTokens"]}
        if "cacheReadInputTokens" in usage:
            tokens[names.CACHE_READ_TOKENS] = usage["cacheReadInputTokens"]
        if "cacheWriteInputTokens" in usage:
            tokens[names.CACHE_CREATION_TOKENS] = usage["cacheWriteInputTokens"]
        self.span.set_attributes(tokens)
        for kind, name in (("input", names.INPUT_TOKENS), ("output", names.OUTPUT_TOKENS)):
            attributes = self._common | {names.TOKEN_TYPE: kind}
            self._telemetry.token_usage.record(tokens[name], attributes, self._context())

    def _context(self) -> Context:
        """Return the context with the span that exemplars refer to."""
        return trace.set_span_in_context(self.span)


def _input_tokens(usage: Usage) -> int:
    """Return the tokens of the whole prompt. Only some providers count cached tokens in `inputTokens`."""
    tokens = usage["inputTokens"]
    if tokens + usage["outputTokens"] == usage["totalTokens"]:
        return tokens
    return tokens + usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)


def _class_name(error: BaseException) -> str:
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
