"""`TemporalSandbox`: a Strands `Sandbox` in the workflow whose operations are activities."""

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any, cast

from strands import Sandbox
from strands.sandbox import ExecutionResult, FileInfo, StreamChunk
from temporalio import workflow
from typing_extensions import Unpack, override

from .._errors import AgentTypeError, PayloadTooLargeError
from .._wire.sandboxes import (
    EXECUTE,
    EXECUTE_CODE,
    LARGEST_FILE,
    LIST_FILES,
    READ_FILE,
    REMOVE_FILE,
    WRITE_FILE,
    ExecutionOutcome,
    SandboxCall,
    listing_from_wire,
)
from .._wire.values import decode, encode, is_json
from .current_tool import current_tool
from .handles import handle_options
from .model import TemporalModel
from .model_checks import check_streaming, check_use
from .options import STREAMING_BATCH_INTERVAL, ActivityOptions
from .sandbox_arguments import SecretRef, checked_env, checked_timeout, time_for
from .sandbox_operations import SANDBOX_DEFAULTS, close_sandbox, run_operation


class TemporalSandbox(Sandbox):
    """A handle of a sandbox that runs on the worker, for agents in a workflow. Each operation is an activity.

    Give it to a `TemporalAgent` or a plain `strands.Agent` in `sandbox=`, to `make_shell(sandbox=...)` and
    the like, or call its methods. Errors are the sandbox's own: `SandboxTimeoutError`,
    `SandboxPathNotFoundError`, `FileNotFoundError`, and so on. Output reaches the workflow when the command
    has ended. Its counterpart on the worker is `StrandsPlugin(sandboxes={name: factory})`.

    The first operation of a chain of runs asks the worker for the sandbox's identity. Each later operation
    must find the sandbox with this identity.

    Args:
        name: Name in `StrandsPlugin(sandboxes=...)`.
        env: Environment variables of every command. A value may be a `SecretRef`.
        rerun_commands: Whether a command runs again, from its start, if its worker ended while it ran. By
            default it raises a `SandboxInterruptedError`, because the command may have run in part.
        streaming_topic: Topic of the workflow's `WorkflowStream` that gets the output of commands as it
            arrives. By default that of the first `TemporalAgent` that gets this handle. Needs the extra
            `streaming`.
        streaming_batch_interval: Time between two batches to that topic.
        **options: Activity options of every operation: the keys of `temporalio.workflow.ActivityConfig`
            without `activity_id`. By default an operation on files may take 10 minutes; a command may take a
            minute longer than its own timeout, or a day without one. Each has a heartbeat timeout of 15
            seconds and is tried 3 times, but a command that has started is not retried.

    Raises:
        AgentTypeError: If an argument has a wrong type, or an option is unknown.
        AgentValueError: If the name is empty, or an option has a value that cannot work.
    """

    def __init__(
        self,
        name: str,
        *,
        env: Mapping[str, str | SecretRef] | None = None,
        rerun_commands: bool = False,
        streaming_topic: str | None = None,
        streaming_batch_interval: timedelta = STREAMING_BATCH_INTERVAL,
        **options: Unpack[ActivityOptions],
    ) -> None:
        owner = f"TemporalSandbox({name!r})"
        self.options: ActivityOptions = handle_options(
            "TemporalSandbox", name, "StrandsPlugin(sandboxes=...)", SANDBOX_DEFAULTS, options
        )
        if not isinstance(rerun_commands, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # a user's value
            raise AgentTypeError(f"{owner}: rerun_commands={rerun_commands!r} is not a bool")
        check_streaming(owner, streaming_topic, streaming_batch_interval, options.get("task_queue"))
        self.name = name
        self.env: dict[str, str | SecretRef] = dict(checked_env(owner, env) or {})
        self.rerun_commands = rerun_commands
        self.streaming_topic = streaming_topic
        self.streaming_batch_interval = streaming_batch_interval
        self._given = frozenset(name for name, value in options.items() if value is not None)

    def __repr__(self) -> str:
        return f"TemporalSandbox({self.name!r})"

    @override
    async def execute_streaming(
        self,
        command: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str | SecretRef] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[StreamChunk | ExecutionResult, None]:
        """Run a shell command. When it has ended, yield its output in the order of arrival, then the result.

        Raises:
            SandboxTimeoutError: If the command took longer than `timeout` seconds.
            SandboxTooLargeError: If its output is too large for history.
            SandboxInterruptedError: If its worker died or shut down meanwhile.
            SandboxLostError: If the sandbox is no longer the one that the workflow used before.
            Exception: Whatever else the sandbox raised.
        """
        for event in await self._run(EXECUTE, command, None, timeout, cwd, env, kwargs):
            yield event

    @override
    async def execute_code_streaming(
        self,
        code: str,
        language: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str | SecretRef] | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[StreamChunk | ExecutionResult, None]:
        """Run source code with an interpreter, as `execute_streaming` runs a command."""
        for event in await self._run(EXECUTE_CODE, code, language, timeout, cwd, env, kwargs):
            yield event

    @override
    async def execute(
        self,
        command: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str | SecretRef] | None = None,
        **kwargs: Any,
    ) -> ExecutionResult:
        """Run a shell command and return its result. For the errors see `execute_streaming`."""
        return _result(await self._run(EXECUTE, command, None, timeout, cwd, env, kwargs))

    @override
    async def execute_code(
        self,
        code: str,
        language: str,
        *,
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str | SecretRef] | None = None,
        **kwargs: Any,
    ) -> ExecutionResult:
        """Run source code with an interpreter and return its result."""
        return _result(await self._run(EXECUTE_CODE, code, language, timeout, cwd, env, kwargs))

    @override
    async def read_file(self, path: str, **kwargs: Any) -> bytes:
        """Return a file's content.

        Raises:
            SandboxTooLargeError: If it is too large for history (2 MiB in base64).
            FileNotFoundError: If there is no such file.
        """
        return decode(await run_operation(self.options, READ_FILE, self._call(kwargs, path=encode(path))))

    @override
    async def write_file(self, path: str, content: bytes, **kwargs: Any) -> None:
        """Write a file.

        Raises:
            PayloadTooLargeError: If the content is too large for history (2 MiB in base64).
        """
        if len(content) > LARGEST_FILE:
            raise PayloadTooLargeError(
                f"{self!r}: the content of {path!r}, {len(content):,} bytes, is too large for Temporal. "
                f"{_BY_COMMAND}"
            )
        await run_operation(
            self.options, WRITE_FILE, self._call(kwargs, path=encode(path), content=encode(content))
        )

    @override
    async def remove_file(self, path: str, **kwargs: Any) -> None:
        """Remove a file."""
        await run_operation(self.options, REMOVE_FILE, self._call(kwargs, path=encode(path)))

    @override
    async def list_files(self, path: str, **kwargs: Any) -> list[FileInfo]:
        """List a directory.

        Raises:
            SandboxPathNotFoundError: If there is no such directory.
        """
        return listing_from_wire(
            await run_operation(self.options, LIST_FILES, self._call(kwargs, path=encode(path)))
        )

    async def close(self) -> None:
        """End the sandbox on its worker, if it is this workflow's own. The next operation begins a new one.

        Without this call the worker ends the sandbox soon after the workflow. After a `SandboxLostError` this
        call accepts the loss.
        """
        await close_sandbox(self.name, self.options, lambda identity: self._call({}, identity=identity))

    async def _run(
        self,
        activity: str,
        command: str,
        language: str | None,
        timeout: float | None,
        cwd: str | None,
        env: Mapping[str, str | SecretRef] | None,
        more: Mapping[str, Any],
    ) -> list[StreamChunk | ExecutionResult]:
        topic = self.streaming_topic
        check_use(repr(self), topic, "the sandbox")
        given = checked_env(repr(self), env)
        merged = None if given is None and not self.env else {**self.env, **(given or {})}
        tool = current_tool()
        call = self._call(
            more,
            command=encode(command),
            language=encode(language),
            timeout=checked_timeout(repr(self), timeout),
            cwd=encode(cwd),
            env=None if merged is None else {k: encode(v) for k, v in merged.items() if isinstance(v, str)},
            secrets={k: v.name for k, v in (merged or {}).items() if isinstance(v, SecretRef)},
            rerun=self.rerun_commands,
            topic=topic or "",
            batch_ms=self.streaming_batch_interval // timedelta(milliseconds=1) if topic else 0,
            tool=[tool.name, tool.tool_use_id] if tool else [],
        )
        own: ActivityOptions = {}
        if not self._given & {"start_to_close_timeout", "schedule_to_close_timeout"}:
            own = {"start_to_close_timeout": time_for(timeout)}
        wire = await run_operation(self.options, activity, call, own)
        chunks, result = ExecutionOutcome.from_wire(wire).restored()
        return [*chunks, result]

    def _call(self, more: Mapping[str, Any], **fields: Any) -> SandboxCall:
        check_use(repr(self), None, "the sandbox")
        for name, value in more.items():
            if not is_json(value):
                raise AgentTypeError(
                    f"{self!r}: {name}={value!r} cannot be sent to the worker, because it is not JSON"
                )
        return SandboxCall(
            self.name, workflow.info().first_execution_run_id, more=encode(dict(more)), **fields
        )


_BY_COMMAND = "Have a command in the sandbox make or fetch the file (curl, git, aws s3 cp)"


def stream_sandbox(sandbox: Sandbox, model: object) -> None:
    """Set the topic for a handle's output to that of the agent's model, if the handle has none."""
    if not isinstance(sandbox, TemporalSandbox) or not isinstance(model, TemporalModel):
        return
    if sandbox.streaming_topic is None:
        sandbox.streaming_topic = model.streaming_topic
        sandbox.streaming_batch_interval = model.streaming_batch_interval


def _result(events: list[StreamChunk | ExecutionResult]) -> ExecutionResult:
    return cast("ExecutionResult", events[-1])
