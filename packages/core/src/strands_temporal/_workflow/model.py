"""`TemporalModel`: a Strands `Model` in the workflow whose calls are activities."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import replace
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
from .._upstream.run_local import run_local
from .._wire.model_call import (
    COUNT_TOKENS_ACTIVITY,
    DEFAULT_MODEL,
    HELD_VERSION,
    MODEL_ACTIVITY,
    STREAMING_MODEL_ACTIVITY,
    WIRE_VERSION,
    ModelCall,
    ModelResult,
    TokenCount,
    Transcript,
)
from .._wire.transcripts import frame_of
from .._wire.values import decode, encode
from .agent_checks import check_async_tools, check_conversation_manager, check_sandbox_of
from .agent_watch import model_call, model_call_summary, watch_from_call
from .gate import check_call
from .invocation_state import user_invocation_state, write_back
from .model_calls import call_model
from .model_checks import (
    FACTORY_HINT,
    check_declared,
    check_name,
    check_streaming,
    check_use,
    warn_of_unknown,
)
from .model_state import DescribedModel
from .operator_queries import OperatorQueries
from .options import MODEL_DEFAULTS, STREAMING_BATCH_INTERVAL, ActivityOptions, merge_options
from .output_model import object_of, output_schema
from .summaries import summary_of
from .transcripts import SentTranscripts

T = TypeVar("T", bound=BaseModel)


class TemporalModel(DescribedModel):
    """A handle of a model that runs on the worker, for agents in a workflow.

    Give it to a `TemporalAgent`, or to a plain `strands.Agent` to make that durable too. Its counterpart on
    the worker is `StrandsPlugin(models={name: factory})`.

    Strands reads some facts of a model without calling it: `stateful`, `context_window_limit`, `config`. The
    first answer of a run returns these facts, so history has them. Declare the facts that Strands needs
    before the first answer.

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
        use_native_token_count: Have the model itself count tokens, in an activity for each count, instead of
            using Strands' estimate. Strands' providers have a setting of the same name, which must also be
            on.
        **options: Activity options of every call: the keys of `temporalio.workflow.ActivityConfig` without
            `activity_id`. By default a call may take 10 minutes, has a heartbeat time-out of 15 seconds, and
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
        use_native_token_count: bool = False,
        **options: Unpack[ActivityOptions],
    ) -> None:
        check_name(name)
        owner = f"TemporalModel({name!r})"
        check_streaming(owner, streaming_topic, streaming_batch_interval, options.get("task_queue"))
        check_declared(name, stateful, context_window_limit, config)
        self.name = name
        self.streaming_topic = streaming_topic
        self.streaming_batch_interval = streaming_batch_interval
        self.use_native_token_count = use_native_token_count
        super().__init__(stateful, context_window_limit, config)
        self._options = merge_options(owner, MODEL_DEFAULTS, options)
        if workflow.in_workflow():
            SentTranscripts.of_this_run()  # marks the run as one with agents
            run_local(OperatorQueries)

    def __repr__(self) -> str:
        return f"TemporalModel({self.name!r})"

    @override
    async def count_tokens(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        system_prompt_content: list[SystemContentBlock] | None = None,
    ) -> int:
        """Estimate the tokens of an input as Strands does, or have the model count them.

        With `use_native_token_count` the model counts in an activity. If that fails, the result is an
        estimate.
        """
        if self.use_native_token_count and workflow.in_workflow():
            frame = frame_of(system_prompt, system_prompt_content, None, None)
            try:
                with SentTranscripts.of_this_run().send(self, messages, tool_specs or (), frame) as sent:
                    call = self._call(sent.transcript, model_state=None)
                    with self._crossing(call) as wire:
                        count: TokenCount = await call_model(
                            COUNT_TOKENS_ACTIVITY,
                            [wire],
                            self._with_summary(summary_of(self.name or DEFAULT_MODEL, "count tokens")),
                            result_type=TokenCount,
                        )
            except Exception as error:  # noqa: BLE001  # as Strands' providers do
                workflow.logger.warning(
                    "model=<%r>, error=<%r> | the model did not count; estimating", self, error
                )
            else:
                return count.tokens
        return await super().count_tokens(messages, tool_specs, system_prompt, system_prompt_content)

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
            check_async_tools("Agent(tools=...)", agent)
            check_sandbox_of(agent)
            watch_from_call(agent)
        run_local(OperatorQueries)
        owner = agent if isinstance(agent, Agent) else self
        with SentTranscripts.of_this_run().send(owner, messages, tool_specs or (), frame) as sent:
            call = self._call(
                sent.transcript,
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
            call = self._call(sent.transcript, model_state=None, own_structured_output=True)
            result = await self._ask(call, None, None)
            sent.record_answer(result.answer)
        message: Message = {"role": "assistant", "content": []}
        async for event in process_stream(_replayed(result)):
            if "stop" in event:
                message = cast("Message", event["stop"][1])
            if result.events:  # a provider may return an object without a stream
                yield dict(event)
        yield {"output": object_of(repr(self), result.output, message, output_model)}

    def _call(self, transcript: Transcript, **fields: Any) -> ModelCall:
        """Return a call of this handle's model, with the fields that all its calls share."""
        state, topic = self._runs.current, self.streaming_topic
        return ModelCall(
            model=self.name,
            transcript=transcript,
            streaming_topic=topic,
            streaming_batch_ms=self.streaming_batch_interval // timedelta(milliseconds=1) if topic else 0,
            config=encode(state.overrides) if state.overrides else None,
            facts=state.needs_facts,
            version=WIRE_VERSION,
            **fields,
        )

    def _with_summary(self, summary: str) -> ActivityOptions:
        """Return the options of an activity with a summary, unless the user gave one."""
        return {"summary": summary, **self._options}

    @contextlib.contextmanager
    def _crossing(self, call: ModelCall) -> Generator[dict[str, Any]]:
        """Yield the dict that is sent for a call. During the block the worker can query what is too large.

        Raises:
            ModelCallTooLargeError: If the call with all its values is too large for Temporal.
        """
        wire = call.to_wire()
        check_call(repr(self), wire)
        states = {name: getattr(call, name) for name in ("invocation_state", "model_state", "config")}
        with SentTranscripts.of_this_run().hold(states) as held:
            if held is not None:
                wire = replace(
                    call, invocation_state={}, model_state={}, config=None, held=held, version=HELD_VERSION
                ).to_wire()
            yield wire

    async def _ask(self, call: ModelCall, agent: Agent | None, cancel_signal: Event | None) -> ModelResult:
        activity = STREAMING_MODEL_ACTIVITY if self.streaming_topic else MODEL_ACTIVITY
        options = self._with_summary(model_call_summary(agent, self.name))
        with self._crossing(call) as wire, model_call(agent, self.name) as view:
            # No result type: a pydantic adapter for it would cost each workflow time and 7 KB.
            answer = await call_model(activity, [wire], options, cancel_signal=cancel_signal)
            result = ModelResult.from_wire(answer)
            view.answered(result)
        state = self._runs.current
        if result.facts is not None and call.config == (encode(state.overrides) or None):
            state.facts, state.needs_facts = result.facts, False
        return result


async def _replayed(result: ModelResult) -> AsyncGenerator[StreamEvent, None]:
    for event in result.events:
        yield cast("StreamEvent", decode(event))


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
