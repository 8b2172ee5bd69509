"""A workflow is evicted only when no other thread runs it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.bridge.proto.workflow_activation import (
    InitializeWorkflow,
    RemoveFromCache,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.worker import WorkflowRunner
from typing_extensions import override

from strands_temporal._upstream import eviction

TASK = WorkflowActivation(jobs=[WorkflowActivationJob(initialize_workflow=InitializeWorkflow())])
EVICTION = WorkflowActivation(jobs=[WorkflowActivationJob(remove_from_cache=RemoveFromCache())])


class Gives(WorkflowRunner):
    """A runner whose workflows run this function."""

    def __init__(self, activate: Callable[[WorkflowActivation], str]) -> None:
        self._activate = activate

    @override
    def prepare_workflow(self, defn: Any) -> None: ...

    @override
    def create_instance(self, det: Any) -> Any:
        return SimpleNamespace(activate=self._activate)


def running(activate: Callable[[WorkflowActivation], str]) -> Any:
    """Return how a worker with a plugin of ours runs a workflow."""
    details: Any = None
    return eviction.tracked(Gives(activate)).create_instance(details).activate


class Runs:
    """A workflow whose tasks end when they are told to, and which notes the order of what happens."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.began, self.may_end = threading.Event(), threading.Event()
        self.activate = running(self._activate)

    def _activate(self, activation: WorkflowActivation) -> str:
        name = "eviction" if activation is EVICTION else "task"
        self.order.append(f"{name} begins")
        if activation is TASK:
            self.began.set()
            assert self.may_end.wait(10)
        self.order.append(f"{name} ends")
        return name


def test_an_eviction_waits_for_the_thread_that_runs_the_workflow() -> None:
    runs = Runs()
    with ThreadPoolExecutor() as threads:
        task = threads.submit(runs.activate, TASK)
        assert runs.began.wait(10)
        evicted = threads.submit(runs.activate, EVICTION)
        runs.may_end.set()
        assert (task.result(10), evicted.result(10)) == ("task", "eviction")
    assert runs.order == ["task begins", "task ends", "eviction begins", "eviction ends"]


def test_an_eviction_says_that_the_workflow_still_runs_and_can_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(eviction, "_PATIENCE", 0.01)
    runs = Runs()
    with ThreadPoolExecutor() as threads:
        task = threads.submit(runs.activate, TASK)
        assert runs.began.wait(10)
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"still runs in another thread.*activity_as_tool"):
                runs.activate(EVICTION)
        runs.may_end.set()
        task.result(10)
    assert runs.activate(EVICTION) == "eviction"


def test_a_workflow_that_fails_can_be_evicted() -> None:
    def fails(activation: WorkflowActivation) -> str:
        if activation is TASK:
            raise ValueError("in the workflow")
        return "evicted"

    activate = running(fails)
    with pytest.raises(ValueError, match="in the workflow"):
        activate(TASK)
    assert activate(EVICTION) == "evicted"
