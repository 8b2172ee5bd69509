"""Refuses Strands' `BidiAgent` in a workflow. Nothing public is called when it is built."""

import sys
from typing import Any

from temporalio import workflow

from .._errors import AgentTypeError, coded
from .stand_in import StandIn

BIDI_AGENT = ("strands.bidi.agent.agent", "split_system_prompt")
"""The first function that `BidiAgent.__init__` calls once it has its model (1.62: agent.py:143)."""

NO_BIDI = coded(
    "ST205",
    "BidiAgent cannot run in a workflow: its audio and video are live, and a replay cannot hear them again. "
    "Run it outside of workflows, for example in your web server, and let its tools start or update "
    "workflows with a Temporal client",
)


class WorkflowBidi(StandIn):
    def __call__(self, *args: Any, **options: Any) -> Any:
        if workflow.in_workflow():
            raise AgentTypeError(NO_BIDI)
        return self._original(*args, **options)


def refuse_bidi() -> None:
    """Install the stand-in, if anything has imported `strands.bidi`. Idempotent."""
    module = sys.modules.get(BIDI_AGENT[0])
    if module is not None and not isinstance(vars(module)[BIDI_AGENT[1]], StandIn):
        setattr(module, BIDI_AGENT[1], WorkflowBidi(vars(module)[BIDI_AGENT[1]]))
