"""The examples' choice of a model, and the local model as the last resort."""

import os
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from examples.support.llama_server import llama_server
from examples.support.model_choice import ModelChoice, choose_model
from strands import Agent

from integration_tests.openai_stand_in import Deltas, openai_provider
from strands_temporal._commands._local_model import model_at
from strands_temporal.testing import ScriptedModel

_CLEARED = ("ANTHROPIC_", "OPENAI_", "AWS_", "OLLAMA_", "STRANDS_TEMPORAL_")


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that offers no model, with an empty home folder."""
    for name in list(os.environ):
        if name.startswith(_CLEARED):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


@pytest.fixture
def offline(environ: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The same environment, in which any connection is an error."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("The choice of a model must not ask anything over a network")

    environ.setattr(socket.socket, "connect", refuse)
    environ.setattr(socket.socket, "connect_ex", refuse)
    return environ


def _let_bedrock_be_made(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("AWS_REGION", "us-west-2")
    environ.setenv("AWS_EC2_METADATA_DISABLED", "true")  # otherwise boto3 asks the metadata service


def _client_of(choice: ModelChoice) -> Any:
    return cast("Any", choice.factory()).client


def test_nothing_offered_gives_the_local_model(offline: pytest.MonkeyPatch) -> None:
    choice = choose_model()
    assert choice.label == (
        "SmolLM2-135M-Instruct, a small real model on this machine "
        "(no API key, AWS credentials or OLLAMA_HOST found)"
    )
    assert choice.needs_llama_server
    assert not choice.calls_tools


def test_the_order(offline: pytest.MonkeyPatch) -> None:
    offline.setenv("OLLAMA_HOST", "http://127.0.0.1:11434")
    assert choose_model().label == "Ollama llama3.2 at http://127.0.0.1:11434, from OLLAMA_HOST"
    offline.setenv("AWS_ACCESS_KEY_ID", "id")
    offline.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert choose_model().label == "Amazon Bedrock with Strands' default model, from AWS_ACCESS_KEY_ID"
    offline.setenv("OPENAI_API_KEY", "key")
    assert choose_model().label == "OpenAI gpt-5.4-mini, from OPENAI_API_KEY"
    offline.setenv("ANTHROPIC_API_KEY", "key")
    choice = choose_model()
    assert choice.label == "Anthropic claude-haiku-4-5, from ANTHROPIC_API_KEY"
    assert choice.calls_tools
    assert not choice.needs_llama_server


def test_an_empty_variable_offers_nothing(offline: pytest.MonkeyPatch) -> None:
    for name in (
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "AWS_PROFILE",
        "OLLAMA_HOST",
        "STRANDS_TEMPORAL_MODEL",
    ):
        offline.setenv(name, "")
    assert choose_model().needs_llama_server


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("ANTHROPIC_API_KEY", "Anthropic some-model, from ANTHROPIC_API_KEY"),
        ("OPENAI_API_KEY", "OpenAI some-model, from OPENAI_API_KEY"),
        ("AWS_BEARER_TOKEN_BEDROCK", "Amazon Bedrock some-model, from AWS_BEARER_TOKEN_BEDROCK"),
        ("OLLAMA_HOST", "Ollama some-model at k, from OLLAMA_HOST"),
    ],
)
def test_the_model_id_can_be_named(offline: pytest.MonkeyPatch, key: str, label: str) -> None:
    offline.setenv(key, "k")
    offline.setenv("STRANDS_TEMPORAL_MODEL", "some-model")
    choice = choose_model()
    assert choice.label == label
    _let_bedrock_be_made(offline)
    assert cast("Any", choice.factory()).get_config()["model_id"] == "some-model"


def test_the_local_model_can_be_asked_for(offline: pytest.MonkeyPatch) -> None:
    offline.setenv("ANTHROPIC_API_KEY", "key")
    offline.setenv("STRANDS_TEMPORAL_MODEL", "local")
    assert choose_model().needs_llama_server


def test_the_scripted_model_can_be_asked_for_and_is_said_to_be_one(offline: pytest.MonkeyPatch) -> None:
    offline.setenv("ANTHROPIC_API_KEY", "key")
    offline.setenv("STRANDS_TEMPORAL_MODEL", "scripted")
    choice = choose_model()
    assert choice.label == (
        "a scripted model, which is not a real one and knows the examples' own prompts only "
        "(asked for by STRANDS_TEMPORAL_MODEL=scripted)"
    )
    assert choice.scripted
    assert choice.calls_tools
    assert not choice.needs_llama_server
    assert isinstance(choice.factory(), ScriptedModel)


@pytest.mark.parametrize(
    ("variable", "content", "profile"),
    [
        ("AWS_SHARED_CREDENTIALS_FILE", "[default]\naws_access_key_id=i\naws_secret_access_key=s\n", None),
        ("AWS_CONFIG_FILE", "[profile work]\nrole_arn=r\nsource_profile=default\n", "work"),
        ("AWS_CONFIG_FILE", "[profile work]\nsso_session=s\n", "work"),
    ],
)
def test_an_aws_profile_with_credentials_counts(
    offline: pytest.MonkeyPatch, tmp_path: Path, variable: str, content: str, profile: str | None
) -> None:
    file = tmp_path / "aws"
    file.write_text(content)
    offline.setenv(variable, str(file))
    if profile:
        offline.setenv("AWS_PROFILE", profile)
    assert choose_model().label.endswith(f"from AWS profile {profile or 'default'!r}")


def test_an_aws_profile_without_credentials_does_not_count(
    offline: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "config"
    file.write_text("[default]\nregion=eu-central-1\n")
    offline.setenv("AWS_CONFIG_FILE", str(file))
    assert choose_model().needs_llama_server
    offline.setenv("AWS_PROFILE", "missing")
    assert choose_model().needs_llama_server


def test_the_providers_do_not_retry(offline: pytest.MonkeyPatch) -> None:
    offline.setenv("AWS_BEARER_TOKEN_BEDROCK", "token")
    _let_bedrock_be_made(offline)
    assert _client_of(choose_model()).meta.config.retries["total_max_attempts"] == 1
    offline.setenv("OPENAI_API_KEY", "key")
    assert cast("Any", choose_model().factory()).client_args["max_retries"] == 0
    offline.setenv("ANTHROPIC_API_KEY", "key")
    assert _client_of(choose_model()).max_retries == 0


async def test_the_local_model_answers_who_has_the_key_and_ends_with_the_block(
    environ: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    async with llama_server(tmp_path / "llama.log") as variables:
        for name, value in variables.items():
            environ.setenv(name, value)
        agent = Agent(
            model=choose_model().factory(),
            system_prompt="You are a helpful assistant. Keep your answers short.",
            callback_handler=None,
        )
        assert "Paris" in str(await agent.invoke_async("What is the capital of France?"))
        url = variables["STRANDS_TEMPORAL_LLAMA_URL"]
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            direct.open(f"{url}/chat/completions", data=b"{}", timeout=10)
        refused.value.close()
    with pytest.raises(urllib.error.URLError, match="refused"):
        direct.open(url, timeout=10)


@pytest.mark.parametrize(("finish_reason", "said"), [("stop", "Once upon"), ("length", "Once upon […]")])
async def test_the_small_models_answer_ends_at_its_limit_with_a_mark(finish_reason: str, said: str) -> None:
    def answer(_: dict[str, Any]) -> Deltas:
        return [{"content": "Once "}, {"content": "upon", "finish_reason": finish_reason}]

    with openai_provider(answer) as provider:
        agent = Agent(
            model_at(provider["OPENAI_BASE_URL"], provider["OPENAI_API_KEY"]), callback_handler=None
        )
        result = await agent.invoke_async("A story, please.")
    assert (result.stop_reason, str(result).strip()) == ("end_turn", said)
