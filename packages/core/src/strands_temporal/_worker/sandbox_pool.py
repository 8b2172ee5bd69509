"""Makes sandboxes with the user's factories, and keeps them while their workflows use them.

A sandbox has an identity, which the workflow records. If a worker has no sandbox of that identity, it raises
an error. It does not offer a different sandbox, because that one would have different files.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Hashable
from contextlib import AbstractAsyncContextManager
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
from .kept import Kept, end_all
from .paused_workflows import OPEN_STATUSES, workflow_status_name
from .sandbox_factories import SandboxChain, SandboxFactory

logger = logging.getLogger(__name__)

LOOK_AFTER = 10.0
"""Seconds between two checks whether the workflow of a sandbox still runs."""


class SandboxPool:
    """The sandboxes that the workers of a plugin keep."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Any, ...], _KeptSandbox] = {}

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
        if kept is not None and factory.per_chain:
            kept.closing.set()
            await asyncio.shield(kept.keeper)

    async def close(self) -> None:
        """End all sandboxes. Called when the last worker has ended."""
        await end_all(self._kept.values())

    def _get_or_make(
        self, name: str, factory: SandboxFactory, chain: SandboxChain, client: Client
    ) -> "_KeptSandbox":
        key = _key(name, factory, chain)
        if key not in self._kept:
            if chain.identity and factory.identity is None and factory.always_new:
                raise _lost(name, factory, chain)
            _KeptSandbox(self._kept, key, name, factory, chain, client)
        return self._kept[key]


class _KeptSandbox(Kept[tuple[Sandbox, str]]):
    """A sandbox that the worker keeps, or is making, with its identity."""

    def __init__(
        self,
        kept: "dict[Any, Any]",
        key: Hashable,
        name: str,
        factory: SandboxFactory,
        chain: SandboxChain,
        client: Client,
    ) -> None:
        self.name = name
        self.factory = factory
        self.chain = chain
        self.users = 0
        self.used_at = time.monotonic()
        self._looked_at = time.monotonic()
        self._client = client
        super().__init__(kept, key)

    def __str__(self) -> str:
        return f"sandbox=<{self.name}>, identity=<{self.ready.result()[1]}>"

    def made(self) -> AbstractAsyncContextManager[tuple[Sandbox, str]]:
        """See base class."""
        return self.factory.made(self.chain)

    def failure(self, error: Exception) -> Exception:
        """See base class."""
        failure = ApplicationError(
            f"The factory of sandbox {self.name!r} failed: {type(error).__name__}: {text_of(error)}",
            type=SANDBOX_FACTORY_FAILED,
        )
        failure.__cause__ = error
        return failure

    async def until_unneeded(self) -> None:
        """See base class. Returns when the sandbox was idle, or its workflow has ended."""
        idle = self.factory.idle_timeout
        while not self.closing.is_set():
            waits = [LOOK_AFTER]
            if idle is not None:
                waits.append(max(self.used_at + idle.total_seconds() - time.monotonic(), 0.01))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.closing.wait(), min(waits))
            if self.users:
                continue
            if idle is not None and time.monotonic() - self.used_at >= idle.total_seconds():
                logger.info("%s | ending the sandbox: it was idle", self)
                return
            if self.factory.per_chain and time.monotonic() - self._looked_at >= LOOK_AFTER:
                self._looked_at = time.monotonic()
                if await _has_ended(self._client, self.chain) and not self.users:
                    logger.info("%s | ending: its workflow has ended", self)
                    return


def _key(name: str, factory: SandboxFactory, chain: SandboxChain) -> tuple[Any, ...]:
    loop = asyncio.get_running_loop()
    return (loop, name, chain.workflow_id, chain.first_run_id) if factory.per_chain else (loop, name)


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
        described = await client.workflow_service.describe_workflow_execution(request, retry=True)
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND
    info = described.workflow_execution_info
    return info.first_run_id != chain.first_run_id or workflow_status_name(info.status) not in OPEN_STATUSES
