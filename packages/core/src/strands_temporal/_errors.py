"""Errors that users catch.

    ApplicationError (temporalio)           ends a workflow, wherever it is raised
    ├── AgentValueError (also ValueError)       a wrong value in an agent's construction or call
    │   ├── SandboxNotRegisteredError           no sandbox of that name on the worker
    │   ├── UnknownAgentError                   no agent of that name in StrandsPlugin(agents=...)
    │   └── PayloadTooLargeError                a workflow was about to send more than the server accepts
    │       ├── CarryTooLargeError              a conversation too large for the next run
    │       └── ModelCallTooLargeError          a model call
    ├── AgentTypeError (also TypeError)         a wrong type, or an unknown option
    ├── SnapshotsDisabledError (also NotImplementedError)
    ├── SynchronousCallError (also RuntimeError)
    ├── ActivityNotRegisteredError              no worker that got an activity's task has the activity
    ├── AgentCancelledError                     an activity ended because the agent was cancelled
    ├── ConversationError                       a conversation does not answer a message
    │   ├── ConversationBusyError                   a turn runs, and while_busy="reject"
    │   ├── ConversationFullError                   too many messages wait for their turns
    │   ├── ConversationClosedError                 it has ended, or is about to
    │   ├── TurnLimitReachedError                   it has had its turns (max_turns)
    │   ├── TokenBudgetExceededError                it has used its tokens (max_tokens)
    │   └── TurnHandedOverError                     the next run answers: send again with the same id
    ├── SandboxLostError (also OSError)         a workflow's sandbox is gone, with its files
    ├── SandboxInterruptedError (also OSError)  a command was cut short, for example by its worker's death
    ├── SandboxTooLargeError (also OSError)     an output or a file of a sandbox does not fit into history
    └── SteeringJudgeError                      a judge gave no decision

    ImportError
    ├── MissingExtraError                       an extra of strands-temporal is not installed
    └── UnloadableModuleError                   a workflow's file imports what the sandbox cannot load

    RuntimeError
    ├── MissingPluginError                      a worker runs workflows with agents, and has no StrandsPlugin
    ├── SlowToolError                           a tool took too long inside the workflow
    ├── ClientToolError                         a client's function failed, refused, or gave no result in time
    ├── ClientToolRefusedError                  raised by a function of `ClientTools` to refuse a call
    └── ClientToolsUnreachableError             `ClientTools` cannot ask the workflow for its calls

Strands' own exceptions are not in this tree. An activity sends such an exception as an `ApplicationError`
whose type is the exception's class name, and the workflow restores the original exception
(`_wire/failures.py`).

Agents are often built in a workflow's `__init__`, which no interceptor surrounds. An ordinary ValueError
there would make Temporal retry the workflow task forever, so our errors are Temporal failures as well. Errors
that only another worker can fix (a missing plugin, a missing extra) fail the workflow task, and the run waits
for that worker. An activity that a worker lacks is retried by the activity's own policy, and then ends the
run.

A message that a newcomer is likely to meet ends with a code and the place of its explanation:
"[ST101: docs/messages.md#st101]".
"""

from collections.abc import Iterable
from typing import ClassVar

from temporalio.exceptions import ApplicationError
from typing_extensions import override

PAYLOAD_TOO_LARGE = "PayloadTooLarge"
MODEL_CALL_TOO_LARGE = "ModelCallTooLarge"


def coded(code: str, message: str) -> str:
    """Append a code to a message. docs/messages.md explains each code, and a code never changes."""
    return f"{message} [{code}: docs/messages.md#{code.lower()}]"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the known name that is most like `name`, after a space; "" if none is."""
    import difflib  # only errors need it

    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


class _AgentError(ApplicationError):
    """A failure that ends the workflow at once. `str()` returns its message alone."""

    failure_type: ClassVar[str]
    """The failure's type, as a client sees it."""

    def __init__(self, message: str) -> None:
        ApplicationError.__init__(self, message, type=self.failure_type, non_retryable=True)

    @override
    def __str__(self) -> str:
        return self.message


class AgentValueError(_AgentError, ValueError):
    """An agent, a model or a tool of this package got a wrong value. Ends the workflow at once."""

    failure_type: ClassVar[str] = "AgentValueError"


class AgentTypeError(_AgentError, TypeError):
    """An agent, a model or a tool of this package got a value of a wrong type, or an unknown option.

    Ends the workflow at once.
    """

    failure_type: ClassVar[str] = "AgentTypeError"


class SnapshotsDisabledError(_AgentError, NotImplementedError):
    """`take_snapshot()` or `load_snapshot()` was called: the workflow's history already keeps the state."""

    failure_type: ClassVar[str] = "NotImplementedError"


class SynchronousCallError(_AgentError, RuntimeError):
    """An agent was called as `agent(...)`, which needs a thread. Use `await agent.invoke_async(...)`."""

    failure_type: ClassVar[str] = "SynchronousCallError"


class PayloadTooLargeError(AgentValueError):
    """A workflow was about to send a value that is larger than Temporal accepts. Nothing was sent."""

    failure_type: ClassVar[str] = PAYLOAD_TOO_LARGE


class ModelCallTooLargeError(PayloadTooLargeError):
    """A model call is larger than Temporal accepts. Raised before the server would end the workflow."""

    failure_type: ClassVar[str] = MODEL_CALL_TOO_LARGE


