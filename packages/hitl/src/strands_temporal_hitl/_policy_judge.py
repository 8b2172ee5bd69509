"""The judge of a policy: what its JSON says of it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from ._policy_reading import fault, globs_in, object_in, text_in
from ._values import brief

_LONGEST_CRITERIA = 20_000  # characters of what a judge goes by
_LONGEST_TIMEOUT = 600.0  # seconds for a judge's answer; the agent waits for it
_JUDGE = ("name", "criteria", "tools", "confidence", "timeout_seconds")


@dataclass(frozen=True)
class JudgeRule:
    """The judge of a policy, which is asked before people are.

    Attributes:
        name: Its name in `HITLPlugin(judges=...)` on the workers.
        criteria: What it goes by. Without criteria it is not asked, and people decide.
        tools: Globs of the names of tools whose calls it judges if no other layer answers.
        confidence: The least confidence, from 0 to 1, with which its yes counts.
        timeout_seconds: How long it may take.
    """

    name: str
    criteria: str = ""
    tools: tuple[str, ...] = ("*",)
    confidence: float = 0.8
    timeout_seconds: float = 30.0

    @property
    def digest(self) -> str:
        """The digest of what a ruling depends on. With another judge or other criteria it does not count."""
        text = json.dumps([self.name, self.criteria, self.confidence])
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def read_judge(place: str, value: Any) -> JudgeRule:
    given = object_in(place, value, _JUDGE, ("name",))
    tools = globs_in(f"{place}.tools", given.get("tools", ["*"]))
    criteria = (
        text_in(f"{place}.criteria", given["criteria"], _LONGEST_CRITERIA) if "criteria" in given else ""
    )
    confidence = _number(f"{place}.confidence", given.get("confidence", 0.8), 0.0, 1.0)
    seconds = _number(f"{place}.timeout_seconds", given.get("timeout_seconds", 30.0), 0.1, _LONGEST_TIMEOUT)
    return JudgeRule(text_in(f"{place}.name", given["name"]), criteria, tools, confidence, seconds)


def _number(place: str, value: Any, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise fault(place, f"{brief(value)} is not a number from {least:g} to {most:g}")
    return float(value)
