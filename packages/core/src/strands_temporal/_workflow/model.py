"""`TemporalModel`: a Strands `Model` in the workflow whose calls are activities."""

from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import timedelta
from threading import Event
from typing import Any, TypeVar, cast

from pydantic import BaseModel
from strands import Agent
from strands.agent.agent_metadata import AgentMetadata
from strands.event_loop.streaming import process_stream
from strands.models import Model
from strands.types.content import Message, Messages, SystemContentBlock
from strands.types.streaming import StreamEvent
from strands.types.tools import ToolChoice, ToolSpec
from temporalio import workflow
from typing_extensions import Unpack, override

from .._errors import AgentCancelledError, AgentTypeError
from .._upstream.answers import work_on
from .._upstream.callers import called_by_strands
from .._upstream.run_local import run_local
from .._upstream.shared_messages import SharedMessages
from .._wire.event_forms import checked_event
from .._wire.model_call import ModelResult
from .._wire.transcripts import frame_of
from .._wire.values import decode, encode
from .agent_checks import check_async_tools, check_sandbox_of, check_storages
from .agent_watch import is_watched, watch_from_call
from .conversation_managers import check_conversation_manager, check_strategies, wait_for_manager
from .invocation_state import user_invocation_state, write_back
from .model_activities import ModelActivities
from .model_checks import (
    FACTORY_HINT,
    check_declared,
    check_name,
    check_streaming,
    check_use,
    warn_of_unknown,
)
from .operator_queries import OperatorQueries
from .options import MODEL_DEFAULTS, STREAMING_BATCH_INTERVAL, ActivityOptions, merge_options
from .output_model import object_of, output_schema
from .transcripts import SentTranscripts

T = TypeVar("T", bound=BaseModel)


