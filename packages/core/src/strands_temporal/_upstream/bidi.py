"""Refuses Strands' `BidiAgent` in a workflow. Building one calls no public API that could refuse it."""

import sys
from typing import Any

from temporalio import workflow

from .._errors import AgentTypeError, coded
from .callers import called_by_strands
from .stand_in import StandIn

BIDI_AGENT = ("strands.bidi.agent.agent", "split_system_prompt")
"""The first function that `BidiAgent.__init__` calls once it has its model (1.62: agent.py:143)."""

NO_BIDI = coded(
    "ST205",
    "BidiAgent cannot run in a workflow: its audio and video are live, and a replay cannot hear them again. "
    "Run it outside of workflows, for example in your web server, and let its tools start or update "
    "workflows with a Temporal client",
)


_SOURCE = "strands.types.content"
"""The module that defines the function. `BIDI_AGENT`'s module imports it from there, perhaps in a workflow.
The other modules of Strands have imported it already."""


class WorkflowBidi(StandIn):
    def __call__(self, *args: Any, **options: Any) -> Any:
        if workflow.in_workflow() and called_by_strands(1, "strands.bidi"):
            raise AgentTypeError(NO_BIDI)
        return self._original(*args, **options)


def refuse_bidi() -> None:
    """Install the stand-in, even if a workflow is the first to import `strands.bidi`. Idempotent."""
    for name in (BIDI_AGENT[0], _SOURCE):
        module = sys.modules.get(name)
        if module is not None and not isinstance(vars(module)[BIDI_AGENT[1]], StandIn):
            setattr(module, BIDI_AGENT[1], WorkflowBidi(vars(module)[BIDI_AGENT[1]]))
