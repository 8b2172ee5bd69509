"""Type checks in workflows are quick, and answer as those of temporalio's sandbox do.

`workflow/test_tool_failures.py` has a tool through which proxies of the sandbox reach Strands.
"""

import builtins
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import Agents
from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxMatcher, SandboxRestrictions
from temporalio.worker.workflow_sandbox import _importer as importer
from temporalio.worker.workflow_sandbox import _restrictions as restrictions  # pyright: ignore[reportPrivateUsage]

from strands_temporal import TemporalAgent
from strands_temporal._upstream.install import adapt_strands
from strands_temporal._upstream.type_checks import NAMES, quick_check, quicken_type_checks
from strands_temporal.testing import ScriptedModel, say


def proxied(value: Any) -> Any:
    """Return a proxy of the sandbox around `value`."""
    context = restrictions.RestrictionContext()
    return restrictions._RestrictedProxy("of this test", value, context, SandboxMatcher())  # pyright: ignore[reportPrivateUsage]


def of_the_sandbox(name: str) -> Any:
    """Return the function that temporalio puts in the place of a builtin."""
    own = importer.Importer(SandboxRestrictions.default, restrictions.RestrictionContext())
    found: list[tuple[str, Any, Any]] = own.restricted_builtins
    return next(function for known, _, function in found if known == name)


class OtherClass:
    """Says that it is a path."""

    @property
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return Path


HERE = Path("here")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, int),
        (True, (str, int)),
        ("", bytes),
        ([], list | tuple),
        (OtherClass(), Path),
        (HERE, Path),
        (proxied(HERE), Path),
        (proxied(HERE), proxied(Path)),
        (HERE, proxied(Path)),
        (proxied(HERE), str),
        (proxied(1), (int, str)),
    ],
)
def test_the_answers_are_those_of_the_sandbox(value: Any, kind: Any) -> None:
    quick: Any = quick_check("isinstance")
    assert quick(value, kind) == of_the_sandbox("isinstance")(value, kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(int, int), (bool, (str, int)), (proxied(Path), Path), (Path, proxied(Path)), (str, proxied(Path))],
)
def test_subclasses_too(value: Any, kind: Any) -> None:
    quick: Any = quick_check("issubclass")
    assert quick(value, kind) == of_the_sandbox("issubclass")(value, kind)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_arguments_are_the_same_errors(name: str) -> None:
    quick: Any = quick_check(name)
    for arguments in [(1, "no class"), (1,), (1, int, int)]:
        with pytest.raises(TypeError):
            quick(*arguments)


def test_modules_have_them_and_a_name_of_their_own_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    adapt_strands()
    for name in ("strands.agent.agent", "strands_temporal._wire.values"):
        assert vars(importlib.import_module(name))["isinstance"].__module__ == quick_check.__module__
    module = ModuleType("strands.of_this_test")
    vars(module)["isinstance"] = len
    monkeypatch.setitem(sys.modules, module.__name__, module)
    quicken_type_checks()
    assert vars(module)["isinstance"] is len
    assert "issubclass" in vars(module)


def test_the_builtin_is_found_below_what_a_workflow_has_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(builtins, "isinstance", importer._ThreadLocalCallable(isinstance))  # pyright: ignore[reportPrivateUsage]
        quick: Any = quick_check("isinstance")
    assert quick(proxied(HERE), Path)


def test_what_cannot_be_told_from_a_wrapper_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    pythons = isinstance
    with monkeypatch.context() as patched:

        def other(value: Any, kind: Any) -> bool:
            return pythons(value, kind)

        patched.setattr(builtins, "isinstance", other)
        assert quick_check("isinstance") is None


@workflow.defn
class Asks:
    """Asks where the type checks of this code and of Strands come from."""

    @workflow.run
    async def run(self) -> list[str]:
        await TemporalAgent("scripted", callback_handler=None).invoke_async("Hi")
        of_strands = vars(sys.modules["strands.agent.agent"])["isinstance"]
        return [type(isinstance).__name__, type(of_strands).__name__]


@pytest.mark.server
async def test_workflow_code_keeps_what_the_sandbox_gives_it(agents: Agents) -> None:
    async with agents(workflows=[Asks], models={"scripted": lambda: ScriptedModel(say("Hello"))}) as env:
        assert await env.run(Asks.run) == ["_ThreadLocalCallable", "function"]
