"""A model or a late import from Strands inside a workflow: the run ends, and the error says what to write."""

import os
import subprocess
import sys
import textwrap
from typing import Any

import boto3
import pytest
from conftest import Agents
from strands import Agent, tool
from strands.hooks import BeforeInvocationEvent
from strands.models import BedrockModel
from strands.multiagent import GraphBuilder
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._upstream.install import adapt_strands
from strands_temporal._upstream.misplaced import misplaced
from strands_temporal.testing import DevServer, ScriptedModel

pytestmark = pytest.mark.server

WHAT_TO_WRITE = (
    "Write TemporalAgent(model='name'), or strands.Agent(model=TemporalModel('name')), and on the worker "
    "StrandsPlugin(models={'name': lambda: TheModel(...)})"
)


SESSION = boto3.Session()

# Stands in for Strands' models, whose clients' finalizers complain if the sandbox stops their construction.
PROVIDER = """
from strands.models import Model

class AnotherModel(Model):
    def update_config(self, **config): pass
    def get_config(self): return {}
    def structured_output(self, *args, **kwargs): raise NotImplementedError
    async def stream(self, *args, **kwargs):
        yield open("/dev/null")
"""
provider: dict[str, Any] = {"__name__": "strands.models.another"}
exec(PROVIDER, provider)  # noqa: S102  # needs a module of that name


def made(kind: str) -> Agent:
    """Return a plain agent that was given no handle."""
    models: dict[str, Any] = {
        "none": lambda: None,
        "id": lambda: "amazon.nova-lite-v1:0",
        "bedrock": BedrockModel,
        "session": lambda: BedrockModel(boto_session=SESSION),
        "another": lambda: provider["AnotherModel"](),
    }
    return Agent(models[kind](), callback_handler=None)


KINDS = ["none", "id", "bedrock", "session", "another"]


@workflow.defn
class InRun:
    @workflow.run
    async def run(self, kind: str) -> str:
        return str(await made(kind).invoke_async("hi"))


@workflow.defn
class InInit:
    @workflow.init
    def __init__(self, kind: str) -> None:
        self.agent = made(kind)

    @workflow.run
    async def run(self, kind: str) -> str:
        return str(await self.agent.invoke_async("hi"))


