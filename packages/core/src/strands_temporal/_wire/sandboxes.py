"""The types of a sandbox's operations, their activity types, and the failures of a sandbox."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from strands.sandbox import ExecutionResult, FileInfo, OutputFile, StreamChunk
from strands.sandbox.errors import SandboxPathNotFoundError, SandboxTimeoutError
from temporalio.exceptions import ActivityError, ApplicationError

from .._errors import (
    SandboxInterruptedError,
    SandboxLostError,
    SandboxNotRegisteredError,
    SandboxTooLargeError,
)
from .failure_sizes import text_of
from .reading import read_as, reading
from .tool_failures import from_tool_failure, tool_failure
from .values import decode, encode, set_fields

OPEN_SANDBOX = "open_sandbox"
CLOSE_SANDBOX = "close_sandbox"
EXECUTE = "sandbox_execute"
EXECUTE_CODE = "sandbox_execute_code"
READ_FILE = "sandbox_read_file"
WRITE_FILE = "sandbox_write_file"
REMOVE_FILE = "sandbox_remove_file"
LIST_FILES = "sandbox_list_files"

SANDBOX_ACTIVITIES = frozenset(
    {OPEN_SANDBOX, CLOSE_SANDBOX, EXECUTE, EXECUTE_CODE, READ_FILE, WRITE_FILE, REMOVE_FILE, LIST_FILES}
)
"""Activity types of the operations of sandboxes."""

SANDBOX_VERSION = 1
"""Version of the layout of `SandboxCall`. It increases when a field changes its meaning."""

SANDBOX_HEADER = "strands-temporal-sandboxes"
"""Header by which a run tells the next run which sandboxes it used: a JSON list of lists of a name, a task
queue and an identity."""

SANDBOX_FACTORY_FAILED = "SandboxFactoryFailed"

LARGEST_FILE = 32 * 1024 * 1024
"""Bytes of a file that a workflow may try to write. A larger file is refused without measuring its payload,
which could take longer than a workflow task may. Never change this number: with another one, a replay would
write what the run refused."""

SHOWN_OUTPUT = 16_000
"""Characters of each output that a failure shows, half from its beginning and half from its end."""


STARTED = "started"
"""Key in the heartbeat details of a command: whether an attempt has started it."""


def has_started(details: Sequence[Any]) -> bool:
    """Tell by the heartbeat details of an activity whether one of its attempts has started the command."""
    last: Any = details[0] if details else None
    return isinstance(last, dict) and bool(cast("dict[str, Any]", last).get(STARTED))


@dataclass(frozen=True)
class SandboxCall:
    """One operation of a sandbox.

    Bytes, and texts that may not be UTF-8, are encoded (see `values.py`).

    Attributes:
        sandbox: Name in `StrandsPlugin(sandboxes=...)`.
        first_run_id: Id of the first run of the workflow's chain.
        identity: Identity of the sandbox that the chain uses; "" before the first operation.
        command: Shell command, or source code.
        language: Interpreter of the source code.
        timeout: Seconds that the command may take; None for any time.
        cwd: Working directory.
        env: Environment variables; None if the caller gave none.
        secrets: Names of secrets by environment variable.
        rerun: Whether an attempt may rerun a command that an earlier attempt has started.
        path: Path of a file or directory.
        content: Content of a file to write.
        more: Further arguments, for which this release has no field.
        topic: Topic of the workflow's stream that gets the output; "" for none.
        batch_ms: Milliseconds between two batches to that topic.
        tool: Name and id of the tool call that runs the operation, if there is one.
        version: Layout of this value.
    """

    sandbox: str
    first_run_id: str = ""
    identity: str = ""
    command: Any = None
    language: Any = None
    timeout: float | None = None
    cwd: Any = None
    env: dict[str, Any] | None = None
    secrets: dict[str, str] = field(default_factory=dict[str, str])
    rerun: bool = False
    path: Any = None
    content: Any = None
    more: dict[str, Any] = field(default_factory=dict[str, Any])
    topic: str = ""
    batch_ms: int = 0
    tool: list[str] = field(default_factory=list[str])
    version: int = SANDBOX_VERSION

    def to_wire(self) -> dict[str, Any]:
        """Return the dict to send to the worker, with the fields that are set."""
        return set_fields(self)

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "SandboxCall":
        """Return the call that was sent as `wire`."""
        return read_as(cls, wire)


@dataclass(frozen=True)
class ExecutionOutcome:
    """A command's result, with its output in the order in which it arrived.

    Attributes:
        exit_code: The command's exit code.
        chunks: The output: lists of "stdout" or "stderr" and a string, encoded. Adjacent chunks of one stream
            are merged.
        stdout: Standard output of the result, if it differs from the text of the "stdout" chunks.
        stderr: Standard error of the result, if it differs from the text of the "stderr" chunks.
        files: Files that the command produced: lists of name, content and MIME type, encoded.
    """

    exit_code: int = 0
    chunks: list[list[Any]] = field(default_factory=list[list[Any]])
    stdout: Any = None
    stderr: Any = None
    files: list[list[Any]] = field(default_factory=list[list[Any]])

    @classmethod
    def of(cls, chunks: list[StreamChunk], result: ExecutionResult) -> "ExecutionOutcome":
        """Return the outcome of a command.

        Args:
            chunks: The output.
            result: The sandbox's result.
        """
        merged: list[list[Any]] = []
        for chunk in chunks:
            if merged and merged[-1][0] == chunk.stream_type:
                merged[-1][1].append(chunk.data)
            else:
                merged.append([chunk.stream_type, [chunk.data]])
        texts = [[stream, "".join(parts)] for stream, parts in merged]
        joined = {name: _joined(texts, name) for name in ("stdout", "stderr")}
        return cls(
            result.exit_code,
            [[stream, encode(text)] for stream, text in texts],
            None if result.stdout == joined["stdout"] else encode(result.stdout),
            None if result.stderr == joined["stderr"] else encode(result.stderr),
            [[encode(file.name), encode(file.content), file.mime_type] for file in result.output_files],
        )

    def to_wire(self) -> dict[str, Any]:
        """Return the dict to send to the workflow."""
        return set_fields(self)

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "ExecutionOutcome":
        """Return the outcome that was sent as `wire`."""
        return read_as(cls, wire)

    def restored(self) -> tuple[list[StreamChunk], ExecutionResult]:
        """Return the output and the result, as Strands' sandboxes give them.

        Raises:
            AgentValueError: If they are damaged.
        """
        with reading("A command's output"):
            texts = [[stream, decode(text)] for stream, text in self.chunks]
            stdout = _joined(texts, "stdout") if self.stdout is None else decode(self.stdout)
            stderr = _joined(texts, "stderr") if self.stderr is None else decode(self.stderr)
            files = [OutputFile(decode(name), decode(content), kind) for name, content, kind in self.files]
        return (
            [StreamChunk(text, stream) for stream, text in texts],
            ExecutionResult(self.exit_code, stdout, stderr, files),
        )


def _joined(texts: list[list[Any]], name: str) -> str:
    return "".join(text for stream, text in texts if stream == name)


def listing_to_wire(files: list[FileInfo]) -> list[list[Any]]:
    """Return the entries of a directory, each as a list: name, whether it is a directory, size."""
    return [[encode(file.name), file.is_dir, file.size] for file in files]


def listing_from_wire(wire: list[list[Any]]) -> list[FileInfo]:
    """Return the entries that `listing_to_wire` wrote.

    Raises:
        AgentValueError: If they are damaged.
    """
    with reading("A sandbox's list of files"):
        return [FileInfo(decode(name), is_dir, size) for name, is_dir, size in wire]


_DETAILS = "strands_sandbox_error"
"""Key in the details of a failure. Its value has the arguments of the exception's class."""

