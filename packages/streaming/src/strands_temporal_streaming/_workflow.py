"""The workflow's side: publishes what the run knows of its agents, besides the model's own stream."""

from functools import partial

from strands.hooks import BeforeInvocationEvent, BeforeMultiAgentInvocationEvent, HookRegistry
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream
from typing_extensions import override

from strands_temporal import AgentValueError
from strands_temporal.extension import listen_to_notes

from ._hooks import LifeHooks
from ._life import life
from ._limits import StreamLimit
from ._notes import publish_note
from ._turns import executor_name


class StreamHooks(LifeHooks):
    """Publishes an agent's life to the workflow's own stream.

    That is turns, calls of models and tools, decisions, questions, sub-agents, nodes and errors. Give it to
    the outermost agent:

        TemporalAgent(streaming_topic="events", hooks=[StreamHooks(self.stream)])

    It follows the agents that run inside that agent's tools. For a graph or swarm, give it to the team:
    `builder.set_hook_providers([StreamHooks(self.stream, "events")])`, `Swarm(hooks=[...])`. It appends to
    the stream in the workflow, so it costs no activity, signal or timer. `AgentStream` reads it.

    It also bounds the stream, and answers the query for a `Snapshot`.

    Args:
        stream: The workflow's stream. None is the stream of the agent's `Conversation`, which exists without
            these hooks: they choose `state` and `limit`.
        topic: The topic of the `AgentStream`. If None, the agent's own `streaming_topic`; `events` if the
            agent does not have one.
        state: Whether to publish changes of `agent.state` (`StateChanged`).
        limit: How much of the stream the workflow keeps; None keeps everything until you `truncate` it. The
            first `StreamHooks` of a run decides.
    """

    def __init__(
        self,
        stream: WorkflowStream | None = None,
        topic: str | None = None,
        *,
        state: bool = False,
        limit: StreamLimit | None = StreamLimit(),  # noqa: B008  # frozen
    ) -> None:
        super().__init__(topic, shows_state=state)
        self._stream = stream
        self._limit = limit
        if workflow.in_workflow():
            self._attach()

    @override
    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        """See base class."""
        if workflow.in_workflow():
            self._attach()
            self.follow_all()
        if self._stream is None:
            registry.add_callback([BeforeInvocationEvent, BeforeMultiAgentInvocationEvent], _check_stream)
        super().register_hooks(registry, **kwargs)

    def _attach(self) -> None:
        current = life()
        current.limits.append(self._limit)
        if self._stream is not None and current.attach(self._stream):
            listen_to_notes(partial(publish_note, current))


def _check_stream(event: BeforeInvocationEvent | BeforeMultiAgentInvocationEvent) -> None:
    """Refuse an agent whose hooks have no stream to publish to.

    Raises:
        AgentValueError: If the workflow has no stream.
    """
    if workflow.in_workflow() and not life().is_attached:
        executor = event.agent if isinstance(event, BeforeInvocationEvent) else event.source
        raise AgentValueError(
            f"StreamHooks() of {executor_name(executor)!r} has no stream. Without one it is for the agent of "
            "a Conversation. Elsewhere, write self.stream = WorkflowStream() in the workflow's __init__, and "
            "StreamHooks(self.stream)"
        )
