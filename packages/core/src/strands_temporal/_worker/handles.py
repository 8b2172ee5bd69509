"""Named objects on the worker, and what all activities that operate on them have in common."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar, cast

from strands.types.exceptions import StorageError
from temporalio.exceptions import ApplicationError, FailureError

from .._wire.failure_sizes import origin_of, text_of
from .._wire.failures import in_place_of, to_application_error
from .._wire.handles import HANDLE_VERSION, HandleCall
from .._wire.values import decode
from .._wire.versions import check_wire_version
from .factories import NamedFactories
from .heartbeat import heartbeating
from .model_failures import retry_after, worth_retrying
from .transcript_queries import TranscriptQueries

T = TypeVar("T")

_FINAL_OS_ERRORS = (FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
"""Errors of a file system that another attempt would only repeat."""


class NamedObjects(Generic[T]):
    """The objects that the factories of one kind make, for the activities that operate on them.

    Args:
        factories: The factories.
        queries: Asks a workflow for arguments that were too large to send.
    """

    def __init__(self, factories: NamedFactories[T], queries: TranscriptQueries) -> None:
        self.factories = factories
        self._queries = queries

    @asynccontextmanager
    async def use(self, call: HandleCall) -> AsyncGenerator[tuple[T, dict[str, Any]]]:
        """Yield the object that a call names, and the call's arguments. Sends heartbeats during the block.

        Raises:
            ApplicationError: If the name is unknown, its factory failed, or the block raised an exception.
        """
        check_wire_version("A call of a handle", call.version, HANDLE_VERSION)
        with heartbeating():
            made = await self.factories.get_async(call.name)
            told = call.arguments if call.held is None else await self._queries.held(call.held)
            arguments = cast("dict[str, Any]", decode(told))
            try:
                yield made, arguments
            except Exception as error:  # noqa: BLE001  # the object's class is the user's choice
                raise in_place_of(error, object_failure(error))  # noqa: B904  # it sets the cause itself


def object_failure(error: Exception) -> FailureError:
    """Return the typed failure for an exception of a named object, retryable or not.

    A `StorageError` that has a cause is worth another attempt if its cause is: Strands' storages raise it for
    a lost connection. Without a cause it is about the key. Any other exception of Strands is final.
    """
    if isinstance(error, FailureError):
        return error
    typed = None if isinstance(error, StorageError) else to_application_error(error)
    if typed is not None:
        return typed
    reason: BaseException | None = origin_of(error) if isinstance(error, StorageError) else error
    retryable = (
        isinstance(reason, Exception) and not isinstance(reason, _FINAL_OS_ERRORS) and worth_retrying(reason)
    )
    return ApplicationError(
        text_of(error),
        type=StorageError.__name__ if isinstance(error, StorageError) else type(error).__name__,
        non_retryable=not retryable,
        next_retry_delay=retry_after(error) if retryable else None,
    )