_OWN = {
    cls.failure_type: cls
    for cls in (SandboxLostError, SandboxInterruptedError, SandboxNotRegisteredError, SandboxTooLargeError)
}


def sandbox_failure(error: Exception, *, retryable: bool, hide: Callable[[str], str]) -> ApplicationError:
    """Return the failure that an activity sends for an exception of a sandbox.

    Args:
        error: The exception. An `ApplicationError` is returned as it is.
        retryable: Whether another attempt may help.
        hide: Replaces the values of secrets in a string.
    """
    if isinstance(error, ApplicationError):
        return error
    text, details = hide(text_of(error)), _arguments(error, hide)
    if details is None and (failure := tool_failure(error)) is not None:
        return ApplicationError(
            hide(failure.message), *failure.details, type=failure.type, non_retryable=not retryable
        )
    own = () if details is None else ({_DETAILS: details},)
    return ApplicationError(text, *own, type=type(error).__name__, non_retryable=not retryable)


def too_large(message: str, **shown: Any) -> ApplicationError:
    """Return the failure from which the workflow restores a `SandboxTooLargeError`.

    Args:
        message: The error's message.
        **shown: Its further arguments.
    """
    failure_type = SandboxTooLargeError.failure_type
    return ApplicationError(message, {_DETAILS: encode(shown)}, type=failure_type, non_retryable=True)


