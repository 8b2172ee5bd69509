"""Answers at once when temporalio asks a workflow what a payload belongs to, if nobody wants to know.

For each payload of a workflow task temporalio (1.35) enters the workflow's sandbox three or four times, in
the worker's main thread, to ask for the payload's context. Only a codec with `WithSerializationContext` and
an external storage look at it. With 200 agents at once this took a quarter of the main thread's CPU.
"""

from temporalio.converter import DataConverter, StorageDriverStoreContext, WithSerializationContext
from temporalio.worker import WorkflowInstance


def wants_contexts(converter: DataConverter) -> bool:
    """Tell whether a Worker's data converter looks at the contexts of payloads.

    The payload converter and the failure converter also take a context, but get theirs in the workflow.
    """
    codec = converter.payload_codec
    return converter.external_storage is not None or isinstance(codec, WithSerializationContext)


def answer_at_once(instance: WorkflowInstance) -> None:
    """Make `instance` answer without a context. Both methods are those of any `WorkflowInstance`."""
    setattr(instance, "get_serialization_context", _no_context)  # noqa: B010  # typed as a method
    setattr(instance, "get_external_store_context", _no_target)  # noqa: B010  # the same


def _no_context(command_info: object) -> None:
    """Return no context: temporalio then converts with the Worker's data converter as it is."""


def _no_target(command_info: object) -> StorageDriverStoreContext:
    return StorageDriverStoreContext(target=None)
