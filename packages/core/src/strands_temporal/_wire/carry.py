"""Carries: values that one run of a workflow passes to the next over continue-as-new, as compressed text."""

import base64
import json
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from temporalio.exceptions import ApplicationError

from .._errors import AgentTypeError, AgentValueError
from .reading import FAULTS, read_as, shown
from .values import decode, encode

T = TypeVar("T")

CARRY_LIMIT = 1_900_000
"""Largest size of a carry in bytes. The server ends a workflow whose input is above 2 MiB. The difference is
for the user's own values beside the carry."""

MOST_CONTENT = 512 * 1024 * 1024
"""Largest size of a carry's content in bytes, decompressed. A conversation that fits into `CARRY_LIMIT` has
far less, unless it repeats one text."""


@dataclass(frozen=True)
class CarryFormat:
    """How carries of one kind are written and read, in workflows.

    Args:
        kind: Class of the carries: a frozen dataclass with `data`, which `pack` returned, and `version`.
        version: The newest layout that this release knows.
        option: The argument that takes a carry, for messages: "TemporalAgent(carry=...)".
        made_by: The call that returns a carry, for messages: "agent.carry()".
        package: The package whose newer releases have newer layouts, for messages.
    """

    kind: type[Any]
    version: int
    option: str
    made_by: str
    package: str

    def pack(self, content: object) -> str:
        """Return JSON values and bytes as compressed text.

        Raises:
            TypeError: If something in `content` is neither JSON nor bytes.
            ValueError: If `content` contains itself.
        """
        text = json.dumps(encode(content), separators=(",", ":"))
        return base64.b64encode(zlib.compress(text.encode())).decode("ascii")

    def unpack(self, carry: Any) -> Any:
        """Return the content of a carry that a payload converter has decoded.

        Raises:
            AgentTypeError: If `carry` is not a carry of this kind.
            AgentValueError: If the carry is damaged, or was made by a newer release.
        """
        if not isinstance(carry, self.kind):
            name = self.kind.__name__
            raise AgentTypeError(
                f"{self.option}: {shown(carry)} is not of type {name}. Give what {self.made_by} returned, "
                f"and declare the workflow's argument as {name}, so that it is decoded as one"
            )
        if not isinstance(cast("object", carry.version), int) or not isinstance(carry.data, str):
            raise self.damaged(TypeError("it is no text with a version"))
        if carry.version > self.version:
            raise AgentValueError(
                f"{self.option}: the carry has version {carry.version}, this worker knows {self.version}: a "
                f"newer {self.package} made it. Upgrade this worker"
            )
        with self.reading():
            return decode(json.loads(_decompressed(base64.b64decode(carry.data))))

    def damaged(self, error: Exception) -> AgentValueError:
        """Return the error for a carry whose content cannot be read."""
        why = (
            str(error) if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: {error}"
        )
        return AgentValueError(f"{self.option}: the carry is damaged: {why}")

    def content_as(self, cls: type[T], content: Any) -> T:
        """Return a carry's content as a dataclass of JSON values.

        Raises:
            AgentValueError: If it has another form.
        """
        try:
            return read_as(cls, content)
        except (AgentTypeError, AgentValueError) as error:
            raise self.damaged(error) from error

    @contextmanager
    def reading(self) -> Generator[None]:
        """Raise `damaged` for what a block raises because a carry's content has another form.

        Raises:
            AgentValueError: In place of a KeyError, a TypeError and the like. A typed error of the block
                stays as it is.
        """
        try:
            yield
        except ApplicationError:
            raise
        except FAULTS as error:
            raise self.damaged(error) from error


def _decompressed(data: bytes) -> bytes:
    """Return the data that `zlib.compress` compressed. A damaged size cannot take all memory."""
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(data, MOST_CONTENT)
    if unpacker.unconsumed_tail:
        raise ValueError(f"its content has more than {MOST_CONTENT:,} bytes")
    if not unpacker.eof:
        raise ValueError("its end is missing")
    return content
