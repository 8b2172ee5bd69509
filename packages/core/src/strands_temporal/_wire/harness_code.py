"""The activity that runs the code of the harness's `programmatic_tool_caller`, and its result."""

from dataclasses import dataclass, field
from typing import Any

CODE_ACTIVITY = "run_harness_code"
"""Runs the model's code until it waits for tool calls, or ends."""

CODE_STEP_VERSION = 1
"""Version of the layout of `CodeStep`. It increases when a field changes its meaning."""

LARGEST_SNAPSHOT = 1024 * 1024
"""Largest compressed size, in bytes, of the interpreter's state while the code waits for a tool call."""

LARGEST_STATE = 64 * 1024 * 1024
"""Largest size, in bytes, of that state before compression, which costs the worker time."""

ALL_SNAPSHOTS = 16 * 1024 * 1024
"""Bytes, compressed, for all steps of one run of the code together: each snapshot is in history once."""

FULLEST_HISTORY = 32 * 1024 * 1024
"""Bytes of history above which code keeps no further snapshot. A server ends a workflow at 50 MiB by default
(`limit.historySize.error`); the rest is for the other steps of the workflow."""


@dataclass(frozen=True)
class CodeStep:
    """The result of one step of the code.

    Attributes:
        kind: Why the step ended: "calls" (the code waits for tool calls), "done", or the kind of failure:
            "syntax", "runtime" or "error".
        text: The error, as the plain tool shows it to the model.
        printed: The code's output.
        calls: New tool calls. Each has its id, the tool's name, and encoded positional and keyword arguments.
        pending: Ids of the calls that the code waits for.
        snapshot: The interpreter's state, compressed and encoded.
        suspensions: How often the code has asked its host for something, counted over all steps.
        attempt: The attempt of the activity.
        version: Layout of this value.
    """

    kind: str
    text: Any = ""
    printed: Any = ""
    calls: list[Any] = field(default_factory=list[Any])
    pending: list[int] = field(default_factory=list[int])
    snapshot: Any = None
    suspensions: int = 0
    attempt: int = 1
    version: int = CODE_STEP_VERSION
