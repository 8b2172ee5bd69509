"""The activities behind the operations of sandboxes.

Sandboxes have names, as models do: `StrandsPlugin(sandboxes={name: factory})` on the worker,
`TemporalSandbox(name)` in the workflow.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from strands.sandbox import Sandbox
from strands.sandbox.errors import SandboxTimeoutError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from .._errors import SandboxNotRegisteredError
from .._wire.sandboxes import (
    CLOSE_SANDBOX,
    EXECUTE,
    EXECUTE_CODE,
    LIST_FILES,
    OPEN_SANDBOX,
    READ_FILE,
    REMOVE_FILE,
    SANDBOX_FACTORY_FAILED,
    SANDBOX_VERSION,
    WRITE_FILE,
    SandboxCall,
    listing_to_wire,
    sandbox_failure,
    too_large,
)
from .._wire.sizes import LARGEST_PAYLOAD
from .._wire.values import decode, encode
from .client import worker_client
from .factories import NamedFactories, checked_mapping
from .handles import operation
from .heartbeat import beat_forever
from .results import fits_unencoded, result_size
from .sandbox_commands import Attempt, checked_outcome, listeners_of, options_of, result_of
from .sandbox_factories import SandboxChain, SandboxFactory
from .sandbox_output import Hider, Output
from .sandbox_pool import SandboxPool
from .sandbox_secrets import SandboxSecrets, Secrets

_OPTION = "StrandsPlugin(sandboxes=...)"
_FINAL = (ValueError, TypeError, LookupError, NotImplementedError, OSError)
"""Exceptions with which a sandbox says that the operation cannot work. Another attempt would get the same."""

_PASSING = (ConnectionError, TimeoutError)
"""Exceptions in `_FINAL` that are retried after all, because the connection to the sandbox caused them."""


class HostedSandboxes:
    """The activities of the sandboxes of one plugin.

    Args:
        sandboxes: Factories by name. None means no sandboxes.
        secrets: The secrets that commands may use.

    Raises:
        TypeError: If `sandboxes` is not a mapping, a name is not a string, or a factory cannot be called.
        ValueError: If a name is empty, or there are secrets and no sandboxes.
    """

    def __init__(
        self,
        sandboxes: Mapping[str, Callable[..., Any] | SandboxFactory] | None,
        secrets: SandboxSecrets | None,
    ) -> None:
        self.given = dict(checked_mapping(_OPTION, sandboxes, "SomeSandbox(...)"))
        self._secrets = Secrets(secrets)
        if secrets is not None and not self.given:
            raise ValueError(
                "StrandsPlugin: sandbox_secrets= is for the commands in sandboxes=, and there are none. Give "
                "sandboxes={'name': lambda: SomeSandbox(...)}"
            )
        self._factories = NamedFactories[SandboxFactory](
            "sandbox",
            _OPTION,
            {name: _factory(given) for name, given in self.given.items()},
            SandboxFactory,
            SANDBOX_FACTORY_FAILED,
        )
        self._pool = SandboxPool()

    @property
    def configuration(self) -> dict[str, object]:
        """The values that distinguish two plugins."""
        return {"sandboxes": self.given, "sandbox_secrets": self._secrets.given}

    @property
    def functions(self) -> Sequence[Callable[..., Any]]:
        """The activities."""
        return [
            self.open_sandbox,
            self.close_sandbox,
            self.execute,
            self.execute_code,
            self.read_file,
            self.write_file,
            self.remove_file,
            self.list_files,
        ]

    async def close(self) -> None:
        """End the sandboxes. Called when the last worker has ended."""
        await self._pool.close()

    @activity.defn(name=OPEN_SANDBOX)
    async def open_sandbox(self, wire: dict[str, Any]) -> str:
        """Make a chain's sandbox if it has none, and return its identity."""
        call = SandboxCall.from_wire(wire)
        with _operation(call):
            async with self._using(call) as (_, identity):
                return identity

    @activity.defn(name=CLOSE_SANDBOX)
    async def close_sandbox(self, wire: dict[str, Any]) -> None:
        """End a chain's sandbox, if this worker has it."""
        call = SandboxCall.from_wire(wire)
        with _operation(call):
            await self._pool.end(call.sandbox, await self._factory(call.sandbox), _chain(call))

    @activity.defn(name=EXECUTE)
    async def execute(self, wire: dict[str, Any]) -> dict[str, Any]:
        """Run a shell command."""
        call = SandboxCall.from_wire(wire)
        command = decode(call.command)
        return await self._run(call, lambda sandbox, more: sandbox.execute_streaming(command, **more))

    @activity.defn(name=EXECUTE_CODE)
    async def execute_code(self, wire: dict[str, Any]) -> dict[str, Any]:
        """Run source code with an interpreter."""
        call = SandboxCall.from_wire(wire)
        code, language = decode(call.command), decode(call.language)
        return await self._run(
            call, lambda sandbox, more: sandbox.execute_code_streaming(code, language, **more)
        )

    @activity.defn(name=READ_FILE)
    async def read_file(self, wire: dict[str, Any]) -> Any:
        """Return a file's content, encoded."""
        async with self._file(wire) as (sandbox, call, more):
            path = decode(call.path)
            content = await sandbox.read_file(path, **more)
            if fits_unencoded(len(content)):
                encoded = encode(content)
                if await result_size(encoded) <= LARGEST_PAYLOAD:
                    return encoded
            raise too_large(
                f"The file {path!r} of {len(content):,} bytes in sandbox {call.sandbox!r} is too large for "
                f"Temporal's history, which takes {LARGEST_PAYLOAD:,} bytes of base64. Read a part of it by "
                "a command (head, tail, grep), or work on it in the sandbox"
            )

    @activity.defn(name=WRITE_FILE)
    async def write_file(self, wire: dict[str, Any]) -> None:
        """Write a file."""
        async with self._file(wire) as (sandbox, call, more):
            await sandbox.write_file(decode(call.path), decode(call.content), **more)

    @activity.defn(name=REMOVE_FILE)
    async def remove_file(self, wire: dict[str, Any]) -> None:
        """Remove a file."""
        async with self._file(wire) as (sandbox, call, more):
            await sandbox.remove_file(decode(call.path), **more)

    @activity.defn(name=LIST_FILES)
    async def list_files(self, wire: dict[str, Any]) -> list[list[Any]]:
        """List a directory."""
        async with self._file(wire) as (sandbox, call, more):
            path = decode(call.path)
            listing = listing_to_wire(await sandbox.list_files(path, **more))
            if await result_size(listing) > LARGEST_PAYLOAD:
                raise too_large(
                    f"The list of the {len(listing):,} entries of {path!r} in sandbox {call.sandbox!r} is "
                    "too large for Temporal's history. List a part of it with a command (ls, find, head)"
                )
            return listing

    async def _run(
        self, call: SandboxCall, start: Callable[[Sandbox, dict[str, Any]], AsyncGenerator[Any, None]]
    ) -> dict[str, Any]:
        attempt = Attempt(call)
        with _operation(call, attempt.beat):
            async with self._using(call) as (sandbox, identity):
                attempt.check(identity)
                secrets = await self._secrets.resolve(call.secrets)
                hide = Hider(secrets.values())
                async with listeners_of(call) as listeners:
                    output = Output(hide, [*listeners, attempt.heard])
                    options = options_of(call, secrets)
                    try:
                        await attempt.start(output)
                        result = await result_of(start(sandbox, options), output)
                    except Exception as error:  # noqa: BLE001  # a sandbox may raise anything
                        # Without its causes, which may have the secrets.
                        raise sandbox_failure(
                            error, retryable=call.rerun and _passes(error), hide=hide
                        ) from None
                return await checked_outcome(call, output, result)

    @contextlib.asynccontextmanager
    async def _file(
        self, wire: dict[str, Any]
    ) -> AsyncGenerator[tuple[Sandbox, SandboxCall, dict[str, Any]]]:
        call = SandboxCall.from_wire(wire)
        with _operation(call):
            async with self._using(call) as (sandbox, _):
                yield sandbox, call, decode(call.more)

    @contextlib.asynccontextmanager
    async def _using(self, call: SandboxCall) -> AsyncGenerator[tuple[Sandbox, str]]:
        factory = await self._factory(call.sandbox)
        async with self._pool.use(call.sandbox, factory, _chain(call), worker_client()) as made:
            yield made

    async def _factory(self, name: str) -> SandboxFactory:
        try:
            return await self._factories.get_async(name)
        except ApplicationError as error:
            raise SandboxNotRegisteredError(error.message) from None


def _factory(given: Any) -> Callable[[], SandboxFactory]:
    """Return a function that returns a user's factory. Return any other value unchanged."""
    if not isinstance(given, SandboxFactory) and not callable(given):
        return given
    factory = given if isinstance(given, SandboxFactory) else SandboxFactory(given)
    return lambda: factory


def _chain(call: SandboxCall) -> SandboxChain:
    info = activity.info()
    return SandboxChain(info.workflow_id or "", call.first_run_id, info.workflow_run_id or "", call.identity)


def _passes(error: Exception) -> bool:
    """Tell whether another attempt of an operation may work."""
    if isinstance(error, SandboxTimeoutError):
        return False
    return isinstance(error, _PASSING) or not isinstance(error, _FINAL)


def _operation(
    call: SandboxCall, beat: Callable[[float], Coroutine[Any, Any, None]] = beat_forever
) -> AbstractContextManager[None]:
    return operation(
        "An operation of a sandbox",
        call.version,
        SANDBOX_VERSION,
        failure=lambda error: sandbox_failure(error, retryable=_passes(error), hide=str),
        beat=beat,
    )
