"""Middleware around a model call, contributed by sibling packages.

A sibling's plugin adds `ModelCallInterceptor(middleware)` to its interceptors. During a model activity the
interceptor puts the middleware into a context variable. The activity composes the middleware that it finds
there.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from pydantic import BaseModel
from strands.models import Model
from strands.types.content import Messages, SystemContentBlock
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolChoice, ToolSpec
from temporalio import activity, worker

from .._wire.model_call import MODEL_ACTIVITY, STREAMING_MODEL_ACTIVITY


@dataclass
class ModelRequest:
    """A model call on the worker, decoded: the arguments of `Model.stream`.

    Attributes:
        model_name: Name of the model in `StrandsPlugin(models=...)`, None for the default model.
        model: The provider that the worker created for that name.
        messages: The conversation.
        tool_specs: Specs of the tools that the model may call.
        system_prompt: The system prompt as text.
        system_prompt_content: The system prompt as content blocks.
        tool_choice: Which tool the model must call, if any.
        invocation_state: The caller's JSON values.
        model_state: State that a stateful model keeps between calls. The model writes to it.
        session_id: The agent's session id.
        dynamic_trailing_blocks: How many trailing blocks of the last user message are rebuilt at every call.
        streaming_topic: Topic of the workflow's stream that gets the output as it arrives, if any.
        streaming_batch_interval: Time between two batches to that topic.
        structured_output_model: Class that the answer must fit, if the agent asks for one.
        call: Identity of the call, the same for all its attempts and in `ModelCallNote.call` in the workflow;
            empty without a topic, and in calls of workflows of older releases.
    """

    model_name: str | None
    model: Model
    messages: Messages
    tool_specs: list[ToolSpec] | None = None
    system_prompt: str | None = None
    system_prompt_content: list[SystemContentBlock] | None = None
    tool_choice: ToolChoice | None = None
    invocation_state: dict[str, Any] = field(default_factory=dict[str, Any])
    model_state: dict[str, Any] | None = None
    session_id: str | None = None
    dynamic_trailing_blocks: int = 0
    streaming_topic: str | None = None
    streaming_batch_interval: timedelta = timedelta()
    structured_output_model: type[BaseModel] | None = None
    call: str = ""


ModelStream = Callable[[ModelRequest], AsyncIterator[StreamEvent]]
"""Streams a request's events: the model itself, or middleware around it."""


class ModelCallMiddleware(Protocol):
    """An async generator around a model's event stream, on the worker.

    Attributes:
        key: Identity. Middleware with the same key runs once: a plugin may be on both client and worker.
        rank: Position around the model. The lowest rank is outermost. The order of plugins does not matter.
    """

    @property
    def key(self) -> str:
        """Identity of the middleware."""
        ...

    @property
    def rank(self) -> int:
        """Position around the model. The lowest rank is outermost."""
        ...

    def __call__(self, request: ModelRequest, next: ModelStream) -> AsyncIterator[StreamEvent]:
        """Yield the events of `next(request)`, adding, timing or forwarding as needed."""
        ...


STREAMING_MIDDLEWARE = "strands_temporal_streaming"
"""Key of the streaming package's middleware. Core adds it if a call has a topic and no plugin has added
it."""

_active: ContextVar[tuple[ModelCallMiddleware, ...]] = ContextVar("strands_temporal_middleware", default=())


class ModelCallInterceptor(worker.Interceptor):
    """Worker interceptor that wraps every model call of the worker in `middleware`."""

    def __init__(self, middleware: ModelCallMiddleware) -> None:
        self._middleware = middleware

    @property
    def identity(self) -> object:
        """Contains the middleware's key. A worker keeps one of two interceptors with the same identity."""
        return ModelCallInterceptor, self._middleware.key

    def intercept_activity(
        self, next: worker.ActivityInboundInterceptor
    ) -> worker.ActivityInboundInterceptor:  # Temporal's name
        """See base class."""
        return _MiddlewareInterceptor(next, self._middleware)


class _MiddlewareInterceptor(worker.ActivityInboundInterceptor):
    def __init__(self, next: worker.ActivityInboundInterceptor, middleware: ModelCallMiddleware) -> None:
        super().__init__(next)
        self._middleware = middleware

    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        if activity.info().activity_type not in (MODEL_ACTIVITY, STREAMING_MODEL_ACTIVITY):
            return await self.next.execute_activity(input)
        token = _active.set((*_active.get(), self._middleware))
        try:
            return await self.next.execute_activity(input)
        finally:
            _active.reset(token)


def active_middleware() -> Sequence[ModelCallMiddleware]:
    """Return the middleware of this activity, outermost first, each key once (the first one registered)."""
    by_key: dict[str, ModelCallMiddleware] = {}
    for middleware in _active.get():
        by_key.setdefault(middleware.key, middleware)
    return in_order(by_key.values())


def in_order(middleware: Iterable[ModelCallMiddleware]) -> Sequence[ModelCallMiddleware]:
    """Return `middleware`, outermost first."""
    return sorted(middleware, key=lambda layer: (layer.rank, layer.key))


def compose(middleware: Sequence[ModelCallMiddleware], stream: ModelStream) -> ModelStream:
    """Return `stream` with `middleware` around it, the first one outermost."""
    for layer in reversed(middleware):
        stream = partial(layer, next=stream)
    return stream
