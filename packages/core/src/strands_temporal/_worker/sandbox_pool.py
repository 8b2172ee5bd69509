"""Makes sandboxes with the user's factories, and keeps them while their workflows use them.

A sandbox has an identity, which the workflow records. A worker that has no sandbox of that identity says so,
and gives the workflow no other one: its files would be others.
"""

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from strands.sandbox import Sandbox
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from .._errors import SandboxLostError
from .._wire.failure_sizes import text_of
from .._wire.sandboxes import SANDBOX_FACTORY_FAILED
from .paused_workflows import OPEN_STATUSES, workflow_status_name
from .sandbox_factories import SandboxChain, SandboxFactory

logger = logging.getLogger(__name__)

LOOK_AFTER = 10.0
"""Seconds between two looks whether the workflow of a sandbox still runs."""

_CLOSE_SECONDS = 30.0  # how long the end of the last worker waits for the ends of its sandboxes


@dataclass
class _Kept:
    """A sandbox that the worker keeps, or is making."""

    name: str
    factory: SandboxFactory
    chain: SandboxChain
    client: Client
    ready: "asyncio.Future[tuple[Sandbox, str]]"
    loop: asyncio.AbstractEventLoop
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    users: int = 0
    used_at: float = field(default_factory=time.monotonic)
    looked_at: float = field(default_factory=time.monotonic)
    keeper: "asyncio.Task[None] | None" = None


class SandboxPool:
    """The sandboxes that the workers of a plugin keep."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], _Kept] = {}

    @contextlib.asynccontextmanager
    async def use(
        self, name: str, factory: SandboxFactory, chain: SandboxChain, client: Client
    ) -> AsyncGenerator[tuple[Sandbox, str]]:
        """Yield a chain's sandbox and its identity. Makes the sandbox if the chain has none yet.

        Raises:
            SandboxLostError: If the chain used another sandbox before.
            ApplicationError: Type SANDBOX_FACTORY_FAILED, retryable, if the factory failed.
        """
        kept = self._get_or_make(name, factory, chain, client)
        kept.users += 1
        try:
            sandbox, identity = await asyncio.shield(kept.ready)  # others may wait for it
            if chain.identity not in ("", identity):
                if factory.per_chain and kept.users == 1 and kept.chain.identity:
                    kept.closing.set()  # made for this chain, which cannot use it
                raise _lost(name, factory, chain)
            yield sandbox, identity
        finally:
            kept.users -= 1
            kept.used_at = time.monotonic()

    async def end(self, name: str, factory: SandboxFactory, chain: SandboxChain) -> None:
        """End the sandbox of a chain, if this worker has it and no other chain uses it."""
        kept = self._kept.get(_key(name, factory, chain))
        if kept is not None and kept.keeper is not None and factory.per_chain:
            kept.closing.set()
            await asyncio.shield(kept.keeper)

    async def close(self) -> None:
        """End all sandboxes: the last worker has ended."""
        here, keepers = asyncio.get_running_loop(), list[asyncio.Task[None]]()
        for kept in list(self._kept.values()):
            if kept.loop is here:
                kept.closing.set()
                if kept.keeper is not None:
                    keepers.append(kept.keeper)
            else:
                with contextlib.suppress(RuntimeError):  # that loop is closed
                    kept.loop.call_soon_threadsafe(kept.closing.set)
        if keepers:
            _, late = await asyncio.wait(keepers, timeout=_CLOSE_SECONDS)
            for keeper in late:
                keeper.cancel()

    def _get_or_make(self, name: str, factory: SandboxFactory, chain: SandboxChain, client: Client) -> _Kept:
        key = _key(name, factory, chain)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        if chain.identity and factory.identity is None and factory.always_new:
            raise _lost(name, factory, chain)
        loop = asyncio.get_running_loop()
        kept = self._kept[key] = _Kept(name, factory, chain, client, loop.create_future(), loop)
        # Not in the context of the activity, which ends before the sandbox does.
        kept.keeper = contextvars.Context().run(asyncio.create_task, self._keep(key, kept))
        return kept

    async def _keep(self, key: tuple[Any, ...], kept: _Kept) -> None:
        """Make a sandbox, keep it while it is needed, and end it. One task, as context managers require."""
        try:
            async with kept.factory.made(kept.chain) as made:
                kept.ready.set_result(made)
                await self._until_unneeded(kept)
                self._forget(key, kept)  # whoever asks from now on finds it lost
        except Exception as error:  # the factory is the user's
            if kept.ready.done():
                logger.exception("sandbox=<%s>, identity=<%s> | the sandbox's end failed", *_about(kept))
            else:
                kept.ready.set_exception(_factory_failed(kept.name, error))
                kept.ready.exception()  # nobody may wait for it any more
        finally:
            self._forget(key, kept)
            if not kept.ready.done():
                kept.ready.cancel()

    async def _until_unneeded(self, kept: _Kept) -> None:
        idle = kept.factory.idle_timeout
        while not kept.closing.is_set():
            waits = [LOOK_AFTER]
            if idle is not None:
                waits.append(max(kept.used_at + idle.total_seconds() - time.monotonic(), 0.01))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(kept.closing.wait(), min(waits))
            if kept.users:
                continue
            if idle is not None and time.monotonic() - kept.used_at >= idle.total_seconds():
                logger.info("sandbox=<%s>, identity=<%s> | ending the sandbox: it was idle", *_about(kept))
                return
            if kept.factory.per_chain and time.monotonic() - kept.looked_at >= LOOK_AFTER:
                kept.looked_at = time.monotonic()
                if await _has_ended(kept.client, kept.chain) and not kept.users:
                    logger.info("sandbox=<%s>, identity=<%s> | ending: its workflow has ended", *_about(kept))
                    return

    def _forget(self, key: tuple[Any, ...], kept: _Kept) -> None:
        if self._kept.get(key) is kept:
            del self._kept[key]


def _key(name: str, factory: SandboxFactory, chain: SandboxChain) -> tuple[Any, ...]:
    loop = asyncio.get_running_loop()
    return (loop, name, chain.workflow_id, chain.first_run_id) if factory.per_chain else (loop, name)


def _about(kept: _Kept) -> tuple[str, str]:
    return kept.name, kept.ready.result()[1]


def _factory_failed(name: str, error: Exception) -> ApplicationError:
    failure = ApplicationError(
        f"The factory of sandbox {name!r} failed: {type(error).__name__}: {text_of(error)}",
        type=SANDBOX_FACTORY_FAILED,
    )
    failure.__cause__ = error
    return failure


def _lost(name: str, factory: SandboxFactory, chain: SandboxChain) -> SandboxLostError:
    reasons = "the worker that had it has ended, another worker got this operation"
    if factory.idle_timeout is not None:
        reasons += f", or it was idle for {factory.idle_timeout}"
    return SandboxLostError(
        f"Sandbox {name!r} of this workflow is lost, with its files: {reasons}. It was {chain.identity!r}. "
        "Call `await sandbox.close()` to begin with a new one. If the sandbox outlives its worker, say what "
        "identifies it: SandboxFactory(make, identity=...)"
    )


async def _has_ended(client: Client, chain: SandboxChain) -> bool:
    """Tell whether the last run of a chain has ended."""
    request = DescribeWorkflowExecutionRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=chain.workflow_id)
    )
    try:
        described = await client.workflow_service.describe_workflow_execution(request)
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND
    info = described.workflow_execution_info
    return info.first_run_id != chain.first_run_id or workflow_status_name(info.status) not in OPEN_STATUSES
