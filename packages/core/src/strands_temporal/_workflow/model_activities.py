"""Runs the activities of a `TemporalModel`: makes their arguments, and uses their results."""

import contextlib
import weakref
from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any

from strands import Agent
from strands.types.content import Messages, SystemContentBlock
from strands.types.tools import ToolSpec
from temporalio import workflow
from temporalio.common import RetryPolicy
from typing_extensions import override

from .._upstream.callers import called_by_strands
from .._wire.model_call import (
    COUNT_TOKENS_ACTIVITY,
    DEFAULT_MODEL,
    DESCRIBE_MODEL_ACTIVITY,
    DESCRIBED_PATCH,
    HELD_VERSION,
    MODEL_ACTIVITY,
    NATIVE_COUNT_PATCH,
    STREAMING_MODEL_ACTIVITY,
    WIRE_VERSION,
    ModelCall,
    ModelFacts,
    ModelResult,
    TokenCount,
    Transcript,
)
from .._wire.reading import read_as
from .._wire.transcripts import frame_of
from .._wire.values import encode
from .agent_watch import model_call, model_call_summary
from .gate import check_call
from .model_calls import call_model
from .model_state import DescribedModel
from .options import ActivityOptions
from .run_notes import noted_call
from .summaries import summary_of
from .transcripts import SentTranscripts

_MANY_PARTS = 1000
"""Parts of a transcript with which a call surely fits. What is sent of the parts has 64 KiB at most, besides
ranges."""

_SEED_BITS = 0xFFF_FFFF_FFFF
"""What an identity of a call has of the workflow's random seed: eleven digits."""

_UNKNOWN = "the facts of the model"
"""Entry in `RunState.warned`: the run has warned that the worker did not tell the facts of a model."""


