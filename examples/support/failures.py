"""How an example's client tells a person that the workflow failed."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from temporalio.client import WorkflowFailureError


@contextmanager
def failure_in_one_line() -> Generator[None]:
    """End the process with one line, and not a traceback, if the workflow that the block waits for fails."""
    try:
        yield
    except WorkflowFailureError as error:
        sys.exit(f"The workflow failed: {error.cause}")
