"""The failure with which a workflow ends."""

from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal.testing import AgentEnvironment


async def failure_of(env: AgentEnvironment, run: Any, *args: Any) -> ApplicationError:
    """Run a workflow that fails, and return its failure."""
    with pytest.raises(WorkflowFailureError) as failure:
        await env.run(run, *args)
    assert isinstance(failure.value.cause, ApplicationError)
    return failure.value.cause
