"""The arguments of a `TemporalSandbox` and its commands: secrets by name, environments, timeouts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from .._errors import AgentTypeError

_COMMAND_GRACE = timedelta(minutes=1)
"""How much longer the activity of a command may take than the command: the sandbox ends the command, and its
error has the output so far."""

_LONGEST_COMMAND = timedelta(days=1)
"""How long the activity of a command without a timeout may take."""


_MOST_SECONDS = 10 * 365 * 86_400  # a model may ask for any timeout; Temporal's has a limit


@dataclass(frozen=True)
class SecretRef:
    """A secret by its name, as a value in the `env` of a sandbox's command.

    The worker resolves it with `StrandsPlugin(sandbox_secrets=...)` when the command starts. History has only
    the name. In the command's output the worker replaces the secret's value with `***`.

    Attributes:
        name: Name in `StrandsPlugin(sandbox_secrets=...)`.
    """

    name: str


def checked_timeout(owner: str, timeout: Any) -> float | None:
    if timeout is None or timeout == math.inf:
        return None
    if not isinstance(timeout, int | float) or not math.isfinite(timeout):
        raise AgentTypeError(f"{owner}: timeout={timeout!r} is not a number of seconds")
    return timeout


def time_for(timeout: float | None) -> timedelta:
    """Return how long the activity of a command may take."""
    if timeout is None:
        return _LONGEST_COMMAND
    return timedelta(seconds=min(max(timeout, 0), _MOST_SECONDS)) + _COMMAND_GRACE


def checked_env(owner: str, env: object) -> "Mapping[str, str | SecretRef] | None":
    """Check environment variables.

    Raises:
        AgentTypeError: If they are not a mapping of strings to strings and `SecretRef`s.
    """
    if env is None:
        return None
    if not isinstance(env, Mapping):
        raise AgentTypeError(f"{owner}: env={env!r} is not a mapping of names to values")
    for name, value in cast("Mapping[Any, Any]", env).items():
        if not isinstance(name, str) or not isinstance(value, str | SecretRef):
            raise AgentTypeError(
                f"{owner}: env has {name!r}: {type(value).__name__}. Names are strings; a value is a string "
                "or SecretRef('NAME')"
            )
    return cast("Mapping[str, str | SecretRef]", env)
