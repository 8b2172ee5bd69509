"""Named factories. The workflow uses a name, and a factory on the worker creates the object behind it.

These objects (models, tools, MCP clients, ...) do I/O. A factory is called on first use, and the worker keeps
the object until the worker ends.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from temporalio.exceptions import ApplicationError

from .._errors import coded, did_you_mean

T = TypeVar("T")

_KEPT_VARIANTS = 32
"""How many variants are kept. The oldest is dropped first."""


@dataclass(frozen=True)
class Variant(Generic[T]):
    """A separate product of a factory, changed before its first use.

    Attributes:
        key: Identifies the variant among those of one name.
        change: Changes the new product.
    """

    key: str
    change: Callable[[T], None]


class NamedFactories(Generic[T]):
    """Factories by name, and the products that they have made so far. One object per plugin.

    Args:
        kind: What the factories make, for messages: "model".
        option: The plugin's argument that takes them, for messages: "StrandsPlugin(models=...)".
        factories: Callables without arguments, by name. None means no factories.
        expected: Class that each factory's product must be an instance of.
        failure_type: Type of the `ApplicationError` for a factory that fails.
        example: What a factory may return, for messages: "SomeModel(...)".

    Raises:
        TypeError: If `factories` is not a mapping, a name is not a string or a factory is not callable.
        ValueError: If a name is empty.
    """

    def __init__(
        self,
        kind: str,
        option: str,
        factories: Mapping[str, Callable[[], T]] | None,
        expected: type[T],
        failure_type: str,
        example: str = "...",
    ) -> None:
        factories = checked_mapping(option, factories, example)
        for name, factory in factories.items():
            _check(kind, option, name, factory)
        self._kind = kind
        self._option = option
        self._factories = dict(factories)
        self._expected = expected
        self._failure_type = failure_type
        self._made: dict[tuple[str, str], _Pending[T]] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """The known names, sorted."""
        return sorted(self._factories)

    @property
    def factories(self) -> Mapping[str, Callable[[], T]]:
        """The factories by name. Two plugins with equal factories are configured alike."""
        return self._factories

    def get(self, name: str) -> T:
        """Return the product of the factory `name`. The first call makes it, in the calling thread.

        Raises:
            ApplicationError: Not retryable. If the name is unknown, the type is "ValueError" and the message
                lists the known names. If the factory raised, or returned an object of another class, the type
                is `failure_type`.
        """
        making, mine = self._claim(name, None)
        if mine:
            self._make(name, making, None)
        elif making.thread == threading.get_ident() and not making.product.done():
            raise self._failed(f"The factory of {self._kind} {name!r} asks for {name!r} itself")
        return making.product.result()

    async def get_async(self, name: str, variant: Variant[T] | None = None) -> T:
        """Return the product of the factory `name`. The first call makes it, in a thread of its own.

        A factory may read files or download for minutes. The activity's heartbeats continue meanwhile.
        Concurrent callers wait for the same product.

        Args:
            name: The factory's name.
            variant: Return this variant instead of the product that all other callers share.

        Raises:
            ApplicationError: As `get`.
        """
        making, mine = self._claim(name, variant)
        if mine:
            in_thread(f"factory of {self._kind} {name}", self._make, name, making, variant)
        return await asyncio.wrap_future(making.product)

    def clear(self) -> None:
        """Drop all products. The next `get` makes a new one. Called when the worker ends."""
        with self._lock:
            self._made.clear()

    def _claim(self, name: str, variant: Variant[T] | None) -> "tuple[_Pending[T], bool]":
        """Return the entry of a product, finished or in progress, and whether the caller must make it."""
        key = (name, variant.key if variant else "")
        with self._lock:
            if key in self._made:
                return self._made[key], False
            variants = [known for known in self._made if known[1]]
            if variant and len(variants) >= _KEPT_VARIANTS:
                del self._made[variants[0]]
            making = self._made[key] = _Pending[T](key)
            making.product.set_running_or_notify_cancel()  # a cancelled waiter must not cancel the product
            return making, True

    def _make(self, name: str, making: "_Pending[T]", variant: Variant[T] | None) -> None:
        making.thread = threading.get_ident()
        try:
            made = self._product(name)
            if variant:
                self._change(name, made, variant)
        except BaseException as error:  # noqa: BLE001  # whoever waits must learn of it
            with self._lock:
                if self._made.get(making.key) is making:
                    del self._made[making.key]
            making.product.set_exception(error)
        else:
            making.product.set_result(made)

    def _product(self, name: str) -> T:
        self.check_name(name)
        return self.checked(name, self.call(name))

    def check_name(self, name: str) -> None:
        """Refuse an unknown name.

        Raises:
            ApplicationError: As `get`.
        """
        if name not in self._factories:
            text = (
                f"Unknown {self._kind} {name!r}.{did_you_mean(name, self.names)} Register it in "
                f"{self._option} on the worker. Known: {self.names}"
            )
            raise ApplicationError(coded("ST105", text), type="ValueError", non_retryable=True)

    def call(self, name: str) -> Any:
        """Call the factory of a known name, and return whatever it returns.

        Raises:
            ApplicationError: If the factory raised. Not retryable.
        """
        try:
            return self._factories[name]()
        except Exception as error:  # the factory is the user's: whatever it raises is named, and the run ends
            raise self.failed(name, error) from error

    def checked(self, name: str, made: Any) -> T:
        """Return the product of the factory `name`.

        Raises:
            ApplicationError: If the product is not an instance of the expected class. Not retryable.
        """
        if not isinstance(made, self._expected):
            raise self._failed(
                f"The factory of {self._kind} {name!r} returned {made!r}, not a {self._expected.__name__}. "
                f"Return one from the factory given to {self._option}"
            )
        return made

    def _change(self, name: str, made: T, variant: Variant[T]) -> None:
        try:
            variant.change(made)
        except Exception as error:  # as for the factory: the product's class is the user's choice
            raise self._failed(
                f"{type(made).__name__}, the {self._kind} {name!r}, refused {variant.key}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def failed(self, name: str, error: Exception, *, retryable: bool = False) -> ApplicationError:
        """Return the failure for a factory that raised. Its cause should be `error`."""
        message = f"The factory of {self._kind} {name!r} raised {type(error).__name__}: {error}"
        if isinstance(error, RuntimeError) and str(error) == _NO_ACTIVITY:
            message += (
                f". The {self._kind} is made once and serves all workflows of this worker, so no activity is "
                "its context. Leave activity.info() and the like out of the factory"
            )
            retryable = False
        return self._failed(message, retryable=retryable)

    def _failed(self, message: str, *, retryable: bool = False) -> ApplicationError:
        return ApplicationError(message, type=self._failure_type, non_retryable=not retryable)


_NO_ACTIVITY = "Not in activity context"
"""The message of temporalio's error for `activity.info()` outside of an activity (1.35: activity.py)."""


