"""One attempt of a command in a sandbox: its heartbeats, its output, its result."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from strands.sandbox import ExecutionResult, StreamChunk
from temporalio import activity
from temporalio.client import AsyncActivityCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from .._errors import MissingExtraError, SandboxInterruptedError
from .._wire.extras import load_extra
from .._wire.model_call import MISSING_EXTRA
from .._wire.sandboxes import STARTED, SandboxCall, has_started, shown_output, too_large
from .._wire.sizes import LARGEST_PAYLOAD
from .._wire.values import decode, encode
from .client import worker_client
from .results import result_size
from .sandbox_output import LARGEST_OUTPUT, Listener, Output
from .tool_calls import ToolProgress, forward_to, progress_sinks


class Attempt:
    """One attempt of a command. Its heartbeats tell later attempts that it has started the command."""

    def __init__(self, call: SandboxCall) -> None:
        self._call = call
        self._output: Output | None = None
        self._started = has_started(activity.info().heartbeat_details)
        self._beat_at = 0.0

    def check(self, identity: str) -> None:
        """Refuse to rerun a command that an earlier attempt has started.

        Raises:
            SandboxInterruptedError: If there is such an attempt, and the workflow did not ask for another.
        """
        if self._started and not self._call.rerun:
            raise SandboxInterruptedError(
                f"The command in sandbox {self._call.sandbox!r} was cut short: its worker died or shut down "
                "while it ran. It may have run in part. Look at what it has done before you run it again. "
                "TemporalSandbox(..., rerun_commands=True) runs such a command again"
            )

    async def start(self, output: Output) -> None:
        """Tell the server, by a heartbeat, that the command starts. Wait until the server has accepted it."""
        self._output, self._started = output, True
        handle = worker_client().get_async_activity_handle(task_token=activity.info().task_token)
        try:
            await handle.heartbeat(self._details())
        except AsyncActivityCancelledError:
            activity.heartbeat()  # makes temporalio cancel this activity too
            await asyncio.sleep(_CANCEL_SECONDS)
            raise
        except RPCError as error:
            self._started = False
            activity.heartbeat(self._details())
            raise ApplicationError(
                f"The command was not started, because the server did not take a heartbeat: {error}",
                type="SandboxCommandNotStarted",
            ) from error

    def heard(self, chunk: StreamChunk) -> None:
        """Send a heartbeat for new output, at most one a second."""
        now = asyncio.get_running_loop().time()
        if now - self._beat_at >= 1:
            self._beat_at = now
            activity.heartbeat(self._details())

    async def beat(self, seconds: float) -> None:
        """Send heartbeats forever."""
        while True:
            await asyncio.sleep(seconds)
            activity.heartbeat(self._details())

    def _details(self) -> dict[str, Any]:
        progress = {} if self._output is None else encode(self._output.progress())
        return {STARTED: self._started, **progress}


_CANCEL_SECONDS = 30.0  # bounds the wait for a cancellation that the server has announced


async def result_of(stream: AsyncGenerator[Any, None], output: Output) -> ExecutionResult:
    """Consume the stream of a command, and return its last event."""
    try:
        async for event in stream:
            if isinstance(event, ExecutionResult):
                return event
            output.add(event)
            if output.size > LARGEST_OUTPUT:
                raise _too_much(output, None)
    finally:
        if hasattr(stream, "aclose"):  # ends the process
            await stream.aclose()
    raise RuntimeError("execute_streaming() did not yield an ExecutionResult")


async def checked_outcome(call: SandboxCall, output: Output, result: ExecutionResult) -> dict[str, Any]:
    outcome = output.outcome(result)
    wire = outcome.to_wire()
    if await result_size(wire) > LARGEST_PAYLOAD:
        raise _too_much(output, outcome.exit_code)
    return wire


def _too_much(output: Output, exit_code: int | None) -> ApplicationError:
    output.end()
    sizes = " and ".join(f"{size:,} characters to {name}" for name, size in output.sizes.items() if size)
    how = "was ended" if exit_code is None else f"ended with exit code {exit_code}"
    shown = {name: shown_output(output.text_of(name)) for name in ("stdout", "stderr")}
    ends = "".join(f"\nThe end of its {name}:\n{text[-_SHOWN_END:]}" for name, text in shown.items() if text)
    return too_large(
        f"The command {how} and wrote {sizes}, which is too large for Temporal's history "
        f"({LARGEST_PAYLOAD:,} bytes). Write the output to a file and read a part of it: "
        f"`command > out.txt 2>&1; tail -n 100 out.txt`.{ends}",
        exit_code=exit_code,
        **shown,
    )


_SHOWN_END = 2000  # characters of an output's end in a message


def options_of(call: SandboxCall, secrets: Mapping[str, str]) -> dict[str, Any]:
    plain: dict[str, str] | None = decode(call.env)
    env = {**(plain or {}), **secrets} if plain is not None or secrets else None
    return {"timeout": call.timeout, "cwd": decode(call.cwd), "env": env, **decode(call.more)}


@contextlib.asynccontextmanager
async def listeners_of(call: SandboxCall) -> AsyncGenerator[Sequence[Listener]]:
    """Yield the functions that get the output as it arrives: for `forward_progress`, and for a stream."""
    sinks, number = progress_sinks(), 0
    info = activity.info()
    name, tool_use_id = call.tool or (info.activity_type, "")

    def report(chunk: StreamChunk) -> None:
        nonlocal number
        value = {"sandbox": call.sandbox, "stream": chunk.stream_type, "text": chunk.data}
        forward_to(sinks, ToolProgress(tool_use_id, name, value, info.attempt, number))
        number += 1

    own = [report] if sinks else []
    if not call.topic:
        yield own
        return
    try:
        plugin = load_extra("streaming", f"TemporalSandbox(streaming_topic={call.topic!r})")
    except MissingExtraError as error:
        raise ApplicationError(str(error), type=MISSING_EXTRA, non_retryable=True) from error
    interval = timedelta(milliseconds=call.batch_ms)
    async with plugin.sandbox_output(call.topic, interval, call.sandbox, name, tool_use_id) as publish:
        yield [*own, lambda chunk: publish(chunk.stream_type, chunk.data)]
