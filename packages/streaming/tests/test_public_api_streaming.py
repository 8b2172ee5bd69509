"""The public surface of this package, pinned."""

import strands_temporal_streaming
from strands_temporal import ComposablePlugin


def test_public_names() -> None:
    assert strands_temporal_streaming.__all__ == [
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
    assert all(hasattr(strands_temporal_streaming, name) for name in strands_temporal_streaming.__all__)
    assert issubclass(strands_temporal_streaming.StreamingPlugin, ComposablePlugin)


def test_the_plugins_name_is_its_place() -> None:
    assert strands_temporal_streaming.StreamingPlugin().name() == "strands_temporal_streaming.StreamingPlugin"
