"""`TemporalModel`: Strands' `Model` seam in the workflow, the real provider in an activity."""

from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from threading import Event
from typing import Any, TypeVar, cast

from pydantic import BaseModel
from strands.agent.agent_metadata import AgentMetadata
from strands.event_loop.streaming import process_stream
from strands.models import Model
from strands.tools.structured_output.structured_output_utils import convert_pydantic_to_tool_spec
from strands.types.content import Message, Messages, SystemContentBlock
from strands.types.exceptions import StructuredOutputException
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolChoice, ToolSpec
from temporalio import workflow
from typing_extensions import Unpack, override

from ._errors import AgentTypeError, AgentValueError
from ._invocation_state import users_state
from ._options import MODEL_DEFAULTS, ActivityOptions, merge_options
from ._transcripts import whole
from ._types import MODEL_ACTIVITY, STREAMING_MODEL_ACTIVITY, ModelCall, ModelResult
from ._wire import decode, encode
from ._workflow import execute_activity

T = TypeVar("T", bound=BaseModel)

MODEL_SETTINGS = frozenset({"streaming_topic", "streaming_batch_interval"})
"""Settings of a `TemporalModel` that are no activity options; a `TemporalAgent` takes them for its model."""

STREAM_SIGNAL = "__temporal_workflow_stream_publish"
"""Signal that a `WorkflowStream` handles, named in the docstring of temporalio's class: how to see that there
is one."""

STREAMING_BATCH_INTERVAL = timedelta(milliseconds=100)
"""Time between two batches of a stream, unless the user says otherwise: what the guide promises."""


