"""A failure converter that turns Strands' exceptions into typed failures where no interceptor does.

It handles an interrupt that leaves a workflow, any exception on a worker that has only the client's
converter, and exceptions of a workflow's `__init__`. Failures that the interceptor has made pass through
unchanged.
"""

from temporalio.api.failure.v1 import Failure
from temporalio.converter import FailureConverter, PayloadConverter

from .._wire.failures import to_application_error
from .misplaced import misplaced_error


def with_typed_errors(wrapped: type[FailureConverter]) -> type[FailureConverter]:
    """Return a subclass of a failure converter that turns Strands' exceptions into typed failures.

    `wrapped` is the user's failure converter or Temporal's. It still does its part, for example encodes the
    failures' attributes. Wrapping twice changes nothing.
    """
    if getattr(wrapped, "types_strands_errors", False):
        return wrapped

    class StrandsFailureConverter(wrapped):
        """Turns Strands' exceptions into typed failures. The wrapped converter does the rest."""

        types_strands_errors = True

        def to_failure(
            self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
        ) -> None:
            """See base class."""
            typed = misplaced_error(exception) or to_application_error(exception)
            if typed is not None:
                typed.__traceback__, typed.__cause__ = exception.__traceback__, exception.__cause__
                exception = typed
            # `wrapped` is a concrete class, but its declared type is the abstract one.
            super().to_failure(exception, payload_converter, failure)  # pyright: ignore[reportAbstractUsage]

    return StrandsFailureConverter
