"""What becomes of a conversation when the person leaves its chat."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from ._settings import Settings


@dataclass(frozen=True)
class Leaving:
    """What a chat says of that.

    Attributes:
        help: For the list of commands.
        note: For the person who leaves.
        options: Options of the command that goes on with the conversation; None if nothing does.
    """

    help: str
    note: str
    options: str | None = None

    def note_for(self, workflow_id: str) -> str:
        """Return the note, with the command that goes on with the conversation."""
        if self.options is None:
            return self.note
        return f"{self.note}: strands-temporal chat --workflow-id {workflow_id}{self.options}"


def leaving_a_chat(common: Settings) -> Leaving:
    """Return it for `chat`: server and worker are others' processes."""
    return Leaving("leave; the conversation goes on", "It goes on", _options(common))


def leaving_dev(common: Settings, target: str, db_filename: Path | None) -> Leaving:
    """Return it for `dev --chat`: the worker ends with the chat, and a server of dev's own too.

    Args:
        common: The common options.
        target: `dev`'s target.
        db_filename: The file in which its own server keeps the workflows.
    """
    if common.given_address is not None:
        return Leaving(
            "leave, and end the worker; the conversation stays on the server",
            "The worker ends now. With another one the conversation goes on",
            _options(common),
        )
    if db_filename is None:
        return Leaving(
            "leave, and end the server and the conversation",
            "The server ends now, and the conversation with it. To keep conversations: --db-filename FILE",
        )
    again = shlex.join(["strands-temporal", "dev", target, "--db-filename", str(db_filename)])
    return Leaving(
        "leave, and end the server; its file keeps the conversation",
        f"The server ends now, and its file keeps the conversation. It goes on with: {again}, and in another "
        "terminal",
        _options(common),
    )


def _options(common: Settings) -> str:
    """Return the options that lead to the same server and namespace."""
    given = {"--address": common.address, "--namespace": common.namespace}
    return "".join(f" {name} {shlex.quote(value)}" for name, value in given.items() if value)
