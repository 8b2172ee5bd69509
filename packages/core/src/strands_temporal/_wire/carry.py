"""Carries: values that one run of a workflow passes to the next over continue-as-new, as compressed text."""

import base64
import json
import zlib
from dataclasses import dataclass
from typing import Any

from .._errors import AgentTypeError, AgentValueError
from .values import decode, encode

CARRY_LIMIT = 1_900_000
"""Largest size of a carry in bytes. The server ends a workflow whose input is above 2 MiB. The difference is
for the user's own values beside the carry."""


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
                f"{self.option}: {carry!r} is not of type {name}. Give what {self.made_by} returned, and "
                f"declare the workflow's argument as {name}, so that it is decoded as one"
            )
        if carry.version > self.version:
            raise AgentValueError(
                f"{self.option}: the carry has version {carry.version}, this worker knows {self.version}: a "
                f"newer {self.package} made it. Upgrade this worker"
            )
        try:
            return decode(json.loads(zlib.decompress(base64.b64decode(carry.data))))
        except (ValueError, zlib.error) as error:
            raise self.damaged(error) from error

    def damaged(self, error: Exception) -> AgentValueError:
        """Return the error for a carry whose content cannot be read."""
        return AgentValueError(f"{self.option}: the carry is damaged: {error}")
