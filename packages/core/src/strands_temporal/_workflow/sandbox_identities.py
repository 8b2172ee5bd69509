"""Which sandboxes a run uses. The next run of the chain must find the same ones."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from .._upstream.run_local import run_local
from .._wire.reading import header_value, reading
from .._wire.sandboxes import SANDBOX_HEADER


class Identities:
    """The identities of the sandboxes that a run uses, by name and task queue.

    They begin with the identities that the previous run of the chain used.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], str] = {}
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        payload = workflow.info().headers.get(SANDBOX_HEADER)
        if payload is not None:
            what = "The header that names the sandboxes of the previous run"
            with reading(what):
                for name, task_queue, identity in header_value(payload, what):
                    self.known[name, task_queue] = identity

    async def of(self, key: tuple[str, str], ask: Callable[[], Awaitable[str]]) -> str:
        """Return the identity of a sandbox. The first operation of a chain of runs asks the worker for it."""
        async with self._locks[key]:
            if key not in self.known:
                self.known[key] = await ask()
            return self.known[key]


def sandbox_headers() -> dict[str, Payload]:
    """Return the header that tells the next run which sandboxes this run used; none if it used none."""
    known = run_local(Identities).known
    if not known:
        return {}
    return {SANDBOX_HEADER: PayloadConverter.default.to_payload([[*key, known[key]] for key in known])}