def in_thread(name: str, function: Callable[..., T], *arguments: Any) -> "Future[T]":
    """Call a function in a thread of its own, and return its result as a future.

    Unlike the threads of an executor, this one does not keep the program from ending if a factory hangs.
    """
    result: Future[T] = Future()
    result.set_running_or_notify_cancel()  # a caller that stops waiting must not cancel it
    context = contextvars.copy_context()

    def call() -> None:
        try:
            returned = context.run(function, *arguments)
        except BaseException as error:  # noqa: BLE001  # whoever waits must learn of it
            result.set_exception(error)
        else:
            result.set_result(returned)

    threading.Thread(target=call, name=f"strands-temporal {name}", daemon=True).start()
    return result


@dataclass
class _Pending(Generic[T]):
    """A product that is finished or in progress."""

    key: tuple[str, str]
    product: "Future[T]" = field(default_factory=Future)
    thread: int | None = None


def checked_mapping(
    option: str, given: Mapping[str, T] | None, example: str, values: str = "factories"
) -> Mapping[str, T]:
    """Return the mapping that was given to an option, or an empty one for None.

    Args:
        option: The option, for messages: "StrandsPlugin(models=...)".
        given: The option's value.
        example: What one of the values may return, for messages.
        values: What the values are, for messages.

    Raises:
        TypeError: If it is not a mapping.
    """
    mapping: Any = {} if given is None else given
    if not isinstance(mapping, Mapping):
        plugin, _, argument = option.removesuffix("=...)").partition("(")
        raise TypeError(
            f"{plugin}: {argument}={given!r} is not a mapping of names to {values}. "
            f"Write {argument}={{'name': lambda: {example}}}"
        )
    return mapping


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
