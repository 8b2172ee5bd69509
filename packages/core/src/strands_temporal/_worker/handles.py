"""Named objects on the worker, and the code that all activities that operate on them share."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Hashable, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar, cast

from strands.types.exceptions import StorageError
from temporalio.exceptions import ApplicationError, FailureError

from .._wire.failure_sizes import origin_of, text_of
from .._wire.failures import in_place_of
from .._wire.handles import HANDLE_VERSION, HandleCall
from .._wire.values import decode
from .._wire.versions import check_wire_version
from .factories import NamedFactories, in_thread
from .heartbeat import beat_forever, heartbeating
from .kept import Kept, end_all, opened
from .model_failures import model_failure, retry_delay, worth_retrying
from .transcript_queries import TranscriptQueries

T = TypeVar("T")

_FINAL_OS_ERRORS = (FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
"""File system errors that are not retried, because another attempt would fail in the same way."""


def object_failure(error: Exception) -> FailureError:
    """Return the typed failure for an exception of a named object, retryable or not.

    A `StorageError` with a cause is retryable if the cause is, such as a lost connection. Without a cause, it
    is about the key and is not retryable. No other exception of Strands is retryable.
    """
    if not isinstance(error, (StorageError, *_FINAL_OS_ERRORS)):
        return model_failure(error)
    reason = origin_of(error) if isinstance(error, StorageError) else None
    retryable = (
        isinstance(reason, Exception) and not isinstance(reason, _FINAL_OS_ERRORS) and worth_retrying(reason)
    )
    return ApplicationError(
        text_of(error),
        type=StorageError.__name__ if isinstance(error, StorageError) else type(error).__name__,
        non_retryable=not retryable,
        next_retry_delay=retry_delay(error) if retryable else None,
    )


@contextmanager
def operation(
    what: str,
    version: int,
    known: int,
    *,
    failure: Callable[[Exception], Exception] = object_failure,
    beat: Callable[[float], Coroutine[Any, Any, None]] = beat_forever,
) -> Generator[None]:
    """Run one operation on a named object in the block.

    Refuses a call whose version is too new, sends heartbeats, and turns exceptions into typed failures.

    Args:
        what: The call, for messages: "A call of a handle".
        version: The call's wire version.
        known: The newest wire version that this release knows.
        failure: Turns an exception of the block into the failure that the activity sends. Returns a
            `FailureError` unchanged.
        beat: Sends the heartbeats (see `heartbeating`).

    Raises:
        FailureError: The error that `failure` returned for an exception of the block.
    """
    check_wire_version(what, version, known)
    with heartbeating(beat):
        try:
            yield
        except Exception as error:  # noqa: BLE001  # the object's class is the user's choice
            raise in_place_of(error, failure(error))  # noqa: B904  # it sets the cause itself


class NamedObjects(NamedFactories[T]):
    """Objects that factories of one kind make or open, for the activities that operate on them.

    A factory returns an object, an awaitable of one, or an async context manager of one. Each event loop has
    one object per name, until `close`. If a factory raises, the failure is not retryable. If an object raises
    while it is awaited or entered, it may have tried to connect, so the rules for operations decide.

    Args:
        queries: Asks a workflow for arguments that were too large to send.
        *kind: The arguments of `NamedFactories`.
    """

    def __init__(
        self,
        queries: TranscriptQueries,
        kind: str,
        option: str,
        factories: Mapping[str, Callable[[], Any]] | None,
        expected: type[T],
        failure_type: str,
        example: str,
    ) -> None:
        super().__init__(kind, option, factories, expected, failure_type, example)
        self._queries = queries
        self._kept: dict[Any, _KeptObject[T]] = {}

    @asynccontextmanager
    async def use(self, call: HandleCall) -> AsyncGenerator[tuple[T, dict[str, Any]]]:
        """Yield the object that a call names, and the call's arguments. Sends heartbeats during the block.

        Raises:
            FailureError: If the name is unknown, its factory failed, or the block raised an exception.
        """
        with operation("A call of a handle", call.version, HANDLE_VERSION):
            made = await self._get_open(call.name)
            told = call.arguments if call.held is None else await self._queries.held(call.held)
            yield made, cast("dict[str, Any]", decode(told))

    async def close(self) -> None:
        """End the objects when the last worker has ended."""
        await end_all(self._kept.values())

    async def _get_open(self, name: str) -> T:
        self.check_name(name)
        key = asyncio.get_running_loop(), name
        kept = self._kept.get(key) or _KeptObject(self._kept, key, self, name)
        return await asyncio.shield(kept.ready)  # others may wait for it


class _KeptObject(Kept[T]):
    """The object of one name."""

    def __init__(
        self, kept: "dict[Any, Any]", key: Hashable, factories: NamedFactories[T], name: str
    ) -> None:
        self._factories = factories
        self._name = name
        super().__init__(kept, key)

    def __str__(self) -> str:
        return f"name=<{self._name}>"

    @asynccontextmanager
    async def made(self) -> AsyncGenerator[T]:
        """See base class."""
        given = in_thread(f"factory of {self._name}", self._factories.call, self._name)
        async with opened(await asyncio.wrap_future(given)) as (made, _):
            yield self._factories.checked(self._name, made)

    def failure(self, error: Exception) -> Exception:
        """See base class."""
        if isinstance(error, ApplicationError):
            return error
        reason = object_failure(error)
        final = isinstance(reason, ApplicationError) and reason.non_retryable
        return in_place_of(error, self._factories.failed(self._name, error, retryable=not final))
