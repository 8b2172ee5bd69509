"""The activities that call a model, have it count tokens, or describe it."""

import contextlib
import dataclasses
import json
import secrets
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Sequence
from datetime import timedelta
from typing import Any, cast

from pydantic import BaseModel
from strands.agent.agent_metadata import AgentMetadata
from strands.models import Model
from strands.types.streaming import StreamEvent
from temporalio import activity
from temporalio.exceptions import ApplicationError

from .._errors import MissingExtraError
from .._wire.events import merge_deltas
from .._wire.extras import load_extra
from .._wire.failures import in_place_of
from .._wire.model_call import (
    COUNT_TOKENS_ACTIVITY,
    DESCRIBE_MODEL_ACTIVITY,
    HELD_VERSION,
    MISSING_EXTRA,
    MODEL_ACTIVITY,
    MODEL_RESULT_TOO_LARGE,
    STREAMING_MODEL_ACTIVITY,
    WIRE_VERSION,
    ModelCall,
    ModelResult,
    TokenCount,
)
from .._wire.values import decode, encode, set_fields
from .._wire.versions import check_wire_version
from .call_ids import UnequalIds
from .factories import NamedFactories, Variant
from .heartbeat import heartbeating
from .invocation_state import changed_keys, model_invocation_state
from .middleware import (
    STREAMING_MIDDLEWARE,
    ModelCallMiddleware,
    ModelRequest,
    active_middleware,
    compose,
    in_order,
)
from .model_facts import describe_model
from .model_failures import model_failure, require_complete
from .output_model import OutputModels, dump
from .results import check_result
from .transcripts import KeptTranscripts, ResolvedCall


class ModelActivities:
    """The activities for models: `invoke_model`, `invoke_model_streaming`, and those that count and describe.

    Args:
        models: The worker's model factories.
        default: Name of the model for a call that names none; None if every call must name one.
        transcripts: The conversations that the worker keeps.
    """

    def __init__(
        self, models: NamedFactories[Model], default: str | None, transcripts: KeptTranscripts
    ) -> None:
        self.models = models
        self.default = default
        self._transcripts = transcripts
        self._output_models = OutputModels()

    @property
    def functions(self) -> Sequence[Callable[..., Any]]:
        """The activities, for a worker."""
        return self.invoke_model, self.invoke_model_streaming, self.count_model_tokens, self.describe_model

    @activity.defn(name=MODEL_ACTIVITY)
    async def invoke_model(self, wire: dict[str, Any]) -> dict[str, Any]:
        """Call a model and return its whole answer."""
        return await self._invoke(wire)

    @activity.defn(name=STREAMING_MODEL_ACTIVITY)
    async def invoke_model_streaming(self, wire: dict[str, Any]) -> dict[str, Any]:
        """Call a model and return its whole answer. Middleware forwards the output as it arrives."""
        return await self._invoke(wire)

    @activity.defn(name=COUNT_TOKENS_ACTIVITY)
    async def count_model_tokens(self, wire: dict[str, Any]) -> TokenCount:
        """Return how many tokens the model itself counts in a call's input."""
        with heartbeating():
            call = await self._whole(wire)
            model = await self._model(call)
            about = await self._transcripts.resolve(call.transcript)
            try:
                return TokenCount(
                    await model.count_tokens(
                        about.messages, about.tool_specs, about.system_prompt, about.system_blocks
                    )
                )
            except Exception as error:  # noqa: BLE001  # as for a call
                raise in_place_of(error, model_failure(error))  # noqa: B904  # it sets the cause itself

    @activity.defn(name=DESCRIBE_MODEL_ACTIVITY)
    async def describe_model(self, wire: dict[str, Any]) -> dict[str, Any]:
        """Return the facts about a model that Strands reads without calling it."""
        with heartbeating():
            return set_fields(describe_model(await self._model(await self._whole(wire))))

    async def _invoke(self, wire: dict[str, Any]) -> dict[str, Any]:
        stopped = threading.Event()  # a provider that works in a thread watches this event
        with heartbeating(), _set_on_exit(stopped):
            call = await self._whole(wire)
            model = await self._model(call)
            about = await self._transcripts.resolve(call.transcript)
            output_model = self._output_models.get(about.output) if about.output else None
            request = _request(call, about, model, None if call.own_structured_output else output_model)
            provider = _Provider(stopped, output_model if call.own_structured_output else None)
            stream = compose(_middleware(request), provider)
            try:
                ids = UnequalIds()
                events = encode(await _collect(stream(request), ids))
                answer = await self._transcripts.store_answer(call.transcript, events)
                answer_id = secrets.token_hex(8) if ids.calls else ""
                result = _result(events, answer, answer_id, call, request, provider).to_wire()
            except Exception as error:  # noqa: BLE001  # a provider may raise anything; it is typed here
                raise in_place_of(error, model_failure(error))  # noqa: B904  # it sets the cause itself
            await check_result(
                f"The answer of model {self._name(call)!r}",
                result,
                MODEL_RESULT_TOO_LARGE,
                "Limit its answers (max_tokens)",
            )
            return result

    async def _whole(self, wire: dict[str, Any]) -> ModelCall:
        """Return the decoded call, including the values that the workflow held back."""
        call = _checked(wire)
        if call.held is None:
            return call
        return dataclasses.replace(call, held=None, **await self._transcripts.queries.held(call.held))

    async def _model(self, call: ModelCall) -> Model:
        """Return the call's model: the shared one, or a variant with the call's configuration."""
        variant: Variant[Model] | None = None
        if call.config:
            settings = cast("dict[str, Any]", decode(call.config))
            key = json.dumps(call.config, sort_keys=True)
            variant = Variant(key, lambda model: model.update_config(**settings))
        return await self.models.get_async(self._name(call), variant)

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


