"""Strands' conversation managers are called, and swallow errors, where `_upstream` expects it."""

import ast
import importlib
import inspect
import logging
from pathlib import Path
from typing import Any

import pytest
from strands import Agent
from strands.agent.conversation_manager import SummarizingConversationManager
from strands.experimental.context_manager import Offload
from strands.hooks import HookRegistry

from strands_temporal._upstream.conversation_managers import (
    COMPRESSION_FAILED,
    SUMMARY_FAILED,
    ManagerLogger,
)
from strands_temporal._upstream.install import HOOK_REGISTRY, MANAGER_LOGGERS, adapt_strands
from strands_temporal._upstream.private_api import summary_models
from strands_temporal.testing import ScriptedModel, say


def source_of(module: str) -> ast.Module:
    return ast.parse(Path(inspect.getfile(importlib.import_module(module))).read_text("utf-8"))


def test_an_agent_creates_its_hooks_by_the_name_that_is_replaced() -> None:
    module, name = HOOK_REGISTRY
    calls = [
        node
        for node in ast.walk(source_of(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]
    assert len(calls) == 1


def test_strands_calls_a_manager_where_it_did() -> None:
    """Each call is one that `_workflow/conversation_managers.py` waits for, or one that waits for nothing."""
    package = Path(inspect.getfile(importlib.import_module("strands"))).parent
    calls = sorted(
        f"{path.relative_to(package).as_posix()}: {ast.unparse(node)}"
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "reduce_context"
    )
    assert calls == [
        "agent/agent.py: self.conversation_manager.reduce_context(self, e=e)",
        "agent/conversation_manager/conversation_manager.py: self.reduce_context(agent=event.agent)",
        "agent/conversation_manager/sliding_window_conversation_manager.py: self.reduce_context(agent)",
    ]


@pytest.mark.parametrize(
    ("logger", "method", "message"),
    [(MANAGER_LOGGERS[0], "debug", COMPRESSION_FAILED), (MANAGER_LOGGERS[1], "warning", SUMMARY_FAILED)],
)
def test_an_error_is_swallowed_where_the_stand_in_sees_it(
    logger: tuple[str, str], method: str, message: str
) -> None:
    handlers = [node for node in ast.walk(source_of(logger[0])) if isinstance(node, ast.ExceptHandler)]
    calls = [
        node
        for handler in handlers
        for node in ast.walk(handler)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"logger.{method}"
    ]
    (call,) = calls
    text: Any = call.args[0]
    assert str(text.value).startswith(message)
    if method == "warning":
        assert isinstance(call.args[-1], ast.Name)  # the error
    adapt_strands()
    assert isinstance(vars(importlib.import_module(logger[0]))["logger"], ManagerLogger)


def test_where_strands_keeps_the_models_of_strategies() -> None:
    own, strategys = ScriptedModel(say("a")), ScriptedModel(say("b"))
    strategies: Any = [
        Offload.summarize("*", {"model": strategys}),
        Offload.summarize("*"),
        Offload.drop("*"),
    ]
    agent = Agent(own, context_manager={"strategies": strategies}, callback_handler=None)
    assert summary_models(agent) == [strategys]
    assert not summary_models(Agent(own, callback_handler=None))


def test_outside_of_a_workflow_nothing_changes(caplog: pytest.LogCaptureFixture) -> None:
    adapt_strands()
    messages: Any = [{"role": "user", "content": [{"text": str(number)}]} for number in range(20)]
    manager = SummarizingConversationManager()
    agent = Agent(
        ScriptedModel(say("short")), messages=messages, conversation_manager=manager, callback_handler=None
    )
    assert type(agent.hooks) is HookRegistry
    with caplog.at_level(logging.WARNING):
        manager.reduce_context(agent)
        assert len(agent.messages) == 15
        manager.reduce_context(agent)  # the script has ended
    assert len(agent.messages) == 15
    assert SUMMARY_FAILED in caplog.text
