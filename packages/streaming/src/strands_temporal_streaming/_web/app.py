"""The ASGI app: routes, who may do what, and limits."""

import ipaddress
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.client import Client
from temporalio.service import RPCError

from strands_temporal import ConversationError

from .answers import Answers, load_parts
from .capabilities import capabilities
from .errors import BAD_REQUEST, NOT_ALLOWED, NOT_FOUND, TOO_LARGE, UNREACHABLE, WebError
from .inputs import check_id, read_input
from .runs import Runs
from .sse import Position, Sent, SSEResponse
from .threads import Thread, Threads

logger = logging.getLogger(__name__)

Authorize: TypeAlias = Callable[[Request, str, str | None], bool | str | Awaitable[bool | str]]
"""Tells whether a request may use an agent, and a thread of it if there is one. It returns the name of the
person, which decisions record, or True or False."""

_Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
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
    ) -> None:
        self._agents = agents
        self._authorize = authorize
        self._origins = frozenset(origins)
        self._limits = limits
        self._threads = Threads(client, agents, task_queue)
        self._answers = Answers(client, load_parts(client))
        self._runs = Runs(client, self._threads, self._answers)
        self._readers = 0

    def starlette(self) -> Starlette:
        """Return the ASGI app."""
        endpoints: list[tuple[str, str, _Endpoint]] = [
            ("GET", "/agents", self._list_agents),
            ("GET", "/agents/{agent}", self._describe_agent),
            ("POST", "/agents/{agent}", self._run),
            ("GET", "/threads", self._list_threads),
            ("GET", "/threads/{thread:path}/events", self._events),
            ("POST", "/threads/{thread:path}/cancel", self._cancel),
            ("GET", "/threads/{thread:path}", self._describe_thread),
        ]
        routes = [Route(path, self._guarded(answer), methods=[method]) for method, path, answer in endpoints]
        cors = Middleware(
            CORSMiddleware,
            allow_origins=sorted(self._origins),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "last-event-id"],
        )
        handlers: dict[Any, Any] = {
            WebError: _web_error,
            HTTPException: _http_error,
            ClientDisconnect: _http_error,
            Exception: _server_error,
        }
        return Starlette(
            routes=routes, middleware=[cors] if self._origins else [], exception_handlers=handlers
        )

    # --- Agents

    async def _list_agents(self, request: Request) -> Response:
        described = await self._threads.descriptions()
        people = self._answers.has_parts
        shown = [
            {"name": name, **capabilities(described[name], people=people)}
            for name in self._agents
            if name in described and await self._may(request, name, None)
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
        by = await self._check(request, name, asked.thread)
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
        threads = await self._threads.listed(int(limit), agent)
        shown = [one for one in threads if await self._may(request, one.agent, one.id)]
        return JSONResponse({"threads": [{"threadId": one.id, "agent": one.agent} for one in shown]})

    async def _describe_thread(self, request: Request) -> Response:
        thread, _ = await self._thread(request)
        state = await self._threads.state(thread.id)
        return JSONResponse(
            {
                "threadId": thread.id,
                "agent": thread.agent,
                "status": state.status,
                "turn": state.turn,
                "queued": state.queued,
                "usage": state.usage,
            }
        )

    async def _events(self, request: Request) -> Response:
        """Show a thread: its latest turn, and then what happens. `Last-Event-ID` goes on after an event."""
        last = request.headers.get("last-event-id") or request.query_params.get("lastEventId")
        after = Position.parse(last) if last else None
        thread, _ = await self._thread(request)
        await self._threads.requests(thread.id)  # else an error now, and not an empty stream
        return self._stream(self._runs.events(thread.id, after))

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

    # --- Who may do what

    def _guarded(self, answer: _Endpoint) -> _Endpoint:
        """Return an endpoint that first looks where a request comes from."""

        async def endpoint(request: Request) -> Response:
            self._check_origin(request)
            if self._authorize is None:
                self._check_local(request)
            return await answer(request)

        return endpoint

    async def _agent(self, request: Request) -> str:
        name = request.path_params["agent"]
        if name not in self._agents:
            raise WebError(f"There is no agent {name!r}", NOT_FOUND, 404)
        await self._check(request, name, None)
        return name

    async def _thread(self, request: Request) -> tuple[Thread, str]:
        """Return the thread of a request, and who asks. Whoever may not see it is told that there is none."""
        id_ = request.path_params["thread"]
        check_id("thread", id_)
        found = await self._threads.find(id_)
        if found is not None:
            by = await self._person(request, found.agent, found.id)
            if by is not None:
                return found, by
        raise WebError(f"There is no thread {id_!r}", NOT_FOUND, 404)

    async def _may(self, request: Request, agent: str, thread: str | None) -> bool:
        return await self._person(request, agent, thread) is not None

    async def _check(self, request: Request, agent: str, thread: str | None) -> str:
        """Return who asks.

        Raises:
            WebError: If they may not.
        """
        by = await self._person(request, agent, thread)
        if by is None:
            raise WebError("This is not allowed", NOT_ALLOWED, 403)
        return by

    async def _person(self, request: Request, agent: str, thread: str | None) -> str | None:
        if self._authorize is None:
            return "local"
        answer: Any = self._authorize(request, agent, thread)
        if isinstance(answer, Awaitable):
            answer = await cast("Awaitable[Any]", answer)
        if isinstance(answer, str) and answer:
            return answer
        return "web" if answer is True else None

    def _check_local(self, request: Request) -> None:
        """Refuse what does not come from this machine: without `authorize` nobody is asked who they are.

        A page of another site could reach this server through the person's browser, so the host must be a
        local name as well. What a proxy passes on comes from elsewhere.
        """
        client = request.client.host if request.client else ""
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        passed_on = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
        if not _is_loopback(client) or host not in _LOCAL_HOSTS or passed_on:
            raise WebError(
                "This server answers only this machine. Give agent_app(authorize=...) to open it",
                NOT_ALLOWED,
                403,
            )

    def _check_origin(self, request: Request) -> None:
        """Refuse requests of pages of other sites, which a browser sends with the person's cookies."""
        origin = request.headers.get("origin")
        if origin is None or origin in self._origins:
            return
        if urlsplit(origin).netloc != request.headers.get("host", ""):
            raise WebError(f"Pages of {origin[:100]!r} may not use this server", NOT_ALLOWED, 403)

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


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _error(message: str, code: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    event = {"type": "RUN_ERROR", "message": message, "code": code}
    return Response(
        json.dumps(event),
        status,
        {"x-content-type-options": "nosniff", **(headers or {})},
        "application/json",
    )


async def _web_error(request: Request, error: Exception) -> Response:
    del request
    told = cast("WebError", error)
    return _error(told.message, told.code, told.status)


async def _http_error(request: Request, error: Exception) -> Response:
    del request
    if not isinstance(error, HTTPException):
        return _error("The client has gone", BAD_REQUEST, 400)
    code = {401: NOT_ALLOWED, 403: NOT_ALLOWED, 404: NOT_FOUND}.get(error.status_code, BAD_REQUEST)
    return _error(str(error.detail), code, error.status_code, error.headers)


async def _server_error(request: Request, error: Exception) -> Response:
    logger.error("path=<%s> | the request failed", request.url.path, exc_info=error)
    return _error("The server failed", "INTERNAL", 500)
