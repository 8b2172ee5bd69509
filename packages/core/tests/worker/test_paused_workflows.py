"""How a paused workflow is recognized: the server's statuses and temporalio's errors."""

from typing import Any

import pytest
from temporalio.api.enums.v1 import WorkflowExecutionStatus as RawStatus
from temporalio.client import WorkflowExecutionStatus, WorkflowQueryRejectedError

from strands_temporal._worker.paused_workflows import tells_of_a_pause
from strands_temporal.extension import OPEN_STATUSES, workflow_status_name


class Later:
    """A status that a later temporalio may have."""

    def __repr__(self) -> str:
        return "<WorkflowExecutionStatus.PAUSED: 8>"


def of_today() -> Exception:
    with pytest.raises(ValueError, match="8 is not a valid") as raised:
        WorkflowExecutionStatus(8)
    return raised.value


def test_a_pause_is_recognized_today_and_by_a_later_temporalio() -> None:
    later: Any = Later()
    assert tells_of_a_pause(of_today())
    assert tells_of_a_pause(WorkflowQueryRejectedError(later))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("sealed with another key"),
        RuntimeError("WorkflowExecutionStatus"),
        WorkflowQueryRejectedError(WorkflowExecutionStatus.COMPLETED),
        WorkflowQueryRejectedError(None),
    ],
)
def test_other_errors_are_none(error: Exception) -> None:
    assert not tells_of_a_pause(error)


def test_the_servers_statuses_have_their_names() -> None:
    names = {workflow_status_name(status) for status in RawStatus.values()}
    assert {"RUNNING", "PAUSED", "COMPLETED", "CONTINUED_AS_NEW"} <= names
    assert names >= OPEN_STATUSES
