"""The shape of a measured conversation, and its texts.

Workflows import this module, so it imports next to nothing.
"""

from dataclasses import dataclass
from hashlib import shake_128

PROMPT_BYTES = 500


@dataclass(frozen=True)
class Load:
    """A conversation to measure, the same for the agents and for the plain workflow (`subjects/floor.py`).

    Attributes:
        turns: User messages, one after the other.
        window: Whether Strands' default conversation manager applies, which keeps the last 40 messages.
            Otherwise all messages are kept.
        answer: Bytes of the model's answer to each user message.
        chunk: Bytes of each chunk of an answer; 0 for the whole answer at once.
        calls: Sequential tool calls before the answer.
        result: Bytes of a tool's result.
        before: Messages of 20 KB that the conversation starts with.
        idle: Whether the workflow stays open after its turns.
    """

    turns: int = 1
    window: bool = True
    answer: int = 2500
    chunk: int = 0
    calls: int = 0
    result: int = 4096
    before: int = 0
    idle: bool = False


def text(key: str, size: int) -> str:
    """Return a text of `size` bytes. Each key gives another text: no subject may gain from equal texts."""
    return shake_128(key.encode()).hexdigest((size + 1) // 2)[:size]


def prompt(turn: int) -> str:
    """Return the user's message of a turn. It begins with the turn's number."""
    return f"turn {turn} {text(f'prompt {turn}', PROMPT_BYTES)}"


def answer(load: Load, turn: int) -> str:
    """Return the model's answer to a turn."""
    return text(f"answer {turn}", load.answer)


def before(load: Load) -> list[dict[str, object]]:
    """Return the messages that the conversation starts with, in Strands' format."""
    roles = ("user", "assistant")
    return [
        {"role": roles[i % 2], "content": [{"text": text(f"before {i}", 20_000)}]} for i in range(load.before)
    ]
