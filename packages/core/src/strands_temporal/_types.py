"""What crosses the wire between the workflow and its activities, and the names both sides use.

Wire types are frozen dataclasses of JSON values: they decode with the plugin's pydantic converter and with
the SDK's default one. Fields are only ever added, with defaults, so that histories recorded by older releases
replay. Bytes inside them are tagged (see `_wire.py`).
"""

from dataclasses import dataclass, field
from typing import Any

MODEL_ACTIVITY = "invoke_model"
"""Activity type of a model call whose output is wanted whole."""

STREAMING_MODEL_ACTIVITY = "invoke_model_streaming"
"""Activity type of a model call whose output also goes to a stream as it arrives: the same body."""

WIRE_VERSION = 1
"""Version of the layout of `ModelCall` and `ModelResult`; raised when a field changes its meaning."""

MISSING_EXTRA = "MissingExtra"
WIRE_VERSION_UNKNOWN = "WireVersionUnknown"
MODEL_FACTORY_FAILED = "ModelFactoryFailed"


@dataclass(frozen=True)
class Transcript:
    """The conversation that a model call is about.

    This is its whole form: every message, spec and system block. A delta form (what changed since an earlier
    call) will join it as further fields.

    Attributes:
        messages: Strands messages (`role` and `content` only), oldest first, encoded.
        tool_specs: Strands tool specs, encoded, or None when the model gets no tools.
        system_prompt: System prompt as text, only where `system_blocks` does not already say it.
        system_blocks: System prompt as Strands content blocks, encoded.
    """

    messages: list[Any]
    tool_specs: list[Any] | None = None
    system_prompt: str | None = None
    system_blocks: list[Any] | None = None


@dataclass(frozen=True)
class ModelCall:
    """One call of a model: the argument of `invoke_model` and `invoke_model_streaming`.

    Attributes:
        model: Name of the model in `StrandsPlugin(models=...)`; None is the plugin's default model.
        transcript: The conversation, the tools and the system prompt.
        tool_choice: Strands `ToolChoice`, or None.
        invocation_state: The caller's own JSON values; Strands' keys (`agent`, `messages`, ...) are not in
            it.
        model_state: What a stateful model keeps between calls (for example a response id).
        session_id: Session id of the agent, from which providers derive prompt cache keys.
        dynamic_trailing_blocks: How many trailing blocks of the last user message are rebuilt at every call.
        streaming_topic: Topic of the workflow's stream to which the output goes as it arrives; None for none.
        streaming_batch_ms: Milliseconds between two batches to that topic.
        version: Layout of this value.
    """

    model: str | None
    transcript: Transcript
    tool_choice: Any = None
    invocation_state: dict[str, Any] = field(default_factory=dict[str, Any])
    model_state: dict[str, Any] | None = None
    session_id: str | None = None
    dynamic_trailing_blocks: int = 0
    streaming_topic: str | None = None
    streaming_batch_ms: int = 0
    version: int = WIRE_VERSION


@dataclass(frozen=True)
class ModelResult:
    """What a model answered: the result of `invoke_model` and `invoke_model_streaming`.

    Attributes:
        events: Strands `StreamEvent`s in order, adjacent deltas of one content block merged, encoded.
        model_state: The model's state after the call, when it has one.
        first_chunk_ms: Milliseconds from the request to the first content chunk; None if there was none.
        duration_ms: Milliseconds from the request to the end of the answer.
        version: Layout of this value.
    """

    events: list[Any]
    model_state: dict[str, Any] | None = None
    first_chunk_ms: int | None = None
    duration_ms: int = 0
    version: int = WIRE_VERSION
