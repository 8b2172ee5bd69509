"""The activities of a `TemporalSandbox`. Each must find the sandbox with the identity that the run uses."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from .._upstream.run_local import run_local
from .._wire.sandboxes import CLOSE_SANDBOX, OPEN_SANDBOX, SandboxCall, from_sandbox_failure, has_started
from .._wire.tool_call import TOOL_HEARTBEAT_TIMEOUT
from .current_tool import current_tool
from .handles import operate
from .options import TOOL_RETRIES, ActivityOptions
from .sandbox_identities import Identities

SANDBOX_DEFAULTS: ActivityOptions = {
    # A file may come over a slow line, and the first operation may start a container.
    "start_to_close_timeout": timedelta(minutes=10),
    "heartbeat_timeout": TOOL_HEARTBEAT_TIMEOUT,
    "retry_policy": TOOL_RETRIES,
}


async def run_operation(
    options: ActivityOptions, activity: str, call: SandboxCall, own: ActivityOptions | None = None
) -> Any:
    """Run an operation of a sandbox, and return its result.

    Args:
        options: The handle's activity options.
        activity: Name of the operation's activity.
        call: Its arguments.
        own: Activity options of this operation, before those of the handle.
    """

    async def ask() -> str:
        return await _execute(options, OPEN_SANDBOX, SandboxCall(call.sandbox, call.first_run_id))

    identity = await run_local(Identities).of(_key(call.sandbox, options), ask)
    return await _execute({**options, **(own or {})}, activity, replace(call, identity=identity))


async def close_sandbox(name: str, options: ActivityOptions, call: Callable[[str], SandboxCall]) -> None:
    """End a sandbox, if the run has used it. The next operation begins a new one.

    Args:
        name: Name of the sandbox.
        options: The handle's activity options.
        call: Returns the activity's arguments for the sandbox's identity.
    """
    identities = run_local(Identities)
    key = _key(name, options)
    identity = identities.known.get(key)
    if identity is None:
        return
    await _execute(options, CLOSE_SANDBOX, call(identity))
    identities.known.pop(key, None)


async def _execute(options: ActivityOptions, activity: str, call: SandboxCall) -> Any:
    tool = current_tool()

    def may_restart(details: Sequence[Any]) -> bool:
        return call.rerun or not has_started(details)

    return await operate(
        activity,
        call.to_wire(),
        options,
        summary=(call.sandbox, tool.name if tool else None),
        restore=from_sandbox_failure,
        cancel_signal=tool.cancel_signal if tool else None,
        may_restart=may_restart,
    )


def _key(name: str, options: ActivityOptions) -> tuple[str, str]:
    return name, options.get("task_queue") or ""
