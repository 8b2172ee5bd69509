"""Finds out who calls, from the call stack, and who raised, from a traceback."""

import sys
import types


def called_by_strands(depth: int, package: str = "strands") -> bool:
    """Tell whether the code `depth` frames above the caller belongs to Strands, or to a package of it.

    Strands takes snapshots itself, through the methods that a `TemporalAgent` refuses to users (1.62:
    agent/_agent_as_tool.py:382, vended_plugins/goal/plugin.py:322, the session managers).
    """
    # Nothing public tells who calls.
    caller = module_of(sys._getframe(depth + 1))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return caller == package or caller.startswith(f"{package}.")


def raised_by_multi_agent(error: BaseException) -> bool:
    """Tell whether `error` was raised by Strands' own code for graphs and swarms: a node's time-out, say.

    Nothing of ours stands around a `Graph`, so such an error is not marked as one that left an agent, and
    Temporal would retry the workflow task on it for ever.
    """
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and module_of(traceback.tb_frame).startswith("strands.multiagent.")


def module_of(frame: types.FrameType | None) -> str:
    return str(frame.f_globals.get("__name__", "")) if frame else ""
