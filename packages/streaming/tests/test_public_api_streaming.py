"""The public surface of this package, pinned."""

import strands_temporal_streaming
from strands_temporal import ComposablePlugin


def test_public_names() -> None:
    assert strands_temporal_streaming.__all__ == [
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
    assert all(hasattr(strands_temporal_streaming, name) for name in strands_temporal_streaming.__all__)
    assert issubclass(strands_temporal_streaming.StreamingPlugin, ComposablePlugin)


def test_the_plugins_name_is_its_place() -> None:
    assert strands_temporal_streaming.StreamingPlugin().name() == "strands_temporal_streaming.StreamingPlugin"
