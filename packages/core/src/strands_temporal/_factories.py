"""A name in the workflow, a factory on the worker.

What does I/O is built by a named factory on the worker, when it is first used, and kept for the worker's
life.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from temporalio.exceptions import ApplicationError

T = TypeVar("T")


class NamedFactories(Generic[T]):
    """Factories by name, and what they have made so far. Lives on the worker; one object per plugin.

    Args:
        kind: What the factories make, for messages: "model".
        option: The plugin's argument that takes them, for messages: "StrandsPlugin(models=...)".
        factories: Callables without arguments, by name.
        expected: Class that each factory's product must be an instance of.
        failure_type: Type of the `ApplicationError` for a factory that fails.

    Raises:
        TypeError: If a name is not a string or a factory is not callable.
        ValueError: If a name is empty.
    """

    def __init__(
        self,
        kind: str,
        option: str,
        factories: Mapping[str, Callable[[], T]],
        expected: type[T],
        failure_type: str,
    ) -> None:
        for name, factory in factories.items():
            _check(kind, option, name, factory)
        self._kind = kind
        self._option = option
        self._factories = dict(factories)
        self._expected = expected
        self._failure_type = failure_type
        self._made: dict[str, T] = {}
        self._lock = threading.RLock()  # a factory may ask for another name

    @property
    def names(self) -> list[str]:
        """The known names, sorted."""
        return sorted(self._factories)

    @property
    def factories(self) -> Mapping[str, Callable[[], T]]:
        """The factories by name. Two plugins with equal ones are configured alike."""
        return self._factories

    def get(self, name: str) -> T:
        """Return what the factory `name` makes, made at the first call.

        Raises:
            ApplicationError: Not retryable; type ValueError if the name is unknown (it lists the known ones),
            else
                the failure type: the factory raised, or made something else.
        """
        with self._lock:
            if name not in self._made:
                self._made[name] = self._make(name)
            return self._made[name]

    def forget(self) -> None:
        """Drop what was made; the next `get` makes it anew. Called when the worker ends."""
        with self._lock:
            self._made.clear()

    def _make(self, name: str) -> T:
        factory = self._factories.get(name)
        if factory is None:
            raise ApplicationError(
                f"Unknown {self._kind} {name!r}. Register it in {self._option} on the worker. Known: "
                f"{self.names}",
                type="ValueError",
                non_retryable=True,
            )
        try:
            made = factory()
        except Exception as error:  # the factory is the user's: whatever it raises is named, and the run ends
            raise self._failed(
                f"The factory of {self._kind} {name!r} raised {type(error).__name__}: {error}"
            ) from error
        if not isinstance(made, self._expected):
            raise self._failed(
                f"The factory of {self._kind} {name!r} returned {made!r}, not a {self._expected.__name__}. "
                f"Return one from the factory given to {self._option}"
            )
        return made

    def _failed(self, message: str) -> ApplicationError:
        return ApplicationError(message, type=self._failure_type, non_retryable=True)


def _check(kind: str, option: str, name: object, factory: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"{option}: the {kind} name {name!r} is not a string")
    if not name:
        raise ValueError(f"{option}: a {kind} name is empty")
    if not callable(factory):
        raise TypeError(
            f"{option}: the factory of {kind} {name!r} is {factory!r}, which cannot be called. "
            f"Give a function that makes the {kind}, for example `lambda: ...`"
        )
