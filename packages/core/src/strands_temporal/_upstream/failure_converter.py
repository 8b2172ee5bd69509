"""The failure converter: types Strands' exceptions that pass the activity interceptor by.

An interrupt that leaves a workflow, or an activity on a worker that has only the client's converter, is typed
here as the interceptor would have done; so is what a workflow's `__init__` raises, which has no interceptor.
What the interceptor typed passes through unchanged.
"""

from temporalio.api.failure.v1 import Failure
from temporalio.converter import FailureConverter, PayloadConverter

from .._wire.failures import to_application_error
from .misplaced import misplaced_error


def with_typed_errors(wrapped: type[FailureConverter]) -> type[FailureConverter]:
    """Return `wrapped`, the user's failure converter or Temporal's, with Strands' exceptions typed before it.

    What it does to failures (encoding their attributes, for example) stays. Wrapping twice changes nothing.
    """
    if getattr(wrapped, "types_strands_errors", False):
        return wrapped

    class StrandsFailureConverter(wrapped):
        """Types Strands' exceptions, and leaves the rest to the wrapped converter."""

        types_strands_errors = True

        def to_failure(
            self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
        ) -> None:
            """See base class."""
            typed = misplaced_error(exception) or to_application_error(exception)
            if typed is not None:
                typed.__traceback__, typed.__cause__ = exception.__traceback__, exception.__cause__
                exception = typed
            # `wrapped` is a concrete class; its type says only that it is a failure converter.
            super().to_failure(exception, payload_converter, failure)  # pyright: ignore[reportAbstractUsage]

    return StrandsFailureConverter
