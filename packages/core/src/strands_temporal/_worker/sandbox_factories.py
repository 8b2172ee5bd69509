"""The factories of sandboxes that users give to a plugin, and the identities of their sandboxes."""

import asyncio
import contextlib
import hashlib
import inspect
import os
import secrets
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from strands.sandbox import Sandbox

from .factories import in_thread
from .kept import opened


@dataclass(frozen=True)
class SandboxChain:
    """The workflow that a sandbox serves, with all its runs: continued as new, retried, reset.

    Attributes:
        workflow_id: The workflow's id.
        first_run_id: Id of the first run of the chain. With the workflow's id it identifies the chain.
        run_id: Id of the run that asks.
        identity: Identity of the sandbox that the chain used before, for a factory that can find it again; ""
            if the chain used none.
    """

    workflow_id: str
    first_run_id: str
    run_id: str
    identity: str = ""


class SandboxFactory:
    """A factory of sandboxes for `StrandsPlugin(sandboxes=...)`, with options.

    Args:
        make: Returns a `strands.Sandbox`, an awaitable of one, or an async context manager of one. If it
            takes an argument, it gets a `SandboxChain`, and each chain of runs gets a sandbox of its own.
            Otherwise the worker has one sandbox for all workflows.
        idle_timeout: How long a sandbox may be unused before the worker ends it. None keeps it until its
            chain of runs ends, or the worker does.
        identity: Identity of a sandbox that outlives the worker: a string, or a function that returns the
            string for a sandbox. Two sandboxes with the same identity have the same files. Without it the
            sandbox is lost with the worker, except for Strands' own classes from a plain factory: there the
            identity is the SSH host, or the machine of the worker.

    Raises:
        TypeError: If `make` cannot be called, or an option has a wrong type.
        ValueError: If `idle_timeout` is not positive, or `identity` is empty.
    """

    def __init__(
        self,
        make: Callable[..., Any],
        *,
        idle_timeout: timedelta | None = None,
        identity: str | Callable[[Any], str | Awaitable[str]] | None = None,
    ) -> None:
        _check(make, idle_timeout, identity)
        self.make = make
        self.idle_timeout = idle_timeout
        self.identity: str | Callable[[Any], str | Awaitable[str]] | None = identity
        self.per_chain: bool = _takes_argument(make)
        self.always_new: bool = False
        """Whether a sandbox that this factory makes is known to be a new one each time."""

    @contextlib.asynccontextmanager
    async def made(self, chain: SandboxChain) -> AsyncGenerator[tuple[Sandbox, str]]:
        """Make a sandbox on entry, and end it on exit. Yields the sandbox and its identity."""
        # In a thread: it may start a container, for a minute.
        call = in_thread("factory of sandboxes", self.make, *((chain,) if self.per_chain else ()))
        async with opened(await asyncio.wrap_future(call)) as (made, managed):
            if not isinstance(made, Sandbox):
                raise TypeError(f"it returned {made!r}, not a strands.Sandbox")
            yield made, await self._identity_of(made, managed)

    async def _identity_of(self, sandbox: Sandbox, managed: bool) -> str:
        if isinstance(self.identity, str):
            return self.identity
        if self.identity is not None:
            told: Any = self.identity(sandbox)
            identity = await told if inspect.isawaitable(told) else told
            if not (isinstance(identity, str) and identity):
                raise TypeError(f"identity= returned {identity!r}, not a string")
            return identity
        place = None if managed else _place_of(sandbox)
        self.always_new = place is None
        return place or f"{type(sandbox).__name__} {secrets.token_hex(8)}"


def _check(make: object, idle_timeout: object, identity: object) -> None:
    if not callable(make):
        raise TypeError(f"SandboxFactory: {make!r} cannot be called. Give `lambda: SomeSandbox(...)`")
    if idle_timeout is not None and not isinstance(idle_timeout, timedelta):
        raise TypeError(f"SandboxFactory: idle_timeout={idle_timeout!r} is not a timedelta")
    if idle_timeout is not None and idle_timeout <= timedelta(0):
        raise ValueError(f"SandboxFactory: idle_timeout={idle_timeout!r} is not positive")
    if identity is not None and not isinstance(identity, str) and not callable(identity):
        raise TypeError(f"SandboxFactory: identity={identity!r} is neither a string nor a function")
    if identity == "":
        raise ValueError("SandboxFactory: identity is empty. Leave it out")


def _takes_argument(make: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):  # a class without a signature
        return False
    return any(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and parameter.default is parameter.empty
        for parameter in parameters
    ) or any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)


def _place_of(sandbox: Sandbox) -> str | None:
    """Return where one of Strands' own sandboxes has its files; None for any other class."""
    kind: Any = type(sandbox)
    if kind.__module__ == "strands.sandbox.ssh":
        ssh = cast("Any", sandbox)
        return f"ssh {ssh.host} {ssh.working_dir}"
    if kind.__module__ == "strands.sandbox.docker":
        daemon = os.environ.get("DOCKER_HOST") or _machine()
        return f"docker {cast('Any', sandbox).container} {daemon}"
    if kind.__module__ == "strands.sandbox.not_a_sandbox_local_environment":
        return f"local {_machine()}"
    return None


def _machine() -> str:
    """Return a string that identifies the file system of this machine or container."""
    try:
        machine_id = Path("/etc/machine-id").read_text()
    except OSError:
        machine_id = ""
    known = f"{socket.gethostname()} {machine_id} {Path('/').stat().st_dev}"
    return hashlib.sha256(known.encode()).hexdigest()[:16]
