"""What a measured conversation is like, and its texts.

Workflows import it, so it imports next to nothing.
"""

from dataclasses import dataclass
from hashlib import shake_128

PROMPT_BYTES = 500


@dataclass(frozen=True)
class Load:
    """A conversation to measure; the agents and the floor have the same.

    Attributes:
        turns: User messages, one after the other.
        window: Whether Strands' default window of 40 messages holds; else nothing is ever dropped.
        answer: Bytes of the model's answer to each.
        chunk: Bytes of each chunk of an answer; 0 for the whole at once.
        calls: Tool calls before the answer, one after the other.
        result: Bytes of a tool's result.
        before: Messages of 20 KB that the conversation has already.
        idle: Whether the workflow stays when it has taken its turns.
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
    """Return `size` bytes that only `key` has: nothing may be saved because two texts are the same."""
    return shake_128(key.encode()).hexdigest((size + 1) // 2)[:size]


def prompt(turn: int) -> str:
    """Return the user's message of a turn, which begins with its number."""
    return f"turn {turn} {text(f'prompt {turn}', PROMPT_BYTES)}"


def answer(load: Load, turn: int) -> str:
    """Return the model's answer to a turn."""
    return text(f"answer {turn}", load.answer)


def before(load: Load) -> list[dict[str, object]]:
    """Return the messages that the conversation has already, as Strands writes them."""
    roles = ("user", "assistant")
    return [
        {"role": roles[i % 2], "content": [{"text": text(f"before {i}", 20_000)}]} for i in range(load.before)
    ]
