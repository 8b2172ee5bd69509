"""What an agent can do, in AG-UI's words."""

from typing import Any

from ag_ui.core import Tool
from ag_ui.core.capabilities import (
    AgentCapabilities,
    HumanInTheLoopCapabilities,
    IdentityCapabilities,
    MultimodalCapabilities,
    MultimodalInputCapabilities,
    ReasoningCapabilities,
    StateCapabilities,
    ToolsCapabilities,
    TransportCapabilities,
)

from strands_temporal import AgentDescription


def capabilities(agent: AgentDescription, *, people: bool) -> dict[str, Any]:
    """Return an agent's description and capabilities, as JSON values.

    Args:
        agent: The agent, as its worker describes it.
        people: Whether people can answer its questions.
    """
    items = [Tool(name=name, description="Runs in the front end") for name in agent.client_tools]
    told = AgentCapabilities(
        identity=IdentityCapabilities(
            name=agent.name, type="strands-temporal", description=agent.description
        ),
        transport=TransportCapabilities(streaming=True, websocket=False, http_binary=False, resumable=True),
        tools=ToolsCapabilities(supported=True, client_provided=bool(items), items=items or None),
        state=StateCapabilities(snapshots=True, deltas=True, persistent_state=True),
        reasoning=ReasoningCapabilities(supported=True, streaming=True, encrypted=False),
        multimodal=MultimodalCapabilities(
            input=MultimodalInputCapabilities(image=True, audio=False, video=True, pdf=True, file=True)
        ),
        human_in_the_loop=HumanInTheLoopCapabilities(
            supported=True, approvals=people, interrupts=True, approve_with_edits=False
        ),
        custom={"inputSchema": agent.input_schema} if agent.input_schema else None,
    )
    return {"description": agent.description, "capabilities": told.model_dump(by_alias=True, mode="json")}