class TemporalModel(Model):
    """A handle of a model that runs on the worker, for agents in a workflow.

    Give it to a `TemporalAgent`, or to a plain `strands.Agent` to make that durable too. Its counterpart on
    the worker is `StrandsPlugin(models={name: factory})`.

    Args:
        name: Name of the model in `StrandsPlugin(models=...)`; None is the plugin's default model.
        streaming_topic: Topic of the workflow's `WorkflowStream` to which the model's events go as they
            arrive. Needs the extra `streaming`.
        streaming_batch_interval: Time between two batches to that topic; the first event goes at once.
        **options: Activity options of every call: the keys of `temporalio.workflow.ActivityConfig` without
            `activity_id`. Not given, a call may take 10 minutes, heartbeats within 15 seconds, and is tried
            10 times over about five minutes.

    Raises:
        AgentTypeError: If the name is not a string, or an option is unknown or of a wrong type.
        AgentValueError: If the name is empty, or an option has a value that cannot work.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        streaming_topic: str | None = None,
        streaming_batch_interval: timedelta = STREAMING_BATCH_INTERVAL,
        **options: Unpack[ActivityOptions],
    ) -> None:
        _check_name(name)
        _check_streaming(name, streaming_topic, streaming_batch_interval)
        self.name = name
        self.streaming_topic = streaming_topic
        self.streaming_batch_interval = streaming_batch_interval
        self._options = merge_options(f"TemporalModel({name!r})", MODEL_DEFAULTS, options)
        self._config: dict[str, Any] = {}
        self._warned: set[str] = set()

    def __repr__(self) -> str:
        return f"TemporalModel({self.name!r})"

    @override
    def update_config(self, **model_config: Any) -> None:
        """Refuse: a model is configured by its factory on the worker.

        Raises:
            AgentValueError: Always.
        """
        raise AgentValueError(
            f"{self!r} is a handle; its configuration {sorted(model_config)} belongs to the factory in "
            "StrandsPlugin(models=...) on the worker. Register a second name for a second configuration"
        )

    @override
    def get_config(self) -> dict[str, Any]:
        """Return what the workflow knows of the model's configuration: nothing; the worker has it."""
        return self._config

    @override
    async def stream(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        *,
        tool_choice: ToolChoice | None = None,
        system_prompt_content: list[SystemContentBlock] | None = None,
        invocation_state: dict[str, Any] | None = None,
        cancel_signal: Event | None = None,
        agent_metadata: AgentMetadata | None = None,
        structured_output_model: type[BaseModel] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[StreamEvent, None]:
        """Call the model in an activity and yield its answer's events, as `strands.models.Model.stream`.

        Raises:
            RuntimeError: Outside a workflow.
            ModelThrottledException: If the provider throttled the last attempt.
            ContextWindowOverflowException: If the conversation is too long for the model.
            ApplicationError: If the provider raised anything else; its type is the name of that class.
            ActivityError: If the activity timed out.
            asyncio.CancelledError: If the activity was cancelled.
        """
        if not workflow.in_workflow():
            raise RuntimeError(
                f"{self!r} works inside a Temporal workflow only; outside, use the model itself"
            )
        self._check_stream()
        state = cast("dict[str, Any] | None", kwargs.get("model_state"))
        call = ModelCall(
            model=self.name,
            transcript=whole(messages, tool_specs, system_prompt, system_prompt_content),
            tool_choice=encode(tool_choice),
            invocation_state=users_state(repr(self), invocation_state or {}, self._warned),
            model_state=encode(state),
            session_id=agent_metadata.session_id if agent_metadata else None,
            dynamic_trailing_blocks=kwargs.get("dynamic_trailing_blocks", 0),
            streaming_topic=self.streaming_topic,
            streaming_batch_ms=self.streaming_batch_interval // timedelta(milliseconds=1),
        )
        activity = STREAMING_MODEL_ACTIVITY if self.streaming_topic else MODEL_ACTIVITY
        result: ModelResult = await execute_activity(activity, [call], self._options, result_type=ModelResult)
        if state is not None and result.model_state is not None:
            state.clear()
            state.update(decode(result.model_state))
        for event in result.events:
            yield cast("StreamEvent", decode(event))

    @override
    async def structured_output(
        self, output_model: type[T], prompt: Messages, system_prompt: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[dict[str, T | Any], None]:
        """Yield the events of one forced tool call and, last, `{"output": output_model(...)}`.

        Strands keeps this for callers of the deprecated `Agent.structured_output_async`; prefer
        `structured_output_model=`.

        Raises:
            StructuredOutputException: If the model does not call the tool.
        """
        spec = convert_pydantic_to_tool_spec(output_model)
        chunks = self.stream(prompt, [spec], system_prompt, tool_choice={"any": {}}, **kwargs)
        message: Message = {"role": "assistant", "content": []}
        async for event in process_stream(chunks):
            if "stop" in event:
                message = cast("Message", event["stop"][1])
            yield dict(event)
        for block in message["content"]:
            if "toolUse" in block and block["toolUse"]["name"] == spec["name"]:
                yield {"output": output_model(**block["toolUse"]["input"])}
                return
        raise StructuredOutputException(
            f"{self!r} did not call the tool {spec['name']!r}: there is no structured output"
        )

    def _check_stream(self) -> None:
        """Refuse a topic where the workflow has no stream: the events would be buffered for ever."""
        if self.streaming_topic is not None and workflow.get_signal_handler(STREAM_SIGNAL) is None:
            raise AgentValueError(
                f"{self!r}: streaming_topic={self.streaming_topic!r} needs a stream on this workflow, and "
                "there "
                "is none. Write `self.stream = WorkflowStream()` in the workflow's __init__ "
                "(from temporalio.contrib.workflow_streams import WorkflowStream)"
            )


def as_durable_model(owner: str, model: object, make: Callable[[str | None], TemporalModel]) -> Model:
    """Return the handle for what a user gave as a model: a handle, a name, or None for the default.

    Raises:
        AgentTypeError: If it is a real model, or nothing that names one.
    """
    if isinstance(model, TemporalModel):
        return model
    if model is None or isinstance(model, str):
        return make(model)
    hint = (
        "Register its factory in StrandsPlugin(models={name: factory}) on the worker and give the name here"
    )
    if isinstance(model, Model):
        raise AgentTypeError(f"{owner}: {type(model).__name__} would do its I/O inside the workflow. {hint}")
    raise AgentTypeError(f"{owner}: model={model!r} is neither a name nor a TemporalModel. {hint}")


def _check_name(name: object) -> None:
    if name is not None and not isinstance(name, str):
        raise AgentTypeError(f"TemporalModel: the name {name!r} is not a string but a {type(name).__name__}")
    if name == "":
        raise AgentValueError("TemporalModel: the name is empty. Leave it out for the plugin's default model")


def _check_streaming(name: str | None, topic: object, interval: object) -> None:
    owner = f"TemporalModel({name!r})"
    if topic is not None and not isinstance(topic, str):
        raise AgentTypeError(
            f"{owner}: streaming_topic={topic!r} is not a string but a {type(topic).__name__}"
        )
    if topic == "":
        raise AgentValueError(f"{owner}: streaming_topic is empty. Leave it out to stream nothing")
    if not isinstance(interval, timedelta):
        raise AgentTypeError(
            f"{owner}: streaming_batch_interval={interval!r} is not a timedelta. Write "
            "timedelta(milliseconds=...)"
        )
    if interval < timedelta(milliseconds=1):
        raise AgentValueError(f"{owner}: streaming_batch_interval={interval!r} is shorter than a millisecond")
