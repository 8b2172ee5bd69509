"""Refuses data that only a newer release can read."""

from typing import Any

from temporalio.exceptions import ApplicationError

from .._errors import AgentTypeError
from .model_call import WIRE_VERSION_UNKNOWN


def check_wire_version(
    what: str, version: Any, known: int, package: str = "strands-temporal", *, in_workflow: bool = False
) -> None:
    """Refuse data that a newer release sent.

    Args:
        what: Name of the data, for messages: "A model call".
        version: The wire version of the data.
        known: The newest wire version that this release knows.
        package: The package whose layouts the version counts.
        in_workflow: True for an activity's answer that reached a workflow. False for a request that reached a
            worker: the next attempt may reach a newer worker.

    Raises:
        AgentTypeError: If the version is no number.
        ApplicationError: Type "WireVersionUnknown" if the version is newer. Not retryable in a workflow.
    """
    if not isinstance(version, int):
        raise AgentTypeError(f"{what} cannot be read: its version {version!r} is no number")
    if version <= known:
        return
    if in_workflow:
        reader, writer, then = "workflow", "ran the activity", ""
    else:
        reader, writer, then = "worker", "runs the workflow", "; it is retried"
    raise ApplicationError(
        f"{what} of wire version {version} reached a {reader} that knows {known}: a newer {package} "
        f"{writer}. Upgrade this worker{then}",
        type=WIRE_VERSION_UNKNOWN,
        non_retryable=in_workflow,
    )
