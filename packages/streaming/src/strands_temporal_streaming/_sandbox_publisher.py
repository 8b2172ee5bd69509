"""Publishes the output of a command in a sandbox, as an attempt of a model call publishes its events."""

from datetime import timedelta

from strands_temporal.extension import utf8_text

from ._publisher import AttemptPublisher
from ._transport import StreamTransport
from ._types import SandboxOutput

_OUTPUT_CHARACTERS = 64 * 1024
"""Characters in one event. Events of this size fill a batch."""


class SandboxPublisher(AttemptPublisher):
    """Sends the output of a command in a sandbox to the control topic, as an attempt's events are sent.

    Args:
        topic: Topic of the workflow's stream.
        interval: Time between two batches.
        sandbox: Name of the sandbox.
        tool: Name of the tool that runs the command.
        tool_use_id: Id of the tool's call.
        transport: As for `AttemptPublisher`.
        latency: As for `AttemptPublisher`.
    """

    _has_tails = False  # the tool may have its own heartbeats

    def __init__(
        self,
        topic: str,
        interval: timedelta,
        sandbox: str,
        tool: str,
        tool_use_id: str,
        transport: StreamTransport | None = None,
        latency: timedelta | None = None,
    ) -> None:
        super().__init__(topic, None, interval, transport=transport, latency=latency)
        self._sandbox, self._tool, self._tool_use_id = sandbox, tool, tool_use_id

    def output(self, stream: str, text: str) -> None:
        """Queue a piece of the output. It is sent in the background."""
        for start in range(0, len(text), _OUTPUT_CHARACTERS):
            piece = utf8_text(text[start : start + _OUTPUT_CHARACTERS])
            if self._gave_up:
                self._lost += 1
                continue
            self._put_control(
                SandboxOutput(
                    piece,
                    stream,
                    self._sandbox,
                    self._tool,
                    self._tool_use_id,
                    call=self._call,
                    attempt=self._info.attempt,
                    started_at=self._started_at,
                )
            )
        if not self._said_something:
            self._said_something = True
            self._urgent.set()
        self._filled.set()

    def _announce(self) -> None:
        """Do nothing: each `SandboxOutput` names its attempt."""

    def _announce_failure(self, error: str) -> None:
        """Do nothing: the agent gets the error as the result of a tool."""
