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

from strands_temporal._upstream import eviction

TASK = WorkflowActivation(jobs=[WorkflowActivationJob(initialize_workflow=InitializeWorkflow())])
EVICTION = WorkflowActivation(jobs=[WorkflowActivationJob(remove_from_cache=RemoveFromCache())])


class Runs:
    """A workflow whose tasks end when they are told to, and which notes the order of what happens."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.began, self.may_end = threading.Event(), threading.Event()
        instance: Any = SimpleNamespace(activate=self._activate)
        eviction.wait_for_activations(instance)
        self.activate: Callable[[WorkflowActivation], str] = instance.activate

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

    instance: Any = SimpleNamespace(activate=fails)
    eviction.wait_for_activations(instance)
    with pytest.raises(ValueError, match="in the workflow"):
        instance.activate(TASK)
    assert instance.activate(EVICTION) == "evicted"
