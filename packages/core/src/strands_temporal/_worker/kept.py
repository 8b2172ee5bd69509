"""Objects that a worker makes on first use, keeps, and ends.

Each object has its own task, because the same task must enter and leave a context manager.
"""

import asyncio
import contextlib
import contextvars
import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Hashable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 30.0  # how long the last worker, when it ends, waits for its objects to end


class Kept(ABC, Generic[T]):
    """An object that a worker keeps, or is making.

    Args:
        kept: All objects that the worker keeps, by key. Contains this object until it ends.
        key: The key of this object.

    Attributes:
        ready: A future of the object. It resolves when the object is made.
        closing: Set it to end the object.
    """

    def __init__(self, kept: "dict[Any, Any]", key: Hashable) -> None:
        self._kept = kept
        self._key = key
        self.loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[T] = self.loop.create_future()
        self.closing = asyncio.Event()
        kept[key] = self
        # A new context: the activity's context ends before the object does.
        self.keeper = contextvars.Context().run(asyncio.create_task, self._keep())

    @abstractmethod
    def made(self) -> AbstractAsyncContextManager[T]:
        """Return a context manager that makes the object when it is entered, and ends the object on exit."""

    @abstractmethod
    def failure(self, error: Exception) -> Exception:
        """Return the exception for those who wait for the object, if it cannot be made."""

    async def until_unneeded(self) -> None:
        """Wait until the object is no longer needed."""
        await self.closing.wait()

    async def _keep(self) -> None:
        try:
            async with self.made() as made:
                self.ready.set_result(made)
                await self.until_unneeded()
                self._forget()  # a later caller gets a new object
        except Exception as error:  # the object's class is the user's
            if self.ready.done():
                logger.exception("%s | its end failed", self)
            else:
                self.ready.set_exception(self.failure(error))
                self.ready.exception()  # marks it as retrieved: it may be that nobody waits any more
        finally:
            self._forget()
            if not self.ready.done():
                self.ready.cancel()

    def _forget(self) -> None:
        if self._kept.get(self._key) is self:
            del self._kept[self._key]


async def end_all(kept: Iterable[Kept[Any]]) -> None:
    """End objects when the last worker has ended. An object of another event loop ends in that loop."""
    here, keepers = asyncio.get_running_loop(), list[asyncio.Task[None]]()
    for each in list(kept):
        if each.loop is here:
            each.closing.set()
            keepers.append(each.keeper)
        else:
            with contextlib.suppress(RuntimeError):  # that loop is closed
                each.loop.call_soon_threadsafe(each.closing.set)
    if keepers:
        _, late = await asyncio.wait(keepers, timeout=_CLOSE_SECONDS)
        for keeper in late:
            keeper.cancel()


@contextlib.asynccontextmanager
async def opened(made: Any) -> AsyncGenerator[tuple[Any, bool]]:
    """Yield the object that a factory made, and whether it came from a context manager.

    Leaves the context manager after the block.

    Args:
        made: The object, an awaitable of it, or an async context manager of it.
    """
    if inspect.isawaitable(made):
        made = await made
    if hasattr(made, "__aenter__"):
        async with made as entered:
            yield entered, True
    else:
        yield made, False
