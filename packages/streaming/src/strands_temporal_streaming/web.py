"""AG-UI 1.0 over SSE for durable agents, and the console: ASGI apps. Needs the extra `web`.

    app = agent_app(client, agents=["support"], task_queue="agents", authorize=authorize)
    page = console_app(client, agents=["support"], task_queue="agents", authorize=authorize)

Serve them with any ASGI server, alone or mounted in another app. See docs/front-ends.md and docs/console.md.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from starlette.applications import Starlette
from temporalio.client import Client

from strands_temporal import AgentTypeError, AgentValueError

from ._transport import StreamTransport, check_transport
from ._web.access import Access, Authorize
from ._web.agents import AnyAgent
from ._web.app import App, WebLimits
from ._web.console import Console, Dev
from ._web.parts import console_parts

__all__ = ["Authorize", "WebLimits", "agent_app", "console_app"]


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
    arguments = _arguments("agent_app", agents, authorize)
    if isinstance(allowed_origins, str) or "*" in allowed_origins:
        raise AgentValueError(
            f"agent_app: allowed_origins={allowed_origins!r}. Name each origin: ['https://app.example']"
        )
    check_transport("agent_app", transport)
    return App(client, arguments, task_queue, authorize, allowed_origins, limits, transport).starlette()


def console_app(
    client: Client,
    agents: Sequence[str] | Mapping[str, Mapping[str, Any]] | None = None,
    *,
    task_queue: str,
    authorize: Authorize | None = None,
    temporal_ui: str | None = None,
    limits: WebLimits = WebLimits(),  # noqa: B008  # frozen
    transport: StreamTransport | None = None,
) -> Starlette:
    """Return an ASGI app with the console: a page for conversations with agents, and `agent_app` below it.

    Args:
        client: A client with the data converter of the agents' workers.
        agents: As for `agent_app`. None is all agents that the workers offer, for this machine alone.
        task_queue: Task queue of the agents' workers.
        authorize: As for `agent_app`. Whoever may use one of the agents gets the page. Without it the app
            answers only requests from this machine, and has the pages that other packages add, such as the
            inbox of strands-temporal-hitl.
        temporal_ui: Address of Temporal's Web UI, to which the page has links; None without links.
        limits: What a request may cost.
        transport: The transport of the workers' `StreamingPlugin`; None for the workflow's own log.

    Raises:
        AgentValueError: If there are no agents, or `authorize` is given without `agents`.
        AgentTypeError: If an argument has a wrong type.
    """
    return make_console(
        client,
        agents,
        task_queue=task_queue,
        authorize=authorize,
        temporal_ui=temporal_ui,
        limits=limits,
        transport=transport,
    )


def make_console(
    client: Client,
    agents: Sequence[str] | Mapping[str, Mapping[str, Any]] | None,
    *,
    task_queue: str,
    authorize: Authorize | None = None,
    temporal_ui: str | None = None,
    limits: WebLimits = WebLimits(),  # noqa: B008  # frozen
    transport: StreamTransport | None = None,
    dev: Callable[[], Dev | None] | None = None,
) -> Starlette:
    """Return the app of `console_app`. Private: with `dev`, the page has a button that kills its worker."""
    if agents is None and authorize is not None:
        raise AgentValueError('console_app: name the agents that `authorize` opens: agents=["support"]')
    if temporal_ui is not None and not temporal_ui.startswith(("http://", "https://")):
        raise AgentValueError(f"console_app: temporal_ui={temporal_ui!r} is not an http or https address")
    check_transport("console_app", transport)
    arguments = AnyAgent() if agents is None else _arguments("console_app", agents, authorize)
    console = Console(
        App(client, arguments, task_queue, authorize, (), limits, transport).starlette(),
        namespace=client.namespace,
        agents=list(arguments),
        access=Access(authorize, ()),
        temporal_ui=temporal_ui,
        dev=dev,
        parts=console_parts(client) if authorize is None else None,
    )
    return console.starlette()


def _arguments(
    name: str, agents: Sequence[str] | Mapping[str, Mapping[str, Any]], authorize: Authorize | None
) -> Mapping[str, Mapping[str, Any]]:
    """Check what both apps take. Return the arguments of the agents, by name."""
    if isinstance(agents, str) or not all(isinstance(cast("Any", each), str) for each in agents):
        raise AgentTypeError(f'{name}: agents={agents!r} is not a list of names. Write agents=["support"]')
    if not agents:
        raise AgentValueError(f'{name}: there are no agents. Write agents=["support"]')
    if authorize is not None and not callable(authorize):
        raise AgentTypeError(f"{name}: authorize={authorize!r} is not a function")
    return agents if isinstance(agents, Mapping) else {each: dict[str, Any]() for each in agents}
