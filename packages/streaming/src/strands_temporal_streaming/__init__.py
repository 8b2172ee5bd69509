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
from ._plugin import StreamingPlugin
from ._types import (
    AgentEvent,
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
    "AgentEvent",
    "AgentStream",
    "AttemptFailed",
    "AttemptRestarted",
    "CallStarted",
    "End",
    "MessageEnd",
    "OutputLost",
    "PendingInterrupt",
    "ReasoningDelta",
    "SandboxOutput",
    "StreamGap",
    "StreamHooks",
    "StreamingPlugin",
    "TextDelta",
    "TextRedacted",
    "ToolCall",
    "ToolResult",
    "TurnEnd",
    "control_topic",
]
