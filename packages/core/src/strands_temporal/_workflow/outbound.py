"""The interceptor for what a workflow sends. Adds headers to the activities of agents, and checks sizes.

A workflow with agents often passes on their answers: to its caller, its next run, a child workflow. If such a
value is too large, the run or the update fails with a reason. Without the check the workflow task would fail
forever.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

from temporalio import worker, workflow

from .._upstream.run_local import run_local
from .._wire.model_call import TRANSCRIPT_QUERY
from .gate import BY_REFERENCE, Gate
from .idempotency import ActivityHeadersInterceptor
from .sandbox_identities import sandbox_headers

_TRIM = (
    "Trim the conversation first: use a conversation manager, fewer or smaller tool results, or images by "
    "reference"
)


class Outbound(ActivityHeadersInterceptor):
    """Checks the size of values that workflow code with agents sends. Adds headers to our activities."""

    def continue_as_new(self, input: worker.ContinueAsNewInput) -> NoReturn:
        """See base class."""
        check_sent("continue_as_new", input.args, "continue_as_new: an input", _TRIM)
        input.headers = {**input.headers, **sandbox_headers()}
        super().continue_as_new(input)

    async def start_child_workflow(
        self, input: worker.StartChildWorkflowInput
    ) -> "workflow.ChildWorkflowHandle[Any, Any]":
        """See base class."""
        text = f"Child workflow {input.workflow!r}: an input"
        check_sent(f"child {input.workflow}", input.args, text, BY_REFERENCE)
        return await super().start_child_workflow(input)

    async def signal_child_workflow(self, input: worker.SignalChildWorkflowInput) -> None:
        """See base class."""
        check_sent(f"signal {input.signal}", input.args, f"Signal {input.signal!r}: an input", BY_REFERENCE)
        await super().signal_child_workflow(input)

    async def signal_external_workflow(self, input: worker.SignalExternalWorkflowInput) -> None:
        """See base class."""
        check_sent(f"signal {input.signal}", input.args, f"Signal {input.signal!r}: an input", BY_REFERENCE)
        await super().signal_external_workflow(input)


def has_agents() -> bool:
    """Tell whether this run has an agent. A run without one may send anything."""
    return workflow.get_query_handler(TRANSCRIPT_QUERY) is not None


def check_sent(kind: str, values: Sequence[Any], text: str, advice: str) -> None:
    """Refuse a value that workflow code sends, if the value is too large and the run has agents.

    Raises:
        PayloadTooLargeError: See `Gate.check`.
    """
    if has_agents():
        run_local(Gate).check(kind, values, text, advice)
