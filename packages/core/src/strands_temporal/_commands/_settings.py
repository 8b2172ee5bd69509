"""The options that every command has: the connection to Temporal, and `--json`."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from temporalio.client import Client, Plugin
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError

from .._worker.client_settings import client_settings
from .._worker.remote_codec import chosen_data_converter
from ._control import RunningDev, running_devs

DEFAULT_ADDRESS = "localhost:7233"
"""Where Temporal's own tools look for a server."""

TASK_QUEUE = "strands-temporal"
"""Task queue of `dev`'s worker, unless another one is named."""


GROUP = "strands_temporal.commands"
"""Entry point group: the name of a command -> its function, or a `typer.Typer` with commands below it."""


class CommandError(Exception):
    """A command was refused or failed. The text says why and what to do; the exit code is 1."""


@dataclasses.dataclass
class Settings:
    """The common options, as typed. The context of each command holds them as `ctx.obj`.

    A command that a sibling adds (entry point group `strands_temporal.commands`) uses `connect()`, `timeout`
    and `json` of `ctx.obj`, so it needs no connection options of its own.

    Attributes:
        address: `--address`, host:port.
        namespace: `--namespace`.
        timeout: `--timeout`, seconds that a workflow may take to answer.
        codec_endpoint: `--codec-endpoint`.
        codec_auth: `--codec-auth`.
        data_converter: `--data-converter`, as module:attribute.
        json: `--json`: print JSON, for programs.
    """

    address: str | None = None
    namespace: str | None = None
    timeout: float = 10.0
    codec_endpoint: str | None = None
    codec_auth: str | None = None
    data_converter: str | None = None
    json: bool = False

    @property
    def given_address(self) -> str | None:
        """The server's address from the option, the environment or Temporal's configuration file."""
        return self.address or client_settings().get("target_host")

    @property
    def running_dev(self) -> RunningDev | None:
        """The `strands-temporal dev` on this machine whose server these settings mean, if one runs.

        Without an address, it is the one that was started last.
        """
        return next(iter(self._devs()), None)

    def dev_of(self, task_queue: str) -> RunningDev | None:
        """Return the `strands-temporal dev` on this machine with a worker on this task queue, if one runs."""
        return next((dev for dev in self._devs() if dev.task_queue == task_queue), None)

    def _devs(self) -> list[RunningDev]:
        given = self.given_address
        return [dev for dev in running_devs() if given is None or _same(dev.address, given)]

    async def connect(self, *, plugins: Sequence[Plugin] = ()) -> Client:
        """Connect as Temporal's own tools do; the options win.

        Without an address, connects to the server of a `strands-temporal dev` that runs on this machine.

        Raises:
            CommandError: If the server does not answer, or an option is malformed.
        """
        config = self.connect_config()
        runtime = None if plugins else _quiet_runtime()  # a worker's may be the module's own, with metrics
        try:
            return await Client.connect(**config, plugins=plugins, runtime=runtime)
        except (RuntimeError, ValueError, RPCError) as error:  # refused, or malformed settings
            raise CommandError(
                f"Cannot connect to Temporal at {config['target_host']}: {error}. Start a server with "
                "`strands-temporal dev`, or name one that runs with --address or TEMPORAL_ADDRESS."
            ) from error

    async def tool_calls(self, workflow_id: str) -> list[dict[str, Any]]:
        """Return the calls that the models of a workflow asked for, in all its runs, oldest first.

        Reads the history, so it needs no worker. Each has `agent`, `tool` and `arguments`, as the model
        wrote them.

        Raises:
            CommandError: If the server does not answer, or does not know the workflow.
        """
        from .history import asked_calls  # it imports this module

        return await asked_calls(await self.connect(), workflow_id)

    def connect_config(self) -> dict[str, Any]:
        """Return the arguments for `Client.connect`.

        Raises:
            CommandError: If an option is malformed.
        """
        config = client_settings()
        given, dev = self.address or config.get("target_host"), self.running_dev
        config["target_host"] = given or (dev.address if dev else DEFAULT_ADDRESS)
        config["namespace"] = (
            self.namespace or config.get("namespace") or (dev.namespace if dev and not given else "default")
        )
        try:
            config["data_converter"] = chosen_data_converter(
                self.data_converter, self.codec_endpoint, self.codec_auth, config["namespace"]
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        return config


@functools.cache
def _quiet_runtime() -> Runtime:
    """Return a runtime that logs errors alone.

    By default Temporal's core writes a line for each request that it makes again while a server is away, into
    the midst of a chat. The command says itself that the server is gone.
    """
    levels = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=levels)))


def _same(one: str, other: str) -> bool:
    """Tell whether two addresses mean one server of this machine."""
    return one.replace("localhost:", "127.0.0.1:") == other.replace("localhost:", "127.0.0.1:")