@workflow.defn
class InGraph:
    @workflow.run
    async def run(self, kind: str) -> str:
        builder = GraphBuilder()
        builder.add_node(made(kind), "node")
        builder.set_max_node_executions(5)
        return str(await builder.build().invoke_async("hi"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", [InRun, InInit, InGraph])
async def test_a_real_model_in_a_workflow_ends_it_with_what_to_write(
    agents: Agents, where: Any, kind: str
) -> None:
    async with agents(workflows=[where], models={"m": ScriptedModel}) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(where.run, kind)
        failure = error.value.cause
        assert isinstance(failure, ApplicationError)
        assert failure.type == "AgentTypeError"
        assert failure.message.endswith(WHAT_TO_WRITE)


@pytest.mark.parametrize("kind", ["none", "session"])
@pytest.mark.parametrize("where", [InRun, InInit])
async def test_the_plugin_on_the_worker_only_ends_it_too(
    client: Client, worker_options: dict[str, Any], where: Any, kind: str
) -> None:
    queue = f"misplaced-{where.__name__}-{kind}"
    plugins = [StrandsPlugin(models={"m": ScriptedModel})]
    async with Worker(client, task_queue=queue, workflows=[where], plugins=plugins, **worker_options):
        with pytest.raises(WorkflowFailureError) as error:
            await client.execute_workflow(where.run, kind, id=queue, task_queue=queue)
    failure = error.value.cause
    assert isinstance(failure, ApplicationError)
    if (where, kind) == (InInit, "session"):
        # No interceptor wraps `__init__`, and the client has no converter of ours. So Temporal's own error
        # ends the run.
        assert failure.type == "RestrictedWorkflowAccessError"
    else:
        assert failure.type == "AgentTypeError"
        assert WHAT_TO_WRITE in failure.message


@workflow.defn
class InUpdate:
    def __init__(self) -> None:
        self.ended = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.ended)
        return "went on"

    @workflow.update
    async def ask(self, kind: str) -> str:
        return str(await made(kind).invoke_async("hi"))

    @workflow.update
    async def end(self) -> None:
        self.ended = True


@pytest.mark.parametrize("kind", ["none", "another"])
async def test_in_an_update_the_update_fails_alone(agents: Agents, kind: str) -> None:
    async with agents(workflows=[InUpdate], models={"m": ScriptedModel}) as env:
        handle = await env.start(InUpdate.run)
        with pytest.raises(WorkflowUpdateFailedError) as error:
            await handle.execute_update(InUpdate.ask, kind)
        assert isinstance(error.value.cause, ApplicationError)
        assert error.value.cause.message.endswith(WHAT_TO_WRITE)
        await handle.execute_update(InUpdate.end)
        assert await handle.result() == "went on"


@tool
async def ask_another(kind: str) -> str:
    """Ask another agent."""
    return str(await made(kind).invoke_async("hi"))


@workflow.defn
class InTool:
    @workflow.run
    async def run(self, kind: str) -> str:
        agent = TemporalAgent("m", tools=[ask_another], callback_handler=None)
        result = await agent.tool_async.ask_another(kind=kind)
        return result["content"][0].get("text", "")


async def test_in_a_tool_the_model_reads_it(agents: Agents) -> None:
    async with agents(workflows=[InTool], models={"m": ScriptedModel}) as env:
        assert (await env.run(InTool.run, "none")).endswith(WHAT_TO_WRITE)


class OwnError(Exception):
    pass


@workflow.defn
class InHook:
    """A hook prompts another agent, and raises its own error when that fails."""

    @workflow.run
    async def run(self, chained: bool) -> str:
        async def second_opinion(event: BeforeInvocationEvent) -> None:
            try:
                await made("another").invoke_async("hi")
            except Exception as error:
                if chained:
                    raise OwnError("no second opinion") from error
                raise OwnError("the limit is reached")  # noqa: B904  # an unrelated error

        agent = TemporalAgent("m", callback_handler=None)
        agent.add_hook(second_opinion, BeforeInvocationEvent)
        return str(await agent.invoke_async("go"))


@pytest.mark.parametrize(
    ("chained", "type_", "message"),
    [(True, "AgentTypeError", WHAT_TO_WRITE), (False, "OwnError", "the limit is reached")],
    ids=["its cause", "raised meanwhile"],
)
async def test_an_error_is_about_the_model_only_if_that_is_its_cause(
    agents: Agents, chained: bool, type_: str, message: str
) -> None:
    async with agents(workflows=[InHook], models={"m": ScriptedModel}) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(InHook.run, chained)
    failure = error.value.cause
    assert isinstance(failure, ApplicationError)
    assert failure.type == type_
    assert failure.message.endswith(message)


def raised(how: str) -> BaseException:
    """Return an error from a module of Strands during its import, raised in one of these ways."""
    late: dict[str, Any] = {"__name__": "strands.late"}
    try:
        try:
            exec("import strands.not_there", late)  # noqa: S102  # needs a module of that name
        except ImportError as error:
            if how == "itself":
                raise
            if how == "its cause":
                raise OwnError("own") from error
            raise OwnError("own")  # noqa: B904
    except (ImportError, OwnError) as error:
        return error
    raise AssertionError


def test_only_the_import_error_itself_is_about_a_late_import() -> None:
    assert "strands.late cannot be imported while the workflow runs" in (misplaced(raised("itself")) or "")
    assert misplaced(raised("its cause")) is None
    assert misplaced(raised("meanwhile")) is None


def test_outside_a_workflow_bedrock_is_made_as_ever() -> None:
    adapt_strands()
    assert isinstance(Agent(callback_handler=None).model, BedrockModel)


# In a new process: this one has loaded all of Strands.
LATE_IMPORTS = """
    import asyncio, sys
    from temporalio import workflow
    from temporalio.client import Client
    from temporalio.worker import Replayer, Worker
    from strands_temporal import StrandsPlugin

    @workflow.defn
    class Late:
        @workflow.run
        async def run(self) -> str:
            from strands.vended_tools import http_request
            from strands.vended_tools.notebook import notebook
            from strands.tools.mcp import MCPClient
            return http_request.tool_name

    @workflow.defn
    class Missing:
        @workflow.run
        async def run(self) -> str:
            import strands.multiagent.a2a
            return "imported"

    async def main() -> None:
        client = await Client.connect(sys.argv[1], plugins=[StrandsPlugin()])
        assert "strands.vended_tools" not in sys.modules
        sys.modules["a2a.types"] = None  # as if it were not installed
        async with Worker(client, task_queue=sys.argv[2], workflows=[Late, Missing]):
            assert not {"strands.vended_tools", "mcp", "a2a"} & set(sys.modules)  # a second, and 60 MB
            print(await client.execute_workflow(Late.run, id=sys.argv[2], task_queue=sys.argv[2]))
            try:
                await client.execute_workflow(Missing.run, id=sys.argv[2] + "2", task_queue=sys.argv[2])
            except Exception as error:
                print(error.cause)

    if __name__ == "__main__":
        asyncio.run(main())
"""


def test_strands_may_be_imported_while_a_workflow_runs(server: DevServer, tmp_path: Any) -> None:
    script = tmp_path / "late_imports.py"
    script.write_text(textwrap.dedent(LATE_IMPORTS))
    run = subprocess.run(
        [sys.executable, str(script), server.address, f"late-{os.getpid()}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [line for line in run.stdout.splitlines() if "temporalio_" not in line]
    assert lines[:1] == ["http_request"], run.stderr
    assert (
        "strands.multiagent.a2a cannot be imported while the workflow runs: import of a2a.types halted"
        in lines[1]
    )
