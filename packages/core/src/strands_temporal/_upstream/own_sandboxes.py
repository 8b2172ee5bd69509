"""Finds sandboxes and storages that cannot work in a workflow, even if Strands only logs their errors.

A user's own sandbox may need no I/O, for example because it keeps its files in memory. So it is refused only
when it does I/O: Temporal's workflow sandbox then raises.

Some plugins of Strands log every error of a sandbox or a storage and go on: `AgentSkills` without the skill
(1.62: vended_plugins/skills/agent_skills.py:315), the stash of a context manager and the offloader without
the value (_context_manager/stash.py:126, vended_plugins/context_offloader/plugin.py:556). If the sandbox or
the storage cannot work at all, the plugin's call must fail in a workflow instead. All of these errors reach
the plugin's logger, so `PluginLogger` raises them.
"""

import sys
import traceback
from collections.abc import Iterator
from typing import Any

from strands import Sandbox
from temporalio import workflow
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from .._errors import ActivityNotRegisteredError, AgentTypeError, AgentValueError, SandboxLostError
from .default_sandbox import refusal
from .stand_in import StandIn

CANNOT_WORK = (ActivityNotRegisteredError, AgentTypeError, AgentValueError, SandboxLostError)
"""Errors of a sandbox or a storage that cannot work at all. A retry would fail in the same way."""

ENDS_PATCH = "strands-temporal-cannot-work-ends"
"""Patch id. In histories without it, the model read such an error of a tool, and plugins went on."""


class PluginLogger(StandIn):
    """The logger of a plugin. In a workflow it raises the error of a sandbox that cannot work at all."""

    def warning(self, message: str, *args: Any, **options: Any) -> None:
        self._original.warning(message, *args, **{"stacklevel": 2, **options})
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and workflow.in_workflow():
            if isinstance(error, CANNOT_WORK) or is_unknown_name(error):
                if ends_the_run():
                    raise error
            elif (refused := io_of_own_sandbox(error)) is not None and ends_the_run():
                raise refused from error


def ends_the_run() -> bool:
    """Tell whether a sandbox or storage that cannot work ends the run. Call it only after such an error."""
    return not workflow.in_workflow() or workflow.patched(ENDS_PATCH)


def is_unknown_name(error: BaseException) -> bool:
    """Tell whether an error says that the worker does not know the name of a handle."""
    return "[ST105:" in str(error)


def io_of_own_sandbox(error: BaseException) -> AgentTypeError | None:
    """Return the error that refuses a user's sandbox, if the sandbox's I/O caused `error`; else None."""
    what = refused_io(error)
    if what is None:
        return None
    for link in _links(error):
        for frame, _ in traceback.walk_tb(link.__traceback__):
            owner = frame.f_locals.get("self")
            if isinstance(owner, Sandbox):
                return AgentTypeError(f"{refusal(type(owner).__name__)}. It tried: {what}")
    return None


def refused_io(error: BaseException) -> str | None:
    """Return the name of the I/O in the workflow that caused `error`, or None if there is none."""
    for link in _links(error):
        if isinstance(link, RestrictedWorkflowAccessError):
            name = link.qualified_name.removeprefix("__builtins__.")
            return name.removesuffix(".__call__").removesuffix(".__mro_entries__")
        if isinstance(link, NotImplementedError) and (name := _refused_by_the_loop(link)):
            return f"asyncio's {name}"
    return None


def _links(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes. A library may wrap the workflow sandbox's error in its own errors."""
    link: BaseException | None = error
    for _ in range(10):
        if link is None:
            return
        yield link
        link = link.__cause__ if link.__suppress_context__ else link.__context__


def _refused_by_the_loop(error: NotImplementedError) -> str | None:
    """Return the event loop's method that raised `error`, because a workflow's loop lacks it; else None."""
    frames = traceback.extract_tb(error.__traceback__)
    if frames and frames[-1].filename.endswith("asyncio/events.py"):
        return frames[-1].name
    return None
