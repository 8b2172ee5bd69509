"""The hook on each agent's tool calls, for failures that Strands would give to the model without a remedy."""

import traceback
from pathlib import Path

from strands.hooks import AfterToolCallEvent
from temporalio import workflow
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from .._errors import ActivityNotRegisteredError, SandboxNotRegisteredError, coded
from .._upstream.own_sandboxes import ends_the_run, io_of_own_sandbox, is_unknown_name, refused_io

_NOT_THE_USERS = ("/temporalio/", "/strands/", "/strands_temporal/", "/asyncio/")
"""Parts of the names of files whose frames are between a tool's line and the sandbox's error."""

_LIBRARIES = (str(Path(traceback.__file__).parent), "<frozen ")
"""How the names of the standard library's files begin."""

_NO_INPUT_OUTPUT = (
    "{what} is not possible inside a workflow, where the code of the tool {tool!r} runs: it would happen "
    "again at each replay. Make the tool an activity and give the agent activity_as_tool(...), or host it on "
    "the worker: StrandsPlugin(tools=...) and TemporalTools(name)"
)


def explain_tool_failure(event: AfterToolCallEvent) -> None:
    """Name the remedy for a tool that does I/O. End the run if a tool's activity or sandbox cannot work.

    Raises:
        ActivityNotRegisteredError: The worker that got the tool's activity does not have it.
        Exception: The worker does not know the name of a handle that the tool uses.
        SandboxNotRegisteredError: The worker does not have the tool's sandbox, or a secret.
        AgentTypeError: The agent's sandbox is the user's own and does I/O inside the workflow.
    """
    error = event.exception
    if error is None:
        return
    for link in (error.__cause__, error):  # a vended tool wraps the errors of its sandbox
        if isinstance(link, ActivityNotRegisteredError | SandboxNotRegisteredError) or (
            link is not None and is_unknown_name(link) and ends_the_run()
        ):
            raise link
    if (refused := io_of_own_sandbox(error)) is not None and ends_the_run():
        raise refused from error
    what = refused_io(error)
    if what is None:
        return
    name = event.tool_use["name"]
    remedy = "Error: " + coded("ST201", _NO_INPUT_OUTPUT.format(what=what, tool=name))
    own = (
        []
        if isinstance(error, RestrictedWorkflowAccessError | NotImplementedError)
        else event.result["content"]
    )
    event.result["content"] = [*own, {"text": remedy}]  # the tool's own error may tell the model more
    workflow.logger.warning(
        "tool=<%s>, access=<%s>, at=<%s> | the tool does I/O inside the workflow; use activity_as_tool, or "
        "StrandsPlugin(tools=...) with TemporalTools [ST201: docs/messages.md#st201]",
        name,
        what,
        _place(error),
    )


def _place(error: BaseException) -> str:
    """Return the file and line of the user's own code that made the refused call."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(package in frame.filename for package in _NOT_THE_USERS)
    ]
    own = [frame for frame in frames if not _is_library(frame.filename)] or frames  # a tool may be installed
    return f"{own[-1].filename}:{own[-1].lineno}" if own else "unknown"


def _is_library(filename: str) -> bool:
    return "site-packages" in filename or filename.startswith(_LIBRARIES)
