"""Live output of durable Strands agents on Temporal.

In a workflow:

    self.stream = WorkflowStream()
    self.agent = TemporalAgent(streaming_topic="events", hooks=[StreamHooks(self.stream, "events")])

On the worker or its client: `StreamingPlugin()`, together with `strands_temporal.StrandsPlugin`.

Anywhere: temporalio's `WorkflowStreamClient.create(client, workflow_id).subscribe(["events"], ...)` for plain
Strands `StreamEvent`s, or `async for event in AgentStream(client, workflow_id)` for typed events.
"""

from ._client import AgentStream
from ._control import control_topic
from ._decision_types import Decision, QuestionAsked, QuestionDecided
from ._json import EVENT_TYPES, from_json, to_json
from ._life_types import (
    AgentEnded,
    AgentEvent,
    AgentStarted,
    ControlEvent,
    Failed,
    HandedOver,
    ModelCallEnded,
    ModelCallFailed,
    ModelCallStarted,
    NodeEnded,
    NodeStarted,
    StateChanged,
    ToolCallDelta,
    ToolProgress,
    ToolStarted,
    TurnStarted,
)
from ._limits import StreamLimit
from ._plugin import StreamingPlugin
from ._request_types import RequestEnded, RequestStarted
from ._snapshot_types import RunningAgent, RunningCall, Snapshot
from ._transport import StreamTransport, WorkflowStreamTransport
from ._types import (
    AttemptFailed,
    AttemptRestarted,
    CallStarted,
    End,
    MessageEnd,
    OutputLost,
    PendingInterrupt,
    ReasoningDelta,
    SandboxOutput,
    StreamGap,
    TextDelta,
    TextRedacted,
    ToolCall,
    ToolResult,
    TurnEnd,
)
from ._workflow import StreamHooks

__all__ = [
    "EVENT_TYPES",
    "AgentEnded",
    "AgentEvent",
    "AgentStarted",
    "AgentStream",
    "AttemptFailed",
    "AttemptRestarted",
    "CallStarted",
    "ControlEvent",
    "Decision",
    "End",
    "Failed",
    "HandedOver",
    "MessageEnd",
    "ModelCallEnded",
    "ModelCallFailed",
    "ModelCallStarted",
    "NodeEnded",
    "NodeStarted",
    "OutputLost",
    "PendingInterrupt",
    "QuestionAsked",
    "QuestionDecided",
    "ReasoningDelta",
    "RequestEnded",
    "RequestStarted",
    "RunningAgent",
    "RunningCall",
    "SandboxOutput",
    "Snapshot",
    "StateChanged",
    "StreamGap",
    "StreamHooks",
    "StreamLimit",
    "StreamTransport",
    "StreamingPlugin",
    "TextDelta",
    "TextRedacted",
    "ToolCall",
    "ToolCallDelta",
    "ToolProgress",
    "ToolResult",
    "ToolStarted",
    "TurnEnd",
    "TurnStarted",
    "WorkflowStreamTransport",
    "control_topic",
    "from_json",
    "to_json",
]