def from_sandbox_failure(error: ActivityError) -> Exception:
    """Return the exception of a sandbox that an activity sent as a failure. Runs in the workflow."""
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return from_tool_failure(error)
    details: Any = cause.details[0] if cause.details else None
    found: Any = details.get(_DETAILS) if isinstance(details, dict) else None  # pyright: ignore[reportUnknownMemberType]
    with reading("A sandbox's failure"):
        restored = _from_failure(cause, found)
    if restored is None:
        return from_tool_failure(error)
    restored.__cause__ = error
    return restored


def _from_failure(cause: ApplicationError, found: Any) -> Exception | None:
    """Return the exception of a failure with these details; None for a failure of another kind."""
    own = _OWN.get(cause.type or "")
    if own is SandboxTooLargeError:
        return SandboxTooLargeError(cause.message, **decode(found or {}))
    if own is not None:
        return own(cause.message)
    return None if found is None else _restored(cause, decode(found))


def _arguments(error: Exception, hide: Callable[[str], str]) -> dict[str, Any] | None:
    """Return the values from which the workflow rebuilds an exception; None if its class needs none."""
    if isinstance(error, SandboxTimeoutError):
        shown = {name: shown_output(hide(getattr(error, name) or "")) for name in ("stdout", "stderr")}
        return {"kind": "timeout", **encode(shown)}
    if isinstance(error, SandboxPathNotFoundError):
        return {"kind": "path"}
    if (
        isinstance(error, OSError)
        and error.errno is not None
        and type(error) is type(OSError(error.errno, ""))
    ):
        names = [None if name is None else hide(str(name)) for name in (error.filename, error.filename2)]
        return encode({"kind": "os", "args": [error.errno, hide(str(error.strerror)), names[0], names[1]]})
    return None


def _restored(failure: ApplicationError, details: dict[str, Any]) -> Exception:
    if details["kind"] == "timeout":
        timeout = SandboxTimeoutError(None, details["stdout"], details["stderr"])
        timeout.args = (failure.message,)
        return timeout
    if details["kind"] == "path":
        missing = SandboxPathNotFoundError("")
        missing.args = (failure.message,)
        return missing
    number, text, name, other = cast("list[Any]", details["args"])
    if other is not None:
        return OSError(number, text, name, None, other)
    return OSError(number, text) if name is None else OSError(number, text, name)


def shown_output(text: str) -> str:
    """Return an output, or its beginning and end with a note if it is longer than `SHOWN_OUTPUT`."""
    if len(text) <= SHOWN_OUTPUT:
        return text
    half = SHOWN_OUTPUT // 2
    return f"{text[:half]}\n... ({len(text) - SHOWN_OUTPUT:,} characters left out) ...\n{text[-half:]}"
