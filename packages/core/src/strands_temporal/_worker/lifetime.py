"""A resource that workers share. It is opened before the first worker, and closed after the last one."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager


class SharedLifetime:
    """Opens a resource for its first user and closes it after its last user. The next user opens it again.

    Users may enter and leave concurrently, on event loops in several threads. Only one user opens or closes
    at a time. The others wait without blocking their event loops.

    Args:
        open: Opens the resource.
        close: Closes the resource. Not called if `open` failed or was cancelled.
    """

    def __init__(self, open: Callable[[], Awaitable[None]], close: Callable[[], Awaitable[None]]) -> None:
        self._open = open
        self._close = close
        self._users = 0
        self._is_open = False
        self._lock = threading.Lock()  # guards the users and the turns; never held during an await
        self._last_turn: Future[None] = Future()
        self._last_turn.set_result(None)

    async def enter(self) -> None:
        """Add a user. Open the resource if it is closed.

        Raises:
            Exception: Whatever `open` raised. The next user calls `open` again.
        """
        async with self._turn():
            if not self._is_open:
                await self._open()
                self._is_open = True
            with self._lock:
                self._users += 1

    async def leave(self) -> None:
        """Close the resource, if this was its last user."""
        with self._lock:  # before anything is awaited, so that a cancelled user has left too
            self._users -= 1
        async with self._turn():
            if self._is_open and not self._users:
                self._is_open = False
                await self._close()

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """Wait until the earlier callers are done. The caller then has its turn until the block ends."""
        mine: Future[None] = Future()
        mine.set_running_or_notify_cancel()  # a cancelled waiter must not cancel it
        with self._lock:
            before, self._last_turn = self._last_turn, mine
        try:
            if not before.done():
                await asyncio.wrap_future(before)
        except BaseException:  # cancelled: later callers still wait for the earlier ones
            before.add_done_callback(lambda _: mine.set_result(None))
            raise
        try:
            yield
        finally:
            mine.set_result(None)
