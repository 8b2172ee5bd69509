"""A resource that workers share: opened before the first of them, closed after the last."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager


class SharedLifetime:
    """Opens a resource before its first user and closes it after its last, as often as users come and go.

    Users may come and go at the same time, on event loops in several threads. One opens or closes at a time;
    the others wait and block no loop. A user who comes while the resource is closed opens it again.

    Args:
        open: Opens the resource.
        close: Closes the resource. Not called where `open` failed or was cancelled.
    """

    def __init__(self, open: Callable[[], Awaitable[None]], close: Callable[[], Awaitable[None]]) -> None:
        self._open = open
        self._close = close
        self._users = 0
        self._is_open = False
        self._lock = threading.Lock()  # over the users and the turns, never while anybody waits
        self._last_turn: Future[None] = Future()
        self._last_turn.set_result(None)

    async def enter(self) -> None:
        """Open the resource for one more user, unless it is open.

        Raises:
            Exception: What `open` raised. The next user tries again.
        """
        async with self._turn():
            if not self._is_open:
                await self._open()
                self._is_open = True
            with self._lock:
                self._users += 1

    async def leave(self) -> None:
        """Close the resource, if this was its last user."""
        with self._lock:  # before anything is awaited: a cancelled user has left too
            self._users -= 1
        async with self._turn():
            if self._is_open and not self._users:
                self._is_open = False
                await self._close()

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """Wait until whoever came before is done; then it is the caller's turn until the block ends."""
        mine: Future[None] = Future()
        mine.set_running_or_notify_cancel()  # so that nobody who waits can cancel it for others
        with self._lock:
            before, self._last_turn = self._last_turn, mine
        try:
            if not before.done():
                await asyncio.wrap_future(before)
        except BaseException:  # cancelled: who comes after still waits for who came before
            before.add_done_callback(lambda _: mine.set_result(None))
            raise
        try:
            yield
        finally:
            mine.set_result(None)
