"""Argument checks for `TemporalModel`: a bad value fails where it is passed, not later in an activity."""

from collections.abc import Mapping
from datetime import timedelta

from strands.models import Model
from strands.models.routing import ModelRouter
from temporalio import workflow

from .._errors import AgentTypeError, AgentValueError, MissingPluginError
from .._upstream.run_local import run_local
from .._wire.extras import check_extra
from .gate import Gate

FACTORY_HINT = (
    "Register its factory in StrandsPlugin(models={name: factory}) on the worker and give the name here"
)


def check_router(owner: str, router: ModelRouter, durable: type[Model]) -> None:
    """Refuse a router of real models, at any depth.

    Raises:
        AgentTypeError: If a candidate is not a handle.
    """
    for candidate in router.candidates:
        if isinstance(candidate.model, ModelRouter):
            check_router(owner, candidate.model, durable)
        elif not isinstance(candidate.model, durable):
            raise AgentTypeError(
                f"{owner}: {type(candidate.model).__name__} in the ModelRouter would do its I/O inside the "
                "workflow. Register its factory in StrandsPlugin(models={name: factory}) on the worker and "
                "route to TemporalModel(name)"
            )


def check_name(name: object) -> None:
    if name is not None and not isinstance(name, str):
        raise AgentTypeError(f"TemporalModel: the name {name!r} is not a string but a {type(name).__name__}")
    if name == "":
        raise AgentValueError("TemporalModel: the name is empty. Leave it out for the plugin's default model")


def check_declared(name: str | None, stateful: object, limit: object, config: object) -> None:
    owner = f"TemporalModel({name!r})"
    if stateful is not None and not isinstance(stateful, bool):
        raise AgentTypeError(f"{owner}: stateful={stateful!r} is not True or False")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool)):
        raise AgentTypeError(f"{owner}: context_window_limit={limit!r} is not a number of tokens")
    if isinstance(limit, int) and limit <= 0:
        raise AgentValueError(f"{owner}: context_window_limit={limit!r} is not positive")
    if config is not None and not isinstance(config, Mapping):
        raise AgentTypeError(f"{owner}: config={config!r} is not a mapping. Write config={{'model_id': ...}}")


def check_streaming(owner: str, topic: object, interval: object, task_queue: object) -> None:
    if topic is not None and not isinstance(topic, str):
        raise AgentTypeError(
            f"{owner}: streaming_topic={topic!r} is not a string but a {type(topic).__name__}"
        )
    if topic == "":
        raise AgentValueError(f"{owner}: streaming_topic is empty. Leave it out to stream nothing")
    if not isinstance(interval, timedelta):
        raise AgentTypeError(
            f"{owner}: streaming_batch_interval={interval!r} is not a timedelta. Write "
            "timedelta(milliseconds=...)"
        )
    if interval < timedelta(milliseconds=1):
        raise AgentValueError(f"{owner}: streaming_batch_interval={interval!r} is shorter than a millisecond")
    if topic is not None and task_queue is None:  # the activity runs where the workflow runs
        check_extra("streaming", f"{owner}: streaming_topic={topic!r}")


STREAM_SIGNAL = "__temporal_workflow_stream_publish"
"""Signal that a `WorkflowStream` handles, named in the docstring of temporalio's class. A handler for it
means that the workflow has a stream."""


def check_use(owner: str, topic: str | None, itself: str = "the model") -> None:
    """Refuse a call outside of a workflow, and a topic if the workflow has no stream.

    The events for a topic without a stream would be buffered forever.

    Args:
        owner: The handle, for messages.
        topic: The topic, or None.
        itself: Name of the replacement outside of a workflow, for the message.

    Raises:
        RuntimeError: Outside of a workflow.
        MissingPluginError: If the worker has no `StrandsPlugin`.
        AgentValueError: If the workflow has no stream.
    """
    if not workflow.in_workflow():
        raise RuntimeError(f"{owner} works inside a Temporal workflow only; outside, use {itself} itself")
    if not run_local(Gate).prepared:
        raise MissingPluginError(f"Workflow {workflow.info().workflow_type!r}")
    if topic is not None and workflow.get_signal_handler(STREAM_SIGNAL) is None:
        raise AgentValueError(
            f"{owner}: streaming_topic={topic!r} needs a stream on this workflow, and there is none. Write "
            "`self.stream = WorkflowStream()` in the workflow's __init__ (from "
            "temporalio.contrib.workflow_streams import WorkflowStream)"
        )


def warn_of_unknown(owner: str, arguments: Mapping[str, object], warned: set[str]) -> None:
    """Warn once about each argument that a newer Strands passes and that is not sent to the worker.

    Args:
        owner: The handle, for messages.
        arguments: The arguments of `Model.stream` that this release does not know.
        warned: The arguments that this run has already warned about. New ones are added.
    """
    for name in arguments:
        if f"argument {name}" not in warned:
            warned.add(f"argument {name}")
            workflow.logger.warning(
                "model=<%s>, argument=<%s> | this release does not know the argument; the model on the "
                "worker does not get it",
                owner,
                name,
            )
