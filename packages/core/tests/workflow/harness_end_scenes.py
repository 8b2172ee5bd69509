"""Workflows with harness agents whose sandboxes cannot work, and with several agents in one run."""

from collections.abc import AsyncGenerator
from typing import Any, NoReturn

from packages.core.tests.workflow.harness_scenes import facts, messages_of
from strands import Sandbox
from strands.hooks import AgentInitializedEvent
from temporalio import workflow

from strands_temporal import AgentValueError
from strands_temporal.workflow import SandboxLostError, TemporalSandbox, durable_harness

SHARED = TemporalSandbox("box")
"""A handle that serves each run of a worker."""


class LostSandbox(Sandbox):
    """A sandbox in memory that is lost."""

    async def execute_streaming(self, command: str, **options: Any) -> AsyncGenerator[Any, None]:
        self.lost()
        yield

    async def execute_code_streaming(
        self, code: str, language: str, **options: Any
    ) -> AsyncGenerator[Any, None]:
        self.lost()
        yield

    async def read_file(self, path: str, **options: Any) -> bytes:
        self.lost()

    async def write_file(self, path: str, content: bytes, **options: Any) -> None:
        self.lost()

    async def remove_file(self, path: str, **options: Any) -> None:
        self.lost()

    async def list_files(self, path: str, **options: Any) -> list[Any]:
        self.lost()

    def lost(self) -> NoReturn:
        raise SandboxLostError("The sandbox is gone")


@workflow.defn
class EndingWorkflow:
    """An agent whose sandbox cannot work."""

    @workflow.run
    async def run(self, sandbox: str, options: dict[str, Any]) -> str:
        given: Any = LostSandbox() if sandbox == "lost" else sandbox
        agent = durable_harness("m", sandbox=given, callback_handler=None, **options)
        return str(await agent.invoke_async("Go"))


@workflow.defn(sandboxed=False)
class SharedHandleWorkflow:
    """An agent whose sandbox handle was made at import. Not sandboxed, so all runs have the same handle."""

    @workflow.run
    async def run(self) -> list[Any]:
        agent = durable_harness(
            "m", sandbox=SHARED, builtin_tools=["web_fetch"], builtin_plugins=[], callback_handler=None
        )
        await agent.invoke_async("Go")
        return messages_of(agent)


@workflow.defn
class SessionsWorkflow:
    """Two agents with a session of their own, and one that would share it."""

    @workflow.run
    async def run(self) -> list[str]:
        options: dict[str, Any] = {
            "storage": "files",
            "builtin_tools": [],
            "builtin_plugins": [],
            "callback_handler": None,
        }
        first = durable_harness("m", session=True, **options)
        said = ""
        try:
            durable_harness("m", session=True, **options)
        except AgentValueError as error:
            said = str(error)
        second = durable_harness("m", session=True, agent_id="critic", **options)
        durable_harness("m", session="another", **options)
        await first.invoke_async("I am first")
        await second.invoke_async("I am second")
        return [said, str(len(first.messages)), str(len(second.messages))]


@workflow.defn
class ClassifiedWorkflow:
    """An agent of which a model decides what a person must approve."""

    @workflow.run
    async def run(self, policy: str) -> list[Any]:
        agent = durable_harness(
            "m",
            tools=[facts],
            builtin_tools=[],
            builtin_plugins=[],
            interventions=policy,
            callback_handler=None,
        )
        result = await agent.invoke_async("Go")
        asked = [str(interrupt.reason) for interrupt in result.interrupts or ()]
        if asked:
            result = await agent.invoke_async(
                [
                    {"interruptResponse": {"interruptId": interrupt.id, "response": "y"}}
                    for interrupt in result.interrupts or ()
                ]
            )
        return [asked, str(result).strip(), messages_of(agent)]


def refuse(event: AgentInitializedEvent) -> None:
    raise AgentValueError(f"{event.agent.name} is refused")


@workflow.defn
class RefusingWorkflow:
    """Builds a harness agent whose hook raises one of this package's errors."""

    @workflow.run
    async def run(self) -> None:
        durable_harness("m", sandbox="box", name="helper", hooks=[refuse])
