"""AG-UI 1.0 over SSE for durable agents: an ASGI app. Needs the extra `web`.

    app = agent_app(client, agents=["support"], task_queue="agents", authorize=authorize)

Serve it with any ASGI server, alone or mounted in another app. See docs/front-ends.md.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from starlette.applications import Starlette
from temporalio.client import Client

from strands_temporal import AgentTypeError, AgentValueError

from ._transport import StreamTransport, check_transport
from ._web.access import Authorize
from ._web.app import App, WebLimits

__all__ = ["Authorize", "WebLimits", "agent_app"]


def agent_app(
    client: Client,
    agents: Sequence[str] | Mapping[str, Mapping[str, Any]],
    *,
    task_queue: str,
    authorize: Authorize | None = None,
    allowed_origins: Sequence[str] = (),
    limits: WebLimits = WebLimits(),  # noqa: B008  # frozen
    transport: StreamTransport | None = None,
) -> Starlette:
    """Return an ASGI app with which front ends talk to agents of `StrandsPlugin(agents=...)`.

    A thread is a conversation: its id is the workflow's. A run is a message: its id is the update's, so a
    request that is sent again joins the run. The app keeps nothing: it may be restarted, or run many times.

    Args:
        client: A client with the data converter of the agents' workers.
        agents: Names of the agents that front ends may use; or, by name, the keyword arguments of the
            function that makes the agent.
        task_queue: Task queue of the agents' workers.
        authorize: Function, async or not, of the request, the agent's name and the thread's id (None if the
            request is about no thread). It returns the name of the person, which decisions record, or True,
            if they may, and False if not. Without it the app answers only requests from this machine.
        allowed_origins: Origins of other sites whose pages may use the app (CORS). By default none.
        limits: What a request may cost.
        transport: The transport of the workers' `StreamingPlugin`; None for the workflow's own log.

    Raises:
        AgentValueError: If there are no agents, or an origin is `*`.
        AgentTypeError: If an argument has a wrong type.
    """
    if isinstance(agents, str) or not all(isinstance(cast("Any", name), str) for name in agents):
        raise AgentTypeError(f'agent_app: agents={agents!r} is not a list of names. Write agents=["support"]')
    if not agents:
        raise AgentValueError('agent_app: there are no agents. Write agents=["support"]')
    if authorize is not None and not callable(authorize):
        raise AgentTypeError(f"agent_app: authorize={authorize!r} is not a function")
    if isinstance(allowed_origins, str) or "*" in allowed_origins:
        raise AgentValueError(
            f"agent_app: allowed_origins={allowed_origins!r}. Name each origin: ['https://app.example']"
        )
    check_transport("agent_app", transport)
    arguments = agents if isinstance(agents, Mapping) else {name: dict[str, Any]() for name in agents}
    return App(client, arguments, task_queue, authorize, allowed_origins, limits, transport).starlette()
