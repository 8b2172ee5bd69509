"""The ASGI app: routes, endpoints, and what a request may cost."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.client import Client
from temporalio.service import RPCError

from strands_temporal import ConversationError, ConversationState

from .._transport import StreamTransport
from .access import Access, Authorize
from .agents import AnyAgent
from .answers import Answers, load_parts
from .attempts import tool_attempts
from .capabilities import capabilities
from .error_responses import error_handlers
from .errors import BAD_REQUEST, NOT_FOUND, TOO_LARGE, UNREACHABLE, WebError
from .inputs import check_id, read_input
from .listing import Listing
from .runs import Runs
from .sse import Position, Sent, SSEResponse
from .streams import Streams
from .thread_events import ThreadEvents
from .threads import Thread, Threads

_Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

_MOST_LISTED = 100


@dataclass(frozen=True)
class WebLimits:
    """What a request may cost the app.

    Attributes:
        body: Bytes of a request's body.
        readers: How many responses may stream at the same time.
        write_timeout: Seconds in which a reader must take what is sent to it, or is dropped.
        keep_alive: Seconds of silence after which a stream sends a comment.
    """

    body: int = 1024 * 1024
    readers: int = 1_000
    write_timeout: float = 30.0
    keep_alive: float = 15.0


class App:
    """The app's endpoints. `agent_app` makes it."""

    def __init__(
        self,
        client: Client,
        agents: Mapping[str, Mapping[str, Any]],
        task_queue: str,
        authorize: Authorize | None,
        origins: Sequence[str],
        limits: WebLimits,
        transport: StreamTransport | None,
    ) -> None:
        self._client = client
        self._agents = agents
        self._access = Access(authorize, origins)
        self._limits = limits
        self._threads = Threads(client, agents, task_queue)
        self._answers = Answers(client, load_parts(client))
        streams = Streams(client, transport)
        self._runs = Runs(streams, self._threads, self._answers)
        self._thread_events = ThreadEvents(streams, self._threads, self._answers)
        self._listing = Listing(client, self._threads)
        self._readers = 0

    def starlette(self) -> Starlette:
        """Return the ASGI app."""
        endpoints: list[tuple[str, str, _Endpoint]] = [
            ("GET", "/agents", self._list_agents),
            ("GET", "/agents/{agent}", self._describe_agent),
            ("POST", "/agents/{agent}", self._run),
            ("GET", "/threads", self._list_threads),
            ("GET", "/threads/{thread:path}/events", self._events),
            ("GET", "/threads/{thread:path}/attempts", self._attempts),
            ("POST", "/threads/{thread:path}/cancel", self._cancel),
            ("GET", "/threads/{thread:path}", self._describe_thread),
        ]
        routes = [Route(path, self._guarded(answer), methods=[method]) for method, path, answer in endpoints]
        cors = Middleware(
            CORSMiddleware,
            allow_origins=sorted(self._access.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "last-event-id"],
        )
        return Starlette(
            routes=routes,
            middleware=[cors] if self._access.origins else [],
            exception_handlers=error_handlers(),
        )

    # --- Agents

    async def _list_agents(self, request: Request) -> Response:
        described = await self._threads.descriptions()
        people = self._answers.has_parts
        shown = [
            {"name": name, **capabilities(described[name], people=people)}
            for name in (described if isinstance(self._agents, AnyAgent) else self._agents)
            if name in described and await self._access.may(request, name, None)
        ]
        return JSONResponse({"agents": shown})

    async def _describe_agent(self, request: Request) -> Response:
        name = await self._agent(request)
        described = (await self._threads.descriptions()).get(name)
        if described is None:
            raise WebError(f"No worker has the agent {name!r}", UNREACHABLE, 503)
        return JSONResponse({"name": name, **capabilities(described, people=self._answers.has_parts)})

    async def _run(self, request: Request) -> Response:
        """Run an agent: a `RunAgentInput`, answered by AG-UI events."""
        name = request.path_params["agent"]
        if name not in self._agents:
            raise WebError(f"There is no agent {name!r}", NOT_FOUND, 404)
        body = await self._body(request)
        described = (await self._threads.descriptions()).get(name)
        asked = read_input(body, described.client_tools if described else ())
        by = await self._access.check(request, name, asked.thread)
        await self._threads.open(asked.thread, name)
        return self._stream(self._runs.run(asked, by))

    # --- Threads

    async def _list_threads(self, request: Request) -> Response:
        agent = request.query_params.get("agent")
        if agent is not None and agent not in self._agents:
            raise WebError(f"There is no agent {agent!r}", NOT_FOUND, 404)
        limit = request.query_params.get("limit", str(_MOST_LISTED))
        if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= _MOST_LISTED):
            raise WebError(f"limit: {limit[:20]!r} is not a number from 1 to {_MOST_LISTED}", BAD_REQUEST)
        if _flag(request, "details"):
            found = await self._listing.listed(int(limit), agent)
            told = [one.to_json() for one in found if await self._access.may(request, one.agent, one.id)]
            return JSONResponse({"threads": told[: int(limit)]})
        threads = await self._threads.listed(int(limit), agent)
        shown = [one for one in threads if await self._access.may(request, one.agent, one.id)]
        return JSONResponse({"threads": [{"threadId": one.id, "agent": one.agent} for one in shown]})

    async def _describe_thread(self, request: Request) -> Response:
        thread, _ = await self._thread(request)
        try:
            state = await self._threads.state(thread.id, is_open=thread.is_open)
        except WebError:
            if thread.is_open:
                raise
            state = ConversationState(thread.status)  # it ended before a worker had it, or no worker is there
        return JSONResponse(
            {
                "threadId": thread.id,
                "agent": thread.agent,
                "status": state.status if thread.is_open else thread.status,
                "turn": state.turn,
                "queued": state.queued,
                "usage": state.usage,
                "isOpen": thread.is_open,
            }
        )

    async def _events(self, request: Request) -> Response:
        """Show a thread: its latest turn, and then what happens. `Last-Event-ID` goes on after an event."""
        last = request.headers.get("last-event-id") or request.query_params.get("lastEventId")
        after = Position.parse(last) if last else None
        thread, _ = await self._thread(request)
        # An error now, and not an empty stream.
        await self._threads.requests(thread.id, is_open=thread.is_open)
        details = _flag(request, "details")
        return self._stream(self._thread_events.after(thread.id, after, details=details))

    async def _attempts(self, request: Request) -> Response:
        """Tell how often Temporal has tried the latest tool calls."""
        thread, _ = await self._thread(request)
        return JSONResponse({"tools": await tool_attempts(self._client, thread.id)})

    async def _cancel(self, request: Request) -> Response:
        """Stop the turn that runs."""
        thread, _ = await self._thread(request)
        try:
            cancelled = await self._threads.chat(thread.id).cancel_turn()
        except ConversationError as error:
            raise WebError(str(error), type(error).__name__, 409) from error
        except RPCError as error:
            raise WebError(str(error), UNREACHABLE, 503) from error
        return JSONResponse({"cancelled": cancelled})

    # --- Who asks, and about what

    def _guarded(self, answer: _Endpoint) -> _Endpoint:
        """Return an endpoint that first looks where a request comes from."""

        async def endpoint(request: Request) -> Response:
            self._access.check_source(request)
            return await answer(request)

        return endpoint

    async def _agent(self, request: Request) -> str:
        name = request.path_params["agent"]
        if name not in self._agents:
            raise WebError(f"There is no agent {name!r}", NOT_FOUND, 404)
        await self._access.check(request, name, None)
        return name

    async def _thread(self, request: Request) -> tuple[Thread, str]:
        """Return the thread of a request, and who asks. Whoever may not see it is told that there is none."""
        id_ = request.path_params["thread"]
        check_id("thread", id_)
        found = await self._threads.find(id_)
        if found is not None:
            by = await self._access.person(request, found.agent, found.id)
            if by is not None:
                return found, by
        raise WebError(f"There is no thread {id_!r}", NOT_FOUND, 404)

    # --- Bodies and streams

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise WebError(f"Content-Type: {kind[:50]!r} is not application/json", BAD_REQUEST, 415)
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._limits.body:
                raise WebError(f"The body has more than {self._limits.body:,} bytes", TOO_LARGE, 413)
        return bytes(body)

    def _stream(self, events: AsyncGenerator[Sent, None]) -> Response:
        if self._readers >= self._limits.readers:
            raise WebError("Too many readers. Try again later", UNREACHABLE, 503)
        limits = self._limits
        return SSEResponse(
            self._counted(events), keep_alive=limits.keep_alive, write_timeout=limits.write_timeout
        )

    async def _counted(self, events: AsyncGenerator[Sent, None]) -> AsyncGenerator[Sent, None]:
        self._readers += 1
        try:
            async for sent in events:
                yield sent
        finally:
            self._readers -= 1
            await events.aclose()


def _flag(request: Request, name: str) -> bool:
    given = request.query_params.get(name, "false")
    if given not in ("true", "false"):
        raise WebError(f"{name}: {given[:20]!r} is neither true nor false", BAD_REQUEST)
    return given == "true"
