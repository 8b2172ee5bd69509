"""The check that refuses what only a newer release can read."""

from temporalio.exceptions import ApplicationError

from .model_call import WIRE_VERSION_UNKNOWN


def check_wire_version(
    what: str, version: int, known: int, package: str = "strands-temporal", *, in_workflow: bool = False
) -> None:
    """Refuse what crossed from a newer release.

    Args:
        what: What crossed, for messages: "A model call".
        version: Its wire version.
        known: The newest wire version that is known here.
        package: The package whose layouts the version counts.
        in_workflow: An activity's answer has reached a workflow. Otherwise a request has reached a worker,
            and may reach a newer one when it is tried again.

    Raises:
        ApplicationError: Type "WireVersionUnknown" if the version is newer; in a workflow not retryable.
    """
    if version <= known:
        return
    if in_workflow:
        reader, writer, then = "workflow", "ran the activity", ""
    else:
        reader, writer, then = "worker", "runs the workflow", "; it is tried again"
    raise ApplicationError(
        f"{what} of wire version {version} reached a {reader} that knows {known}: a newer {package} "
        f"{writer}. Upgrade this worker{then}",
        type=WIRE_VERSION_UNKNOWN,
        non_retryable=in_workflow,
    )