class ModelActivities(DescribedModel):
    """A handle of a model, with the activities that call the model, have it count tokens, or describe it.

    Args:
        name: Name of the model; None is the plugin's default model.
        streaming_topic: Topic that gets the output as it arrives, or None.
        streaming_batch_interval: Time between two batches to that topic.
        use_native_token_count: Whether the model itself counts tokens; None follows its own setting.
        declared: `stateful`, `context_window_limit` and `config`, as the user declared them.
        options: Merged and checked activity options.
    """

    def __init__(
        self,
        name: str | None,
        *,
        streaming_topic: str | None,
        streaming_batch_interval: timedelta,
        use_native_token_count: bool | None,
        declared: tuple[bool | None, int | None, Mapping[str, Any] | None],
        options: ActivityOptions,
    ) -> None:
        super().__init__(*declared)
        self.name = name
        self.streaming_topic = streaming_topic
        self.streaming_batch_interval = streaming_batch_interval
        self.use_native_token_count = use_native_token_count
        self._options = options
        self._speaker: weakref.ref[Agent] | None = None

    def __repr__(self) -> str:
        return f"TemporalModel({self.name!r})"

    def stream_only_for(self, agent: Agent) -> None:
        """Send the topic only the output of `agent`, even if other agents have this handle."""
        self._speaker = weakref.ref(agent)

    def _streams_for(self, agent: object) -> bool:
        return self._speaker is None or self._speaker() is agent

    @override
    async def count_tokens(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        system_prompt_content: list[SystemContentBlock] | None = None,
    ) -> int:
        """Estimate the tokens of an input as Strands does, or have the model count them in an activity.

        If the model's count fails, the result is an estimate.
        """
        asked = self.use_native_token_count is None and workflow.in_workflow() and not called_by_strands(1)
        if asked:  # the user's code called this method, perhaps before the first answer
            await self.learn_facts()
        if workflow.in_workflow() and self._counts_tokens():
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

    def _counts_tokens(self) -> bool:
        if self.use_native_token_count is not None:
            return self.use_native_token_count
        setting = self.get_config().get("use_native_token_count") is True
        return setting and workflow.patched(NATIVE_COUNT_PATCH)

    async def learn_facts(self) -> None:
        """Ask the worker for the model's facts, if the workflow does not know them.

        If the worker cannot tell them, the first answer will.
        """
        state = self._runs.current
        if not state.lacks_facts or _UNKNOWN in state.warned or not workflow.patched(DESCRIBED_PATCH):
            return
        call = self._call(Transcript(call=0, digest=""))
        options = self._with_summary(summary_of(self.name or DEFAULT_MODEL, "describe"))
        options["retry_policy"] = RetryPolicy(maximum_attempts=3)
        try:
            with self._crossing(call) as wire:
                answer = await call_model(DESCRIBE_MODEL_ACTIVITY, [wire], options)
            facts = read_as(ModelFacts, answer)
        except Exception as error:  # noqa: BLE001  # the model call will tell what is wrong
            state.warned.add(_UNKNOWN)
            workflow.logger.warning("model=<%r>, error=<%r> | the model is not known yet", self, error)
        else:
            self._learn(call, facts)

    def _learn(self, call: ModelCall, facts: ModelFacts) -> None:
        """Keep the facts that a call returned, unless the configuration has changed meanwhile."""
        state = self._runs.current
        if call.config == (encode(state.overrides) or None):
            state.learn(facts)

    def _call(self, transcript: Transcript, *, streams: bool = True, **fields: Any) -> ModelCall:
        """Return a call of this handle's model, with the fields that all its calls share.

        Args:
            transcript: The conversation.
            streams: Whether the topic, if there is one, gets the output.
            **fields: Further fields of the call.
        """
        state, topic = self._runs.current, self.streaming_topic if streams else None
        return ModelCall(
            model=self.name,
            transcript=transcript,
            streaming_topic=topic,
            streaming_batch_ms=self.streaming_batch_interval // timedelta(milliseconds=1) if topic else 0,
            config=encode(state.overrides) if state.overrides else None,
            facts=state.needs_facts,
            version=WIRE_VERSION,
            call_id=_call_id(transcript) if topic else None,
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
        states = {name: getattr(call, name) for name in ("invocation_state", "model_state", "config")}
        if not any(states.values()):
            states = None  # most calls
        if states or call.tool_choice or len(call.transcript.messages or ()) > _MANY_PARTS:
            check_call(repr(self), wire)
        with SentTranscripts.of_this_run().hold(states) as held:
            if held is not None:
                wire = replace(
                    call, invocation_state={}, model_state={}, config=None, held=held, version=HELD_VERSION
                ).to_wire()
            yield wire

    async def _ask(self, call: ModelCall, agent: Agent | None, cancel_signal: Event | None) -> ModelResult:
        activity = STREAMING_MODEL_ACTIVITY if self.streaming_topic else MODEL_ACTIVITY
        options = self._with_summary(model_call_summary(agent, self.name))
        id_ = call.call_id or _call_id(call.transcript)
        with (
            self._crossing(call) as wire,
            model_call(agent, self.name) as view,
            noted_call(id_, agent, self.name) as note,
        ):
            # No result type: a pydantic adapter for it would cost each workflow time and 7 KB.
            answer = await call_model(activity, [wire], options, cancel_signal=cancel_signal)
            result = ModelResult.from_wire(answer)
            view.answered(result)
            note.answered(result.events)
        if result.facts is not None:
            self._learn(call, result.facts)
        return result


def _call_id(transcript: Transcript) -> str:
    """Return an identity for a call that is unique in the workflow, over all its runs and after a reset.

    The random seed distinguishes runs, and a reset changes it. A run id would not do: after a reset, a replay
    has another one. Nor would the time: a query of a run that is not cached may see another one than the
    workflow has in the end (finding `queries-see-times-that-never-were`).
    """
    return f"{workflow.random_seed() & _SEED_BITS:011x}-{transcript.agent}.{transcript.call}"
