"""Errors of Strands' steering plugin, which only logs them.

A guard that cannot run must not let pass what it guards.
"""

from typing import Any

from temporalio import workflow

from .stand_in import StandIn

STEERING_FAILED = "guidance failed"
"""How the steering plugin's message ends on an error that it swallows (1.62: steering/core/handler.py:100
and 147)."""


class SteeringLogger(StandIn):
    """The log of Strands' steering plugin, which in a workflow raises what the plugin only logs.

    A guard that cannot run must not let pass what it guards.
    """

    def debug(self, message: str, *args: Any) -> None:
        self._original.debug(message, *args)
        if message.endswith(STEERING_FAILED) and workflow.in_workflow():
            raise args[-1]