class _Provider:
    """The innermost layer of a call's middleware: the provider's own stream.

    Args:
        stopped: Set when the activity ends.
        output_model: Class for the provider's `structured_output`. None calls its `stream` instead.
    """

    def __init__(self, stopped: threading.Event, output_model: type[BaseModel] | None) -> None:
        self.output: BaseModel | None = None
        self._stopped = stopped
        self._output_model = output_model

    async def __call__(self, request: ModelRequest) -> AsyncIterator[StreamEvent]:
        model = self._output_model
        stream = self._stream(request) if model is None else self._objects(request, model)
        ids = UnequalIds()  # here, so that middleware sees the same ids as the agent
        async for event in stream:
            yield ids(event)

    def _stream(self, request: ModelRequest) -> AsyncIterable[StreamEvent]:
        optional: dict[str, Any] = {}  # as in Strands: left out when unset, so an ordinary call is unchanged
        if request.dynamic_trailing_blocks:
            optional["dynamic_trailing_blocks"] = request.dynamic_trailing_blocks
        if request.structured_output_model:
            optional["structured_output_model"] = request.structured_output_model
        return request.model.stream(
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

    async def _objects(self, request: ModelRequest, model: type[BaseModel]) -> AsyncIterator[StreamEvent]:
        """Yield the stream events of `Model.structured_output`, and keep the object that it returns."""
        events = request.model.structured_output(model, request.messages, system_prompt=request.system_prompt)
        async for event in events:
            if "output" in event:
                self.output = event["output"]
            elif "event" in event:
                yield cast("StreamEvent", event["event"])


async def _collect(stream: AsyncIterator[StreamEvent], ids: UnequalIds) -> list[StreamEvent]:
    events = [ids(event) async for event in stream]  # middleware may answer instead of the model
    require_complete(events)
    return merge_deltas(events)


def _result(
    events: list[Any],
    answer: str,
    answer_id: str,
    call: ModelCall,
    request: ModelRequest,
    provider: _Provider,
) -> ModelResult:
    state = encode(request.model_state)
    changed, removed = changed_keys(call.invocation_state, request.invocation_state)
    return ModelResult(
        events=events,
        answer=answer,
        model_state=None if state == call.model_state else state,
        version=WIRE_VERSION,
        facts=describe_model(request.model) if call.facts else None,
        invocation_state=changed,
        invocation_state_removed=removed,
        output=None if provider.output is None else encode(dump(provider.output)),
        id=answer_id,
        attempt=activity.info().attempt,
    )


def _middleware(request: ModelRequest) -> Sequence[ModelCallMiddleware]:
    """Return the middleware around this call, with the streaming package's if the call has a topic."""
    active = active_middleware()
    if request.streaming_topic is None or any(layer.key == STREAMING_MIDDLEWARE for layer in active):
        return active
    try:
        plugin = load_extra("streaming", f"streaming_topic={request.streaming_topic!r}")
    except MissingExtraError as error:
        raise ApplicationError(str(error), type=MISSING_EXTRA, non_retryable=True) from error
    return in_order([*active, plugin.model_call_middleware()])


def _request(
    call: ModelCall, about: ResolvedCall, model: Model, output_model: type[BaseModel] | None
) -> ModelRequest:
    return ModelRequest(
        model_name=call.model,
        model=model,
        messages=about.messages,
        tool_specs=about.tool_specs,
        system_prompt=about.system_prompt,
        system_prompt_content=about.system_blocks,
        tool_choice=decode(call.tool_choice),
        invocation_state=model_invocation_state(call.invocation_state),
        model_state=cast("dict[str, Any] | None", decode(call.model_state)),
        session_id=about.session_id,
        dynamic_trailing_blocks=call.dynamic_trailing_blocks,
        streaming_topic=call.streaming_topic,
        streaming_batch_interval=timedelta(milliseconds=call.streaming_batch_ms),
        structured_output_model=output_model,
        call=call.call_id or "",
    )


def _checked(wire: dict[str, Any]) -> ModelCall:
    """Decode a call. Refuse one that only a newer release can read."""
    check_wire_version("A model call", wire.get("version", 1), HELD_VERSION)
    return ModelCall.from_wire(wire)


@contextlib.contextmanager
def _set_on_exit(event: threading.Event) -> Generator[None]:
    try:
        yield
    finally:
        event.set()
