"""Collects the output of a command in a sandbox, hides secrets in it, and reports it while it arrives."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from strands.sandbox import ExecutionResult, OutputFile, StreamChunk

from .._wire.sandboxes import ExecutionOutcome

LARGEST_OUTPUT = 64 * 1024 * 1024
"""Characters of output at which a command is ended. The worker keeps the output in memory."""

HIDDEN = "***"
"""Stands for the value of a secret."""

_TAIL = 500  # characters of the output's end in a heartbeat

Listener = Callable[[StreamChunk], None]
"""Gets each piece of a command's output when it arrives."""


class Hider:
    """Replaces the values of secrets in texts with `***`.

    Args:
        secrets: The values.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.values: Sequence[str] = sorted({value for value in secrets if value}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        for value in self.values:
            text = text.replace(value, HIDDEN)
        return text

    def in_bytes(self, content: bytes) -> bytes:
        """Return the content of a file without secrets."""
        for value in self.values:
            content = content.replace(value.encode(errors="surrogateescape"), HIDDEN.encode())
        return content

    def held_back(self, text: str) -> int:
        """Return how many characters at the end of a string may be the beginning of a secret."""
        longest = 0
        for value in self.values:
            for length in range(min(len(value) - 1, len(text)), longest, -1):
                if text.endswith(value[:length]):
                    longest = length
                    break
        return longest


class Output:
    """The output of a command so far.

    Args:
        hide: Hides the secrets of the command.
        listeners: Get each piece of the output, without secrets.
    """

    def __init__(self, hide: Hider, listeners: Sequence[Listener] = ()) -> None:
        self.chunks: list[StreamChunk] = []
        self.sizes = {"stdout": 0, "stderr": 0}
        self._hide = hide
        self._listeners = listeners
        self._pending = {"stdout": "", "stderr": ""}
        self._tail = ""

    @property
    def size(self) -> int:
        """Characters so far."""
        return sum(self.sizes.values())

    def add(self, chunk: StreamChunk) -> None:
        """Take a piece of the output."""
        self.sizes[chunk.stream_type] += len(chunk.data)
        if not self._hide.values:
            self._put(chunk)
            return
        text = self._hide(self._pending[chunk.stream_type] + chunk.data)
        held = self._hide.held_back(text)
        self._pending[chunk.stream_type] = text[len(text) - held :]
        self._put(StreamChunk(text[: len(text) - held], chunk.stream_type))

    def end(self) -> None:
        """Release the text that was held back, because it was not a secret."""
        for stream in ("stdout", "stderr"):
            text, self._pending[stream] = self._pending[stream], ""
            self._put(StreamChunk(text, stream))

    def outcome(self, result: ExecutionResult) -> ExecutionOutcome:
        """Return the command's result for the workflow, without secrets."""
        self.end()
        hidden = ExecutionResult(
            result.exit_code,
            self._hide(result.stdout),
            self._hide(result.stderr),
            [
                OutputFile(self._hide(file.name), self._hide.in_bytes(file.content), file.mime_type)
                for file in result.output_files
            ],
        )
        return ExecutionOutcome.of(self.chunks, hidden)

    def text_of(self, stream: str) -> str:
        """Return one of the streams as text."""
        return "".join(chunk.data for chunk in self.chunks if chunk.stream_type == stream)

    def progress(self) -> dict[str, Any]:
        """Return the sizes so far and the end of the output, for a heartbeat."""
        return {**self.sizes, "tail": self._tail}

    def _put(self, chunk: StreamChunk) -> None:
        if not chunk.data:
            return
        self.chunks.append(chunk)
        self._tail = (self._tail + chunk.data)[-_TAIL:]
        for listen in self._listeners:
            listen(chunk)
