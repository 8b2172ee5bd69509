"""The types of a model call and its result, and the names that both ends use.

Wire types are frozen dataclasses of JSON values. They decode with the plugin's pydantic converter and with
the SDK's default one. Fields are only added, with defaults, so that histories of older releases replay. Bytes
inside them are tagged (see `values.py`).
"""

from dataclasses import dataclass, field
from typing import Any, cast

from .answers import answer_of, events_of, message_of
from .reading import read_as, reading
from .transcripts import ANSWER_DIGITS, canonical, digest_of
from .usual_calls import parts_of_fields, usual_fields
from .values import set_fields

MODEL_ACTIVITY = "invoke_model"
"""Activity type of a model call that returns its output only as a whole."""

STREAMING_MODEL_ACTIVITY = "invoke_model_streaming"
"""Activity type of a model call that also sends its output to a stream as it arrives. Both activities have
the same implementation."""

COUNT_TOKENS_ACTIVITY = "count_model_tokens"
"""Activity type of a token count by the model itself."""

DESCRIBE_MODEL_ACTIVITY = "describe_model"
"""Activity type that returns a model's `ModelFacts` without calling the model."""

DEFAULT_MODEL = "default"
"""Name of the model that `StrandsPlugin()` without a mapping offers."""

WIRE_VERSION = 1
"""Version of the layout of `ModelCall` and `ModelResult`. It increases when a field changes its meaning."""

MADE_ANEW_PATCH = "strands-temporal-model-call-made-anew"
"""Patch id in histories where a model call was cut short and repeated (see `_workflow/model_calls.py`)."""

DESCRIBED_PATCH = "strands-temporal-model-described"
"""Patch id. In histories without it, a workflow knew nothing of a model before the model's first answer."""

NATIVE_COUNT_PATCH = "strands-temporal-native-count"
"""Patch id. In histories without it, a model counted tokens only if the workflow's handle said so."""


MISSING_EXTRA = "MissingExtra"
WIRE_VERSION_UNKNOWN = "WireVersionUnknown"
MODEL_FACTORY_FAILED = "ModelFactoryFailed"
MODEL_RESULT_TOO_LARGE = "ModelResultTooLarge"
RESULT_TOO_LARGE = "ResultTooLarge"
TRANSCRIPT_GONE = "TranscriptGone"
TRANSCRIPT_UNAVAILABLE = "TranscriptUnavailable"

TRANSCRIPT_QUERY = "strands_transcript"
"""Query by which a worker asks a workflow for the conversation of a pending call, or for a value that the
workflow holds for the call."""

HELD = 0
"""Agent number in a `TRANSCRIPT_QUERY` for a held value, one that the workflow holds for a call. The call
number in such a query is the value's number."""

HELD_VERSION = 2
"""Version of a `ModelCall` that leaves values in the workflow. A worker of an older release, which cannot ask
for them, fails the attempt."""


@dataclass(frozen=True)
class Transcript:
    """A conversation as a delta against the same agent's previous call: history gets each message once.

    The worker rebuilds the conversation from this and its cache. If the cache lacks a part, or the rebuilt
    conversation does not have the digest, the worker asks the workflow (see `_worker/transcript_queries.py`).

    Attributes:
        call: Number of this call among the calls of its agent, from 1. The delta is against the previous
            call.
        digest: Digest of the whole conversation, including `tools` and `frame`, or its first digits.
        agent: Number of the agent in its run, from 1.
        messages: Parts of the conversation, in order (see `transcripts.py`). None if the worker must ask.
        tools: Parts of the list of tool specs, in order; None if the tools did not change.
        frame: The changed fields of the call's `Frame` (system prompt, session id, output class), by name;
            null for a field that is gone.
    """

    call: int
    digest: str
    agent: int = 1
    messages: list[Any] | None = None
    tools: list[Any] | None = None
    frame: dict[str, Any] = field(default_factory=dict[str, Any])

    def to_wire(self) -> dict[str, Any]:
        """Return the dict to send to the worker."""
        wire = set_fields(self)
        usual = usual_fields(self.messages, self.call)
        if usual is None:
            return wire
        del wire["messages"]
        return {**wire, "digest": self.digest[:_SHORT_DIGITS], **usual}

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "Transcript":
        """Return the transcript that was sent as `wire`."""
        parts = parts_of_fields(wire, wire.get("call")) if isinstance(cast("Any", wire), dict) else None
        return read_as(cls, wire if parts is None else {**wire, "messages": parts})