class CarryTooLargeError(PayloadTooLargeError):
    """The conversation is too large for the next run's input.

    Raised before the server would end the workflow.
    """

    failure_type: ClassVar[str] = "CarryTooLarge"


class ActivityNotRegisteredError(_AgentError):
    """The worker that got an activity's task does not have the activity. Ends the workflow.

    The message names the activity, its task queue and what the worker has.
    """

    failure_type: ClassVar[str] = "ActivityNotRegisteredError"


class AgentCancelledError(_AgentError):
    """An activity ended, or was not started, because the agent's cancel signal was set.

    A tool turns this error into a failed result. Strands then ends the invocation as cancelled.
    """

    failure_type: ClassVar[str] = "AgentCancelledError"

    def __init__(self) -> None:
        # Strands' text (1.62: event_loop.py:916) for a tool that did not run because of a cancellation.
        super().__init__("Tool execution cancelled")


class SandboxNotRegisteredError(AgentValueError):
    """The worker does not know the name of a sandbox or a secret that a workflow uses. Ends the workflow."""

    failure_type: ClassVar[str] = "SandboxNotRegisteredError"


class SandboxLostError(_AgentError, OSError):
    """The sandbox that a workflow used before is gone, or is out of this worker's reach, with its files.

    Each later operation raises it too. `await sandbox.close()` lets the workflow begin with a new sandbox.
    """

    failure_type: ClassVar[str] = "SandboxLostError"


class SandboxInterruptedError(_AgentError, OSError):
    """A command in a sandbox was cut short: its worker died or shut down. It may have run in part."""

    failure_type: ClassVar[str] = "SandboxInterruptedError"


class SandboxTooLargeError(_AgentError, OSError):
    """The output of a command, a file or a listing is too large for Temporal's history.

    Attributes:
        exit_code: Exit code of the command; None for a file, or if the command was ended early.
        stdout: Beginning and end of the command's standard output.
        stderr: The same for standard error.
    """

    failure_type: ClassVar[str] = "SandboxTooLargeError"

    def __init__(
        self, message: str, exit_code: int | None = None, stdout: str = "", stderr: str = ""
    ) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr


class UnknownAgentError(AgentValueError):
    """`StrandsPlugin(agents=...)` on the worker has no agent of the name in `ConversationStart`."""

    failure_type: ClassVar[str] = "UnknownAgentError"


class ConversationError(_AgentError):
    """A conversation does not answer a message. The conversation itself goes on, or has ended as planned."""

    failure_type: ClassVar[str] = "ConversationError"


class ConversationBusyError(ConversationError):
    """A turn runs, and the conversation takes no further message meanwhile (`while_busy="reject"`)."""

    failure_type: ClassVar[str] = "ConversationBusyError"


class ConversationFullError(ConversationError):
    """Too many messages wait for their turns, or they have too many bytes. Send again when some had theirs.

    All of them go into the input of the workflow's next run, whose size is limited.
    """

    failure_type: ClassVar[str] = "ConversationFullError"


class ConversationClosedError(ConversationError):
    """The conversation has ended, or takes no more messages because it is about to end."""

    failure_type: ClassVar[str] = "ConversationClosedError"


class TurnLimitReachedError(ConversationError):
    """The conversation has had all its turns (`max_turns`)."""

    failure_type: ClassVar[str] = "TurnLimitReachedError"


class TokenBudgetExceededError(ConversationError):
    """The conversation has used all its tokens (`max_tokens`), sub-agents included."""

    failure_type: ClassVar[str] = "TokenBudgetExceededError"


class TurnHandedOverError(ConversationError):
    """The workflow continues as new, and its next run answers. Send again with the same update id.

    `ConversationClient` does so by itself.
    """

    failure_type: ClassVar[str] = "TurnHandedOverError"


class SteeringJudgeError(_AgentError):
    """A steering judge gave no decision on a tool call. The call does not run, and the workflow ends."""

    failure_type: ClassVar[str] = "SteeringJudgeError"


class MissingPluginError(RuntimeError):
    """A worker has a workflow with agents and no `StrandsPlugin`.

    A Worker that cannot load the workflow's file does not start. In a run, this error fails the workflow
    task, and the run waits for a worker that has the plugin.
    """

    def __init__(self, what: str) -> None:
        super().__init__(
            coded(
                "ST101",
                f"{what} uses strands_temporal, and this worker has no StrandsPlugin. Add it to the Client "
                "or to the Worker: plugins=[StrandsPlugin(models={'name': lambda: SomeModel(...)})]",
            )
        )


class MissingExtraError(ImportError):
    """The code uses a feature whose package is not installed."""


class UnloadableModuleError(ImportError):
    """A workflow's file imports a module that the workflow sandbox cannot load; `name` is the module."""


class SlowToolError(RuntimeError):
    """A tool takes too long to run inside a workflow."""

    def __init__(self) -> None:
        super().__init__(
            "The tool took too long inside the workflow, where Temporal allows two seconds. Ask "
            "it for less, or run it on a worker: activity_as_tool, or StrandsPlugin(tools=...) with "
            "TemporalTools"
        )


class ClientToolError(RuntimeError):
    """A client tool has no result: the client's function failed or refused, or nobody ran it in time.

    `AfterToolCallEvent.exception` has it.
    """


class ClientToolRefusedError(RuntimeError):
    """Raise it in a function of `ClientTools` to refuse the call. The model reads the text."""


class ClientToolsUnreachableError(RuntimeError):
    """`ClientTools` cannot ask the workflow for its calls: the message says why."""
