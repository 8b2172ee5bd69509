"""What `strands-temporal chat` and a package that takes part in it say to each other.

A package declares a class in the entry point group `strands_temporal.chat_parts`. The command makes one
object per chat, `cls(client, workflow_id)`, and runs its `follow` as a task until the chat ends.
"""

from collections.abc import Sequence
from typing import Protocol

CHAT_PARTS = "strands_temporal.chat_parts"
"""Entry point group of the parts."""


class ChatScreen(Protocol):
    """The terminal of a chat, for a part. It shows control characters as escapes, and never runs them."""

    @property
    def is_new(self) -> bool:
        """Whether this chat has just begun. Otherwise a part leaves out what came before."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether a person sees the text arrive. With a pipe or `--json` the answers come whole."""
        ...

    def text(self, piece: str) -> None:
        """Show a piece of the agent's text."""
        ...

    def message_end(self) -> None:
        """End the message whose pieces were shown."""
        ...

    def follows_turns(self, follows: bool) -> None:
        """Tell whether this part calls `turn_end` for each turn. An answer then waits for it a moment."""
        ...

    def turn_end(self) -> None:
        """Tell that everything of a turn of the conversation's agent was shown."""
        ...

    def restart(self) -> None:
        """Tell that the message's pieces so far do not count: they come again."""
        ...

    def note(self, line: str) -> None:
        """Show a remark, not the agent's text."""
        ...

    async def waits_for_people(self) -> None:
        """Return as soon as the conversation waits for people."""
        ...

    async def ask(self, lines: Sequence[str], prompt: str) -> str | None:
        """Show a question, and return the line that the person types. None if no line will come."""
        ...


class ChatPart(Protocol):
    """What a package adds to a chat."""

    async def follow(self, screen: ChatScreen) -> None:
        """Follow the conversation. It is cancelled when the chat ends; an error ends the part alone."""
        ...
