"""The typer app of `strands-temporal`: the common options, the commands, and the exit codes.

The common options stand before the command or after it: `run` adds them to each command, also to those of
siblings. A command reads them from `ctx.obj`, a `Settings`.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 after Ctrl+C.
"""

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from importlib.metadata import entry_points
from typing import Annotated, Any, TypeVar, cast

import typer
from temporalio.service import RPCError

from ._output import say
from ._settings import GROUP, CommandError, Settings

T = TypeVar("T")


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        command().main(list(arguments), prog_name="strands-temporal", obj=Settings())
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except (CommandError, RPCError) as error:
        say(str(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def command() -> Any:
    """Return the whole command, in which each command has the common options."""
    whole: Any = typer.main.get_command(_app())
    _share_options(whole, whole.params)
    return whole


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine. Ctrl+C cancels it and ends the command with exit code 130."""
    try:
        return asyncio.run(main)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def settings(ctx: typer.Context) -> Settings:
    """Return the common options of a command."""
    return cast("Settings", ctx.obj)


def _app() -> typer.Typer:
    app = typer.Typer(
        name="strands-temporal",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,
    )
    app.callback()(_root)
    from .chat import chat  # the files of commands import this one
    from .dev import dev
    from .doctor import doctor
    from .history import history
    from .replay import replay

    # One line for each command, in the order of --help: app.command("NAME")(function of its file).
    app.command("dev")(dev)
    app.command("chat")(chat)
    app.command("history")(history)
    app.command("doctor")(doctor)
    app.command("replay")(replay)
    for entry_point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        added = entry_point.load()
        if isinstance(added, typer.Typer):
            app.add_typer(added, name=entry_point.name)
        else:
            app.command(entry_point.name)(added)
    return app


def _note(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    """Keep a common option that was given. One after the command wins over one before it."""
    if value is not None and value is not False and not ctx.resilient_parsing:
        name = "json" if param.name == "as_json" else str(param.name)
        setattr(ctx.find_root().obj, name, value)
    return value


_PANEL = "Connection"


def _shared(*flags: str, **settings: Any) -> Any:
    """Return a common option, which `_note` keeps."""
    return typer.Option(*flags, expose_value=False, callback=_note, **settings)


def _root(
    address: Annotated[str | None, _shared(metavar="HOST:PORT", help="The Temporal server.")] = None,
    namespace: Annotated[str | None, _shared(metavar="NAME", help="The namespace of the workflows.")] = None,
    timeout: Annotated[
        float | None,
        _shared(metavar="SECONDS", help="How long a workflow may take to answer; 10 by default."),
    ] = None,
    codec_endpoint: Annotated[
        str | None, _shared(metavar="URL", help="Address of a remote codec, for encrypted workflows.")
    ] = None,
    codec_auth: Annotated[
        str | None, _shared(metavar="TEXT", help="Authorization header for the remote codec.")
    ] = None,
    data_converter: Annotated[
        str | None,
        _shared(metavar="MODULE:ATTRIBUTE", help="The workers' DataConverter, to be imported."),
    ] = None,
    as_json: Annotated[bool, _shared("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Run, use and look at durable Strands agents.

    Connects as Temporal's own tools do: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY,
    TEMPORAL_TLS..., TEMPORAL_CODEC_ENDPOINT and TEMPORAL_CODEC_AUTH, or the configuration file. The options
    win.
    """


_SHARED = ("address", "namespace", "timeout", "codec_endpoint", "codec_auth", "data_converter", "as_json")


def _share_options(group: Any, options: Sequence[Any]) -> None:
    """Add the common options to each command below this group, unless it has one of that name."""
    for child in getattr(group, "commands", {}).values():
        own = {flag for param in child.params for flag in param.opts}
        if not hasattr(child, "commands"):
            child.params += [o for o in options if o.name in _SHARED and not own.intersection(o.opts)]
        _share_options(child, options)
