"""Finds the calling module from the call stack, and the raising module from a traceback."""

import sys
import types

SUB_AGENT_CALLS = "strands.agent._agent_as_tool"
"""The module of Strands from which an agent that is a tool is called."""


def called_by_strands(depth: int, package: str = "strands") -> bool:
    """Tell whether the code `depth` frames above the caller belongs to `package`, by default all of Strands.

    For example, a `TemporalAgent` refuses snapshots to users, but Strands' own code takes them (1.62:
    agent/_agent_as_tool.py:382, vended_plugins/goal/plugin.py:322, the session managers).
    """
    # No public API names the caller.
    caller = module_of(sys._getframe(depth + 1))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return caller == package or caller.startswith(f"{package}.")


def raised_by_multi_agent(error: BaseException) -> bool:
    """Tell whether Strands' own code for graphs and swarms raised `error`, for example a node's timeout.

    We do not wrap a `Graph`, so such an error has no mark of `mark_left_agent`. Without this check Temporal
    would retry the workflow task forever.
    """
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and module_of(traceback.tb_frame).startswith("strands.multiagent.")


def module_of(frame: types.FrameType | None) -> str:
    return str(frame.f_globals.get("__name__", "")) if frame else ""
