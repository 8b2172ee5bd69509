"""`strands-temporal console`: the console for a worker that runs elsewhere, in the browser."""

import asyncio
import os
import socket
from typing import Annotated, Any

import typer

_PORT = 8234
_TASK_QUEUE = "strands-temporal"


def console(
    ctx: typer.Context,
    agents: Annotated[
        list[str] | None,
        typer.Argument(metavar="AGENT", help="Names of the agents to show; by default all of the workers'."),
    ] = None,
    task_queue: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Task queue of the workers; by default that of dev's worker."),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=1, max=65535, help="Where to serve it, on this machine.")
    ] = _PORT,
    temporal_ui: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="TEMPORAL_UI_ADDRESS", help="Address of Temporal's Web UI, for links."
        ),
    ] = None,
    listen_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve the console: conversations with agents in the browser, on this machine alone."""
    try:
        serving = _serve(ctx.obj, agents or None, task_queue, port, temporal_ui, listen_fd)
        asyncio.run(serving)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("ag_ui", "starlette", "uvicorn"):
            raise
        typer.echo('The console needs the extra `web`: pip install "strands-temporal[web]"', err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    except OSError as error:
        typer.echo(f"Port {port}: {error.strerror or error}. Choose another one with --port", err=True)
        raise typer.Exit(1) from None


async def _serve(
    settings: Any,
    agents: list[str] | None,
    task_queue: str | None,
    port: int,
    temporal_ui: str | None,
    listen_fd: int | None,
) -> None:
    import uvicorn

    from .web import make_console

    client = await settings.connect()
    running = settings.running_dev
    if running is not None:
        os.environ.update(running.env)  # its worker's streams may go over a server of its own
    queue = task_queue or (running.task_queue if running else _TASK_QUEUE)
    app = make_console(
        client, agents, task_queue=queue, temporal_ui=temporal_ui, dev=lambda: settings.dev_of(queue)
    )
    with _socket(port, listen_fd) as listener:
        if listen_fd is None:
            url = f"http://127.0.0.1:{port}"
            typer.echo(f'{{"event": "console", "url": "{url}"}}' if settings.json else f"Console    {url}")
        config = uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        await uvicorn.Server(config).serve(sockets=[listener])


def _socket(port: int, listen_fd: int | None) -> socket.socket:
    """Return a socket of this machine alone: the one that `dev` has opened, or one at a port."""
    if listen_fd is not None:
        return socket.socket(fileno=listen_fd)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener
