"""Makes the handlers of queries that each run registers cheap to register."""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def takes_json(handler: F) -> F:
    """Decorate a query handler that takes and returns JSON values as they come.

    temporalio evaluates the annotations of a handler in each workflow that registers it (1.35:
    common.py:1380). `typing.get_type_hints` skips that for a function with this mark, which is the one of
    `typing.no_type_check`; with that decorator type checkers would skip the function, too.
    """
    handler.__no_type_check__ = True  # pyright: ignore[reportFunctionMemberAccess]
    return handler
