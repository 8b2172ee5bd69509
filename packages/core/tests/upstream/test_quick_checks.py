"""What is asked for each hook, and for each agent, has a quick answer: that of Python and of Strands."""

import functools
import inspect
from typing import Any

import pytest
from strands import Sandbox
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment

from strands_temporal._upstream.default_sandbox import NoSandbox, works_on_a_machine
from strands_temporal._upstream.teardown import HooksInspect


def plain(event: Any) -> None: ...


async def awaited(event: Any) -> None: ...


def generates(event: Any) -> Any:
    yield event


async def generates_later(event: Any) -> Any:
    yield event


@functools.wraps(awaited)
def wraps_awaited(event: Any) -> Any:
    return awaited(event)


class Hooks:
    """Callbacks of a class."""

    def plain(self, event: Any) -> None: ...

    async def awaited(self, event: Any) -> None: ...

    @staticmethod
    async def static(event: Any) -> None: ...

    @classmethod
    async def of_class(cls, event: Any) -> None: ...

    async def __call__(self, event: Any) -> None: ...


CALLBACKS: list[Any] = [
    plain,
    awaited,
    generates,
    generates_later,
    wraps_awaited,
    Hooks().plain,
    Hooks().awaited,
    Hooks.static,
    Hooks.of_class,
    Hooks(),
    Hooks().__call__,
    functools.partial(awaited),
    functools.partial(plain),
    functools.partial(Hooks().awaited),
    lambda event: awaited(event),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    print,
    Hooks,
]


@pytest.mark.parametrize("callback", CALLBACKS)
def test_whether_a_hook_is_awaited_is_answered_as_by_python(callback: Any) -> None:
    assert HooksInspect(inspect).iscoroutinefunction(callback) is inspect.iscoroutinefunction(callback)


@pytest.mark.skipif(not hasattr(inspect, "markcoroutinefunction"), reason="Python 3.12")
def test_a_function_that_is_marked_is_awaited() -> None:
    def marked(event: Any) -> Any:
        return awaited(event)

    mark: Any = vars(inspect)["markcoroutinefunction"]
    assert HooksInspect(inspect).iscoroutinefunction(mark(marked))


def test_the_answer_for_a_sandbox_is_that_of_its_own_class() -> None:
    class OnTheHost(NotASandboxLocalEnvironment):
        """A subclass, which inherits operations."""

    kinds: list[type[Sandbox]] = [NoSandbox, NotASandboxLocalEnvironment, OnTheHost]
    for _ in range(2):
        assert [works_on_a_machine(kind) for kind in kinds] == [False, True, True]
