"""The secrets that commands in sandboxes may use: the allow-list of a worker."""

import inspect
import os
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeAlias, cast

from temporalio.exceptions import ApplicationError

from .._errors import SandboxNotRegisteredError, did_you_mean

_OPTION = "StrandsPlugin(sandbox_secrets=...)"

SandboxSecrets: TypeAlias = Mapping[str, str | Callable[[], str | Awaitable[str]]] | Collection[str]
"""Secrets by name: the value, or a function that returns it (maybe async). Or names of environment variables
of the worker."""


class Secrets:
    """Resolves the secrets that an allow-list names.

    Args:
        given: The allow-list. None allows none.

    Raises:
        TypeError: If it is neither a mapping nor a collection of names, or a name or a value is of a wrong
            type.
        ValueError: If a name is empty.
    """

    def __init__(self, given: SandboxSecrets | None) -> None:
        listed: Any = () if given is None else given
        if isinstance(listed, str) or not isinstance(listed, Collection):
            raise TypeError(
                f"{_OPTION}: {type(listed).__name__} is neither a mapping of names to values nor a list of "
                "names of environment variables"
            )
        self.given = given
        self._secrets: dict[Any, Any] = (
            dict(cast("Mapping[Any, Any]", listed))
            if isinstance(listed, Mapping)
            else {name: _environment_variable(name) for name in cast("Collection[Any]", listed)}
        )
        for name, value in self._secrets.items():
            if not isinstance(name, str):
                raise TypeError(f"{_OPTION}: the name {name!r} is not a string")
            if not name:
                raise ValueError(f"{_OPTION}: a name is empty")
            if not isinstance(value, str) and not callable(value):
                raise TypeError(
                    f"{_OPTION}: the value of {name!r} is a {type(value).__name__}, neither a string nor a "
                    "function"
                )

    async def resolve(self, names: Mapping[str, str]) -> dict[str, str]:
        """Return the values of secrets.

        Args:
            names: Names of secrets by environment variable.

        Raises:
            SandboxNotRegisteredError: If a name is not in the allow-list.
            ApplicationError: If the function of a secret failed. The message has no text of that failure,
                which might contain the secret.
        """
        return {variable: await self._value(name) for variable, name in names.items()}

    async def _value(self, name: str) -> str:
        if name not in self._secrets:
            known = sorted(self._secrets)
            raise SandboxNotRegisteredError(
                f"Unknown secret {name!r}.{did_you_mean(name, known)} Allow it in {_OPTION} on the worker. "
                f"Known: {known}"
            )
        secret = self._secrets[name]
        if isinstance(secret, str):
            return secret
        try:
            value = secret()
            value = await value if inspect.isawaitable(value) else value
        except ApplicationError:
            raise
        except Exception as error:  # noqa: BLE001  # the function is the user's
            raise _unavailable(name, f"its function raised {type(error).__name__}") from None
        if not isinstance(value, str):
            raise _unavailable(name, f"its function returned a {type(value).__name__}, not a string")
        return value


def _environment_variable(name: Any) -> Callable[[], str]:
    def value() -> str:
        if name not in os.environ:
            raise _unavailable(name, "the worker has no such environment variable")
        return os.environ[name]

    return value


def _unavailable(name: str, why: str) -> ApplicationError:
    return ApplicationError(f"The secret {name!r} is not available: {why}", type="SandboxSecretUnavailable")
