"""The workflows for agents by name: a conversation with one, and the list of them."""

from temporalio import workflow

from .._wire.conversations import (
    AGENT_LIST_WORKFLOW,
    AGENT_WORKFLOW,
    AGENTS,
    AgentDescription,
    ConversationEnd,
    ConversationStart,
)
from .agent_definitions import AgentDefinition, agent_named, agents_of_this_worker
from .client_tool import client_tool_names
from .conversation_views import add_query
from .conversations import Conversation
from .log_lines import log_line
from .made_agents import make_agent_of


@workflow.defn(name=AGENT_WORKFLOW)
class AgentWorkflow:
    """A conversation with an agent of `StrandsPlugin(agents=...)`, which registers this workflow.

        await client.start_workflow(
            AgentWorkflow.run, ConversationStart(agent="support"), id="chat-1", task_queue="agents"
        )

    It has the updates, the signal and the queries of `Conversation`, and the query `agents`.
    `ConversationClient` is its client.
    """

    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        definition = agent_named(start.agent)
        self._chat = Conversation(start, definition.maker(str(start.agent)), **definition.options)
        self._own = start.agent
        add_query(AGENTS, self._descriptions, "The agents that can be started by name, as JSON. No arguments")

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        """Answer messages until the conversation ends."""
        del start
        return await self._chat.run()

    def _descriptions(self) -> list[AgentDescription]:
        """Return the descriptions, by name. Only of its own agent this workflow knows the client tools."""
        tools = client_tool_names(self._chat.agent)
        agents = sorted(agents_of_this_worker().items())
        return [agent.describe(name, tools if name == self._own else ()) for name, agent in agents]


@workflow.defn(name=AGENT_LIST_WORKFLOW)
class AgentListWorkflow:
    """Returns the agents of `StrandsPlugin(agents=...)` on a worker. `ConversationClient.agents` runs it."""

    @workflow.run
    async def run(self) -> list[AgentDescription]:
        """Return the descriptions, by name."""
        agents = sorted(agents_of_this_worker().items())
        return [agent.describe(name, _client_tools(name, agent)) for name, agent in agents]


def _client_tools(name: str, definition: AgentDefinition) -> list[str]:
    """Return the names of an agent's client tools. An agent that needs arguments is not asked for them."""
    try:
        return client_tool_names(make_agent_of(name, definition.maker(name), {}))
    except Exception as error:  # noqa: BLE001  # the user's function; the list is for all agents
        log_line("the client tools of an agent are not known", agent=name, error=str(error))
        return []
