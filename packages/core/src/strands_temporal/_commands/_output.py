"""What a command writes: lines for a person, without control characters, or JSON for a program."""

import json
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO


def plain(text: str) -> str:
    """Escape terminal control characters. A model wrote parts of `text`, and a person relies on it."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


class SafeStream:
    """Writes to a stream. Escapes control characters, other than line ends, tabs and colours.

    It has all other attributes of the stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        parts = _COLOUR.split(text)
        self._stream.write("".join(part if index % 2 else plain(part) for index, part in enumerate(parts)))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_COLOUR = re.compile(r"(\x1b\[[\d;]*m)")


def say(line: str, *, end: str = "\n", file: TextIO | None = None) -> None:
    """Write a line, with control characters escaped, at once."""
    out = file or sys.stdout
    encoding = out.encoding or "utf-8"  # a pipe or an old console may lack characters
    out.write((plain(line) + end).encode(encoding, "backslashreplace").decode(encoding))
    out.flush()


def say_json(value: Any) -> None:
    """Write a value as one line of JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True, default=str) + "\n")
    sys.stdout.flush()
