"""Patch ids that are tried until one applies, so that running workflows can take up a feature."""

from temporalio import workflow


class PatchedOnce:
    """A feature of a workflow that its code may have got while it ran.

    A run whose code lacked it at first replays without it, up to the first place that is reached live. From
    there on it applies.

    Args:
        prefix: Beginning of the patch ids, each with the number of the attempt.

    Attributes:
        is_on: Whether it applies already.
    """

    def __init__(self, prefix: str) -> None:
        self.is_on = False
        self._prefix = prefix
        self._tried = 0

    def applies(self) -> bool:
        """Tell whether the feature applies from here on. Adds a marker to history, once in a run."""
        if not self.is_on:
            self._tried += 1
            self.is_on = workflow.patched(f"{self._prefix}-{self._tried}")
        return self.is_on
