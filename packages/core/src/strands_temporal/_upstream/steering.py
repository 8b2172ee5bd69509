"""Raises the errors that Strands' steering plugin only logs.

If a guard cannot run, the tool call or answer that it guards must not go through. Every steering handler logs
the error, so the stand-in for the logger raises it. The hooks cannot be replaced instead, because a handler
binds them when it is created, perhaps before `adapt_strands`. The method `init_agent` cannot be replaced
either, because a subclass may override it.
"""

from typing import Any

from temporalio import workflow

from .stand_in import StandIn

STEERING_FAILED = "guidance failed"
"""End of the steering plugin's log message for an error that it swallows (1.62: steering/core/handler.py:100
and 147)."""


class SteeringLogger(StandIn):
    """The logger of Strands' steering plugin. In a workflow it raises the errors that the plugin swallows."""

    def debug(self, message: str, *args: Any) -> None:
        self._original.debug(message, *args)
        if message.endswith(STEERING_FAILED) and workflow.in_workflow():
            raise args[-1]
