"""The workflow's side: publishes what the run knows of its agents, besides the model's own stream."""

from strands.hooks import HookRegistry
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream
from typing_extensions import override

from ._hooks import LifeHooks
from ._life import life
from ._limits import StreamLimit


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
        stream: The workflow's stream.
        topic: The topic of the `AgentStream`. If None, the agent's own `streaming_topic`; `events` if the
            agent does not have one.
        state: Whether to publish changes of `agent.state` (`StateChanged`).
        limit: How much of the stream the workflow keeps; None keeps everything until you `truncate` it. The
            first `StreamHooks` of a run decides.
    """

    def __init__(
        self,
        stream: WorkflowStream,
        topic: str | None = None,
        *,
        state: bool = False,
        limit: StreamLimit | None = StreamLimit(),  # noqa: B008  # frozen
    ) -> None:
        super().__init__(topic, shows_state=state)
        self._stream = stream
        self._limit = limit
        if workflow.in_workflow():
            life().attach(stream, limit)

    @override
    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        """See base class."""
        if workflow.in_workflow():
            life().attach(self._stream, self._limit)
            self.follow_all()
        super().register_hooks(registry, **kwargs)
