"""`strands-temporal dev`: a dev server and a worker for the user's file, reloaded on change."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from ._app import run_async, settings
from ._chat_start import chat_here
from ._dev_models import AUTO, CHOICES
from ._dev_parent import DevOptions, DevParent
from ._dev_screen import DevScreen
from ._dev_services import Ports
from ._dev_target import TargetError, parse_target
from ._dev_watch import Watch
from ._leaving import leaving_dev
from ._settings import TASK_QUEUE, Settings


def dev(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(metavar="TARGET", help="FILE.py or a module; with :NAME one workflow or agent of it."),
    ],
    task_queue: Annotated[str, typer.Option(metavar="NAME", help="The worker's task queue.")] = TASK_QUEUE,
    model: Annotated[
        str,
        typer.Option(
            metavar="|".join(CHOICES),
            help="The model: the module's own or the environment's (auto), a small real one on this machine "
            "(local), or one that repeats what you say (scripted).",
        ),
    ] = AUTO,
    reload: Annotated[bool, typer.Option(help="Replace the worker when a file changes.")] = True,
    watch: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", exists=True, help="Another file or folder to watch. May be repeated."),
    ] = None,
    chat: Annotated[
        bool, typer.Option("--chat", help="Chat with the agent in this terminal, until you leave.")
    ] = False,
    console: Annotated[
        bool, typer.Option(help="Serve the console, a page in the browser. It needs the extra `web`.")
    ] = True,
    console_port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=1, max=65535, help="The console's port; 8234 if it is free."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=1, max=65535, help="The server's port; 7233 if it is free."),
    ] = None,
    ui_port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=1, max=65535, help="The Web UI's port; 8233 if it is free."),
    ] = None,
    nats: Annotated[
        bool,
        typer.Option("--nats", help="Start a NATS server too. What agents stream then goes over it."),
    ] = False,
    db_filename: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the workflows here, for the next start.")
    ] = None,
) -> None:
    """Start a Temporal dev server and a worker with everything in a file. Ctrl+C ends both.

    With --address or TEMPORAL_ADDRESS it uses the server that runs there and starts only the worker.
    """
    if model not in CHOICES:
        raise typer.BadParameter(f"--model {model!r} is not one of {', '.join(CHOICES)}")
    try:
        parsed = parse_target(target)
    except TargetError as error:
        raise typer.BadParameter(str(error)) from error
    common = settings(ctx)
    if chat and common.json:
        raise typer.BadParameter("--chat is for a person, and --json for a program. Give one of them")
    ports = Ports(port, ui_port, db_filename)
    options = DevOptions(target, task_queue, model, ports, reload, nats, console, console_port)
    watched = Watch(parsed.folder, watch or [])
    code = run_async(_run(options, common, watched, DevScreen(json=common.json), chat=chat))
    raise typer.Exit(code)


async def _run(
    options: DevOptions, common: Settings, watched: Watch, screen: DevScreen, *, chat: bool
) -> int:
    leaving = leaving_dev(common, options.target, options.ports.db_filename)
    chatting = functools.partial(chat_here, leaving) if chat else None
    return await DevParent(options, common, watched, screen, chatting).run()
