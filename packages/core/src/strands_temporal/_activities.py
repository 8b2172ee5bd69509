"""The model activity: what runs on the worker when an agent calls its model."""

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Generator, Sequence
from datetime import timedelta
from typing import Any, cast

from strands.agent.agent_metadata import AgentMetadata
from strands.models import Model
from strands.types.streaming import StreamEvent
from temporalio import activity
from temporalio.exceptions import ApplicationError

from ._errors import cause_of
from ._extras import MissingExtraError, load_plugin
from ._factories import NamedFactories
from ._heartbeat import heartbeating
from ._middleware import (
    STREAMING_MIDDLEWARE,
    ModelCallMiddleware,
    ModelRequest,
    active_middleware,
    compose,
    in_order,
)
from ._providers import model_failure
from ._transcripts import resolve
from ._types import (
    MISSING_EXTRA,
    MODEL_ACTIVITY,
    STREAMING_MODEL_ACTIVITY,
    WIRE_VERSION,
    WIRE_VERSION_UNKNOWN,
    ModelCall,
    ModelResult,
)
from ._wire import decode, encode, merge_deltas


class ModelActivities:
    """`invoke_model` and `invoke_model_streaming`: one body under two names.

    Args:
        models: The worker's model factories.
        default: Name of the model for a call that names none; None if every call must name one.
    """

    def __init__(self, models: NamedFactories[Model], default: str | None) -> None:
        self.models = models
        self.default = default

    @activity.defn(name=MODEL_ACTIVITY)
    async def invoke_model(self, call: ModelCall) -> ModelResult:
        """Call a model and return its answer whole."""
        return await self._invoke(call)

    @activity.defn(name=STREAMING_MODEL_ACTIVITY)
    async def invoke_model_streaming(self, call: ModelCall) -> ModelResult:
        """Call a model whose output middleware forwards as it arrives, and return its answer whole."""
        return await self._invoke(call)

    async def _invoke(self, call: ModelCall) -> ModelResult:
        _check_version(call)
        model = self.models.get(self._name(call))
        request = _request(call, model)
        middleware = _middleware(request)
        stopped = threading.Event()  # a provider that works in a thread watches it
        with heartbeating(), _set_on_exit(stopped):
            try:
                return await _collect(compose(middleware, _Stream(stopped))(request), request)
            except Exception as error:  # noqa: BLE001  # whatever a provider raises leaves here, typed
                raise model_failure(error) from cause_of(error)

    def _name(self, call: ModelCall) -> str:
        name = call.model or self.default
        if name is None:
            raise ApplicationError(
                "No model was named, and StrandsPlugin(models=...) has no default. "
                f"Write TemporalAgent(model=...) with one of {self.models.names}",
                type="ValueError",
                non_retryable=True,
            )
        return name


class _Stream:
    """The innermost layer: the provider's own stream."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped = stopped

    async def __call__(self, request: ModelRequest) -> AsyncIterator[StreamEvent]:
        optional: dict[
            str, Any
        ] = {}  # as in Strands: left out when unset, so that an ordinary call is unchanged
        if request.dynamic_trailing_blocks:
            optional["dynamic_trailing_blocks"] = request.dynamic_trailing_blocks
        events = request.model.stream(
            request.messages,
            request.tool_specs,
            request.system_prompt,
            tool_choice=request.tool_choice,
            system_prompt_content=request.system_prompt_content,
            invocation_state=request.invocation_state,
            model_state=request.model_state,
            cancel_signal=self._stopped,
            agent_metadata=AgentMetadata(session_id=request.session_id),
            **optional,
        )
        async for event in events:
            yield event


async def _collect(stream: AsyncIterator[StreamEvent], request: ModelRequest) -> ModelResult:
    events: list[StreamEvent] = []
    started, first_chunk = time.perf_counter(), None
    async for event in stream:
        if first_chunk is None and ("contentBlockDelta" in event or "contentBlockStart" in event):
            first_chunk = time.perf_counter()
        events.append(event)
    ended = time.perf_counter()
    return ModelResult(
        events=encode(merge_deltas(events)),
        model_state=encode(request.model_state),
        first_chunk_ms=None if first_chunk is None else round(1000 * (first_chunk - started)),
        duration_ms=round(1000 * (ended - started)),
    )


def _middleware(request: ModelRequest) -> Sequence[ModelCallMiddleware]:
    """Return the middleware around this call, the streaming package's included if there is a topic."""
    active = active_middleware()
    if request.streaming_topic is None or any(layer.key == STREAMING_MIDDLEWARE for layer in active):
        return active
    try:
        plugin = load_plugin("streaming", f"streaming_topic={request.streaming_topic!r}")
    except MissingExtraError as error:
        raise ApplicationError(str(error), type=MISSING_EXTRA, non_retryable=True) from error
    return in_order([*active, plugin.model_call_middleware()])


def _request(call: ModelCall, model: Model) -> ModelRequest:
    messages, tool_specs, system_prompt, system_blocks = resolve(call.transcript)
    return ModelRequest(
        model_name=call.model,
        model=model,
        messages=messages,
        tool_specs=tool_specs,
        system_prompt=system_prompt,
        system_prompt_content=system_blocks,
        tool_choice=decode(call.tool_choice),
        invocation_state=cast("dict[str, Any]", decode(call.invocation_state)),
        model_state=cast("dict[str, Any] | None", decode(call.model_state)),
        session_id=call.session_id,
        dynamic_trailing_blocks=call.dynamic_trailing_blocks,
        streaming_topic=call.streaming_topic,
        streaming_batch_interval=timedelta(milliseconds=call.streaming_batch_ms),
    )


def _check_version(call: ModelCall) -> None:
    if call.version > WIRE_VERSION:
        raise ApplicationError(
            f"A model call of wire version {call.version} reached a worker that knows {WIRE_VERSION}: "
            "a newer strands-temporal runs the workflow. Upgrade this worker; the call is tried again",
            type=WIRE_VERSION_UNKNOWN,
        )


@contextlib.contextmanager
def _set_on_exit(event: threading.Event) -> Generator[None]:
    try:
        yield
    finally:
        event.set()