class TemporalModel(ModelActivities):
    """A handle of a model that runs on the worker, for agents in a workflow.

    Give it to a `TemporalAgent`, or to a plain `strands.Agent` to make that durable too. Its counterpart on
    the worker is `StrandsPlugin(models={name: factory})`.

    Strands reads some facts of a model without calling it: `stateful`, `context_window_limit`, `config`. The
    first answer of a run returns these facts, so history has them. For an agent that begins with messages, an
    activity returns them before the first call. Declare facts that Strands needs earlier, such as `stateful`.

    Args:
        name: Name of the model in `StrandsPlugin(models=...)`; None is the plugin's default model.
        streaming_topic: Topic of the workflow's `WorkflowStream` that gets the model's events as they arrive.
            Needs the extra `streaming`.
        streaming_batch_interval: Time between two batches to that topic. The first event is sent at once.
        stateful: Whether the model keeps the conversation on its own side. If you declare it, Strands can
            refuse a conversation manager, as it does for the model itself.
        context_window_limit: Size of the model's context window in tokens, which tells Strands when to
            compress.
        config: Settings that `get_config` returns, for example `model_id` for telemetry. They stay in the
            workflow.
        use_native_token_count: Whether the model itself counts tokens, in an activity for each count, or
            Strands estimates them in the workflow. Strands' providers have a setting of the same name. With
            None, the default, that setting decides, once the workflow knows it. If it is off, Strands
            estimates. Set it to True for a model class of your own that has no such setting.
        **options: Activity options of every call: the keys of `temporalio.workflow.ActivityConfig` without
            `activity_id`. By default a call may take 10 minutes, has a heartbeat timeout of 15 seconds, and
            is tried 10 times over about five minutes.

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
        stateful: bool | None = None,
        context_window_limit: int | None = None,
        config: Mapping[str, Any] | None = None,
        use_native_token_count: bool | None = None,
        **options: Unpack[ActivityOptions],
    ) -> None:
        check_name(name)
        owner = f"TemporalModel({name!r})"
        check_streaming(owner, streaming_topic, streaming_batch_interval, options.get("task_queue"))
        check_declared(name, stateful, context_window_limit, config)
        super().__init__(
            name,
            streaming_topic=streaming_topic,
            streaming_batch_interval=streaming_batch_interval,
            use_native_token_count=use_native_token_count,
            declared=(stateful, context_window_limit, config),
            options=merge_options(owner, MODEL_DEFAULTS, options),
        )
        if workflow.in_workflow():
            SentTranscripts.of_this_run()  # marks the run as one with agents
            run_local(OperatorQueries)

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
        """Call the model in an activity and yield its answer's events, as `strands.models.Model.stream` does.

        Raises:
            RuntimeError: Outside a workflow.
            ModelThrottledException: If the provider throttled the last attempt.
            ContextWindowOverflowException: If the conversation is too long for the model.
            ModelCallTooLargeError: If the call is too large for Temporal.
            ApplicationError: If the provider raised anything else. Its type is the exception's class name.
            ActivityError: If the activity timed out.
            asyncio.CancelledError: If the activity was cancelled with the workflow. It is not raised for a
                set `cancel_signal`: the activity is cancelled and the stream ends without an event.
        """
        check_use(repr(self), self.streaming_topic)
        state = cast("dict[str, Any] | None", kwargs.pop("model_state", None))
        trailing = cast("int", kwargs.pop("dynamic_trailing_blocks", 0))
        warn_of_unknown(repr(self), kwargs, self._runs.current.warned)
        users = invocation_state if invocation_state is not None else {}
        frame = frame_of(
            system_prompt,
            system_prompt_content,
            agent_metadata.session_id if agent_metadata else None,
            vars(output_schema(structured_output_model)) if structured_output_model else None,
        )
        agent = users.get("agent")
        if isinstance(agent, Agent):  # a plain agent can only be checked here
            check_conversation_manager("Agent(conversation_manager=...)", agent.conversation_manager)
            check_strategies("Agent(context_manager=...)", agent)
            check_async_tools("Agent(tools=...)", agent)
            check_sandbox_of(agent)
            if not is_watched(agent):
                check_storages("Agent", agent)
            watch_from_call(agent)
            wait_for_manager(agent)
        run_local(OperatorQueries)
        owner = agent if isinstance(agent, Agent) else self
        with SentTranscripts.of_this_run().send(owner, messages, tool_specs or (), frame) as sent:
            call = self._call(
                sent.transcript,
                # A summary that Strands asks for is not an answer to the user.
                streams=(isinstance(agent, Agent) or not called_by_strands(1)) and self._streams_for(agent),
                tool_choice=encode(tool_choice),
                invocation_state=user_invocation_state(repr(self), users, self._runs.current.warned),
                model_state=encode(state),
                dynamic_trailing_blocks=trailing,
            )
            try:
                result = await self._ask(call, agent if isinstance(agent, Agent) else None, cancel_signal)
            except AgentCancelledError:
                return  # Strands treats a stream without a `messageStop` as cancelled
            sent.record_answer(result.answer)
            if type(self) is TemporalModel and isinstance(agent, Agent):  # a subclass may change messages
                run_local(SharedMessages).offer(agent, self, sent.sent.share)
        if state is not None and result.model_state is not None:
            state.clear()
            state.update(decode(result.model_state))
        write_back(users, result.invocation_state, result.invocation_state_removed)
        work_on(result.id)
        async for event in _replayed(result):
            yield event

    @override
    async def structured_output(
        self, output_model: type[T], prompt: Messages, system_prompt: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[dict[str, T | Any], None]:
        """Call the model's own `structured_output` in an activity. Yield its events, then the object.

        Strands calls this for the deprecated `Agent.structured_output_async` and for a `ClassifierStrategy`.
        Prefer `structured_output_model=`.

        Raises:
            ValidationError: If the answer does not fit `output_model`.
            StructuredOutputException: If the model returned no object.
        """
        check_use(repr(self), self.streaming_topic)
        warn_of_unknown(repr(self), kwargs, self._runs.current.warned)
        frame = frame_of(system_prompt, None, None, vars(output_schema(output_model)))
        with SentTranscripts.of_this_run().send(self, prompt, (), frame) as sent:
            call = self._call(
                sent.transcript,
                streams=self._streams_for(None),
                model_state=None,
                own_structured_output=True,
            )
            result = await self._ask(call, None, None)
            sent.record_answer(result.answer)
        message: Message = {"role": "assistant", "content": []}
        async for event in process_stream(_replayed(result)):
            if "stop" in event:
                message = cast("Message", event["stop"][1])
            if result.events:  # a provider may return an object without a stream
                yield dict(event)
        yield {"output": object_of(repr(self), result.output, message, output_model)}


async def _replayed(result: ModelResult) -> AsyncGenerator[StreamEvent, None]:
    for event in result.events:
        yield cast("StreamEvent", checked_event(decode(event)))


def as_durable_model(owner: str, model: object, make: Callable[[str | None], TemporalModel]) -> Model:
    """Return the handle for a user's `model` argument: a handle, a name, or None for the default.

    Raises:
        AgentTypeError: If `model` is a real model, or neither a handle nor a name.
    """
    if isinstance(model, TemporalModel):
        return model
    if model is None or isinstance(model, str):
        return make(model)
    if isinstance(model, Model):
        raise AgentTypeError(
            f"{owner}: {type(model).__name__} would do its I/O inside the workflow. {FACTORY_HINT}"
        )
    raise AgentTypeError(f"{owner}: model={model!r} is neither a name nor a TemporalModel. {FACTORY_HINT}")
