"""A command gets secrets of the worker's allow-list, and history gets none of their values."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from conftest import Agents
from hypothesis import given
from hypothesis import strategies as st
from packages.core.tests.worker.sandbox_scenes import Operations, SandboxedAgent
from strands.sandbox import ExecutionResult, StreamChunk
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, StrandsPlugin
from strands_temporal._worker.sandbox_output import Hider, Output
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal.workflow import SecretRef, TemporalSandbox

SECRET = "ghp-top'secret$4711"


async def token() -> str:
    """A secret that is fetched."""
    await asyncio.sleep(0)
    return SECRET


def plugin(secrets: Any, **options: Any) -> StrandsPlugin:
    return StrandsPlugin(sandboxes={"box": NotASandboxLocalEnvironment}, sandbox_secrets=secrets, **options)


@pytest.mark.server
async def test_a_command_sees_the_secret_and_history_does_not(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_TEST_TOKEN", SECRET)
    env_: dict[str, Any] = {"TOKEN": ["secret", "token"], "USER_NAME": "ada"}
    halves = 'printf %s "$TOKEN" | cut -c1-9 | tr -d \'\\n\'; sleep 0.3; printf %s "$TOKEN" | cut -c10-'
    steps = [
        ["execute", {"command": 'echo "$USER_NAME $TOKEN" >&2; printf %s "$TOKEN" | wc -c', "env": env_}],
        ["execute_streaming", {"command": halves, "env": env_}],
        ["execute", {"command": 'echo "$TOKEN"; sleep 30', "env": env_, "timeout": 1.5}],
        ["execute_code", {"code": "import os; raise ValueError(os.environ['T'])", "language": "python3",
                          "env": {"T": ["secret", "token"]}}],
    ]  # fmt: skip
    variables = [
        ["execute", {"command": 'echo "$X"; printf %s "$X" | wc -c',
                     "env": {"X": ["secret", "SANDBOX_TEST_TOKEN"]}}],
    ]  # fmt: skip
    async with agents(workflows=[Operations], plugins=[plugin({"token": token})]) as env:
        handle = await env.start(Operations.run, steps)
        first, halved, timed_out, raised = await handle.result()
        await env.assert_replays(handle)
        history = (await handle.fetch_history()).to_json()
    assert first["stdout"].strip() == str(len(SECRET))
    assert first["stderr"] == "ada ***\n"
    assert halved[-1]["stdout"] == "***\n"
    assert timed_out["error"] == "SandboxTimeoutError"
    assert timed_out["stdout"] == "***\n"
    assert "ValueError: ***" in raised["stderr"]
    assert "ghp" not in str([first, halved, timed_out, raised])
    assert "ghp-top" not in history
    async with agents(workflows=[Operations], plugins=[plugin(["SANDBOX_TEST_TOKEN"])]) as env:
        (result,) = await env.run(Operations.run, variables)
    assert result["stdout"] == f"***\n{len(SECRET)}\n"


@pytest.mark.server
async def test_a_secret_that_is_not_allowed_ends_the_run_of_an_agent(agents: Agents) -> None:
    step = ["execute", {"command": "true", "env": {"X": ["secret", "tokem"]}}]
    async with agents(workflows=[Operations], plugins=[plugin({"token": token})]) as env:
        (refused,) = await env.run(Operations.run, [step])
    assert refused["error"] == "SandboxNotRegisteredError"
    assert "Unknown secret 'tokem'. Did you mean 'token'?" in refused["text"]
    model = ScriptedModel(use_tool("shell", {"command": "echo $TOKEN"}), say("never"))
    plugins = [plugin({"other": "x"}, models={"m": lambda: model})]
    async with agents(workflows=[SandboxedAgent], plugins=plugins) as env:
        with pytest.raises(WorkflowFailureError) as failed:
            await env.run(SandboxedAgent.run, "temporal", ["shell"], "box", {"TOKEN": ["secret", "token"]})
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "SandboxNotRegisteredError"


@given(
    st.text("abx", max_size=30), st.lists(st.integers(0, 30)), st.sets(st.text("ab", min_size=1, max_size=4))
)
def test_a_secret_is_hidden_however_the_output_is_cut(text: str, cuts: list[int], secrets: set[str]) -> None:
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    heard: list[str] = []
    hide = Hider(secrets)
    output = Output(hide, [lambda chunk: heard.append(chunk.data)])
    for start, end in pairwise(bounds):
        output.add(StreamChunk(text[start:end], "stdout"))
    outcome = output.outcome(ExecutionResult(0, text, ""))
    _, result = outcome.restored()
    for shown in ("".join(heard), result.stdout):
        assert not [secret for secret in secrets if secret in shown]
        assert shown.replace("***", "").strip("abx") == ""


def test_what_is_no_allow_list_and_no_environment_is_refused() -> None:
    for given_, text in [
        ("TOKEN", "neither a mapping of names to values nor a list of names"),
        ({"a": 1}, "the value of 'a' is a int"),
        ([1], "the name 1 is not a string"),
    ]:
        with pytest.raises(TypeError, match=text):
            plugin(given_)
    with pytest.raises(ValueError, match="sandbox_secrets= is for the commands in sandboxes="):
        StrandsPlugin(sandbox_secrets={"a": "b"})
    with pytest.raises(ValueError, match="a name is empty"):
        plugin([""])
    wrong: Any = {"A": 1}
    with pytest.raises(AgentTypeError, match=r"env has 'A': int\. .* SecretRef\('NAME'\)"):
        TemporalSandbox("box", env=wrong)
    assert TemporalSandbox("box", env={"A": SecretRef("token")}).env == {"A": SecretRef("token")}
