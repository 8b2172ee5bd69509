"""What runs in a workflow often has Python's own type checks, and not those that temporalio puts in place."""

import ast
import builtins
import importlib
import inspect
import sys
from types import ModuleType
from typing import Any

import pytest
from conftest import Agents
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal._upstream.install import adapt_strands
from strands_temporal._upstream.type_checks import STRANDS_MODULES, use_own_type_checks
from strands_temporal.testing import ScriptedModel, say

PYTHONS = isinstance


@pytest.mark.parametrize("name", STRANDS_MODULES)
def test_each_module_checks_types_and_has_the_builtin_function(name: str) -> None:
    adapt_strands()
    module = importlib.import_module(name)
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
    names = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    assert names & {"isinstance", "issubclass"}, f"{name} checks no types any more: take it off the list"
    assert vars(module)["isinstance"] is PYTHONS


def test_the_builtin_function_is_found_below_what_a_workflow_has_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Wrapper:
        orig = PYTHONS

        def __call__(self, *of: Any) -> bool:
            return PYTHONS(*of)

    module = ModuleType("strands_temporal._wire.of_this_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(builtins, "isinstance", Wrapper())
    use_own_type_checks()
    assert vars(module)["isinstance"] is PYTHONS


def test_what_cannot_be_told_from_a_wrapper_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("strands_temporal._wire.of_this_test")
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def unknown(*of: Any) -> bool:
        return PYTHONS(*of)

    monkeypatch.setattr(builtins, "isinstance", unknown)
    use_own_type_checks()
    assert "isinstance" not in vars(module)


@workflow.defn
class Asks:
    @workflow.run
    async def run(self) -> list[str]:
        await TemporalAgent("scripted", callback_handler=None).invoke_async("Hi")
        of_strands = vars(sys.modules["strands.agent.agent"])["isinstance"]
        return [type(isinstance).__name__, type(of_strands).__name__]


@pytest.mark.server
async def test_workflow_code_keeps_what_the_sandbox_gives_it(agents: Agents) -> None:
    async with agents(workflows=[Asks], models={"scripted": lambda: ScriptedModel(say("Hello"))}) as env:
        assert await env.run(Asks.run) == ["_ThreadLocalCallable", "builtin_function_or_method"]