_SHORT_DIGITS = 8
"""Digits of the digest of a conversation that is sent in the usual form. A worker compares that many."""


@dataclass(frozen=True)
class OutputSchema:
    """A pydantic class that a model's answer must fit.

    Attributes:
        name: Name of the class.
        description: Its docstring.
        schema: Its JSON schema.
        nested: Fields that have another pydantic class as their type. Strands expands them in a tool spec.
    """

    name: str
    description: str | None
    schema: dict[str, Any]
    nested: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class ModelFacts:
    """Properties of a model that Strands reads without calling it.

    The first answer of a run returns them, or `describe_model` before it.

    Attributes:
        stateful: Whether the model keeps the conversation on its own side.
        context_window_limit: Size of the model's context window in tokens, if known.
        config: The part of the model's configuration that may appear in history: no API key, no client
            argument.
        structured_output: Whether the model enforces structured output itself.
    """

    stateful: bool = False
    context_window_limit: int | None = None
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    structured_output: bool = False


@dataclass(frozen=True)
class ModelCall:
    """One call of a model: the argument of the activities of `ModelActivities`.

    For `describe_model` the transcript is empty.

    It is sent as the dict that `to_wire` returns, which has only the fields that are set.

    Attributes:
        model: Name of the model in `StrandsPlugin(models=...)`; None stands for the plugin's default model.
        transcript: The conversation, the tools and the system prompt.
        tool_choice: Strands `ToolChoice`, or None.
        invocation_state: The caller's own JSON values, without Strands' keys (`agent`, `messages`, ...).
        model_state: State that a stateful model keeps between calls (for example a response id); None if no
            agent keeps it.
        dynamic_trailing_blocks: How many trailing blocks of the last user message are rebuilt at every call.
        streaming_topic: Topic of the workflow's stream that gets the output as it arrives, or None.
        streaming_batch_ms: Milliseconds between two batches to that topic.
        version: Layout of this value.
        config: Settings that `update_config` changed, encoded; None if it changed nothing.
        facts: Whether the result must contain the model's `ModelFacts`: the workflow does not have them yet,
            or has changed the model's configuration.
        own_structured_output: Whether to call the model's own `structured_output`, which returns an object.
        held: None if `invocation_state`, `model_state` and `config` are sent. If they are too large, the
            workflow holds them, and this is the number and the digest with which the worker asks for them.
        call_id: Identity of the call in the stream, if the call has a topic. The same for all its attempts.
    """

    model: str | None
    transcript: Transcript
    tool_choice: Any = None
    invocation_state: dict[str, Any] = field(default_factory=dict[str, Any])
    model_state: dict[str, Any] | None = field(default_factory=dict[str, Any])
    dynamic_trailing_blocks: int = 0
    streaming_topic: str | None = None
    streaming_batch_ms: int = 0
    version: int = 1
    config: dict[str, Any] | None = None
    facts: bool = False
    own_structured_output: bool = False
    held: list[Any] | None = None
    call_id: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the dict to send to the worker."""
        return {**set_fields(self), "transcript": self.transcript.to_wire()}

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "ModelCall":
        """Return the call that was sent as `wire`.

        Raises:
            AgentTypeError: If it is of another form.
            AgentValueError: If a part of it is missing.
        """
        with reading("A model call"):
            transcript = Transcript.from_wire(wire["transcript"])
        return read_as(cls, {"model": None, **wire, "transcript": transcript}, newest=HELD_VERSION)


@dataclass(frozen=True)
class ModelResult:
    """A model's answer: the result of `invoke_model` and `invoke_model_streaming`.

    It is sent as the dict that `to_wire` returns, which has only the fields that are set. In place of the
    events, most answers have what `answers.py` makes of them, with one text by itself:

        {"text": "Hello.", "usage": "10 in, 5 out, 1 ms"}

    The digits of such an answer's digest are sent if they do not follow from it.

    Attributes:
        events: Strands `StreamEvent`s in order, encoded, with the adjacent deltas of a content block merged.
            History has them in the format of `answers.py`.
        answer: First digits of the digest of the answer's message, which Strands makes of the events. Empty
            if the events make no message.
        model_state: The model's state after the call, if the call changed it.
        version: Layout of this value.
        facts: The model's `ModelFacts`, if the call asked for them.
        invocation_state: Values that the model wrote into the caller's `invocation_state`, by key, encoded.
        invocation_state_removed: Keys that the model removed from the caller's `invocation_state`.
        output: The object that the model's own `structured_output` returned, as JSON values.
        id: Random id that the worker draws for an answer that asks for tools; else empty. It distinguishes
            the tool calls of this answer from equal calls of another answer.
        attempt: Temporal's number of the attempt that answered.
    """

    events: list[Any] = field(default_factory=list[Any])
    answer: str = ""
    model_state: dict[str, Any] | None = None
    version: int = 1
    facts: ModelFacts | None = None
    invocation_state: dict[str, Any] = field(default_factory=dict[str, Any])
    invocation_state_removed: list[str] = field(default_factory=list[str])
    output: Any = None
    id: str = ""
    attempt: int = 1

    def to_wire(self) -> dict[str, Any]:
        """Return the dict to send to the workflow."""
        answer: Any = answer_of(self.events)
        wire = set_fields(self)
        if type(answer) is dict and tuple(cast("Any", answer)) == ("content", "usage"):
            del wire["events"]
            content, usage = cast("dict[str, Any]", answer).values()
            said = {"text": content[0]["text"]} if _is_only_text(content) else {"content": content}
            wire = {**said, "usage": usage, **wire, "answer": self.answer}
            if self.answer == _digits_of(cast("dict[str, Any]", answer)):
                del wire["answer"]
        else:
            wire["events"] = answer
        return wire if self.facts is None else {**wire, "facts": set_fields(self.facts)}

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "ModelResult":
        """Return the result that was sent as `wire`.

        Raises:
            AgentTypeError: If it is of another form.
            AgentValueError: If it has events that Strands does not know, or a part of it is missing.
        """
        with reading("A model's answer"):
            if "events" not in wire and "usage" in wire:
                content = [{"text": wire["text"]}] if "text" in wire else wire["content"]
                answer = {"content": content, "usage": wire["usage"]}
                given = {"answer": _digits_of(answer), **wire, "events": events_of(answer)}
            else:
                given = {**wire, "events": events_of(wire.get("events", []))}
            if given.get("facts") is not None:
                given["facts"] = read_as(ModelFacts, given["facts"])
        return read_as(cls, given)


def _is_only_text(content: list[Any]) -> bool:
    return len(content) == 1 and tuple(content[0]) == ("text",)


def _digits_of(answer: dict[str, Any]) -> str:
    """Return the first digits of the digest of the message that Strands makes of an answer, if known."""
    message = message_of(answer)
    return "" if message is None else digest_of(canonical(message)).hex()[:ANSWER_DIGITS]


@dataclass(frozen=True)
class TokenCount:
    """The number of tokens in a call's input: the result of `count_model_tokens`.

    Attributes:
        tokens: The model's own count.
        version: Layout of this value.
    """

    tokens: int
    version: int = WIRE_VERSION


REQUEST_STATE = "request_state"
"""Key of a mapping that Strands keeps for hooks, tools and models. It always exists and is mostly empty."""
