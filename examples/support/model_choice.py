"""Picks a model from the environment, so that an example runs on any machine.

It looks for `ANTHROPIC_API_KEY`, `OPENAI_API_KEY`, AWS credentials and `OLLAMA_HOST`, in this order. If there
is none, it takes a small real model on this machine. `STRANDS_TEMPORAL_MODEL` overrides the model's id. Two
values are special: `local` asks for the small model, `scripted` for a scripted one, which calls tools but is
not a real model.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from examples.support.llama_server import KEY_VARIABLE, MODEL_ID, URL_VARIABLE

if TYPE_CHECKING:  # takes a second to import, and the demo has something to show before that
    from strands.models import Model

MODEL_VARIABLE = "STRANDS_TEMPORAL_MODEL"
LOCAL = "local"
SCRIPTED = "scripted"

ANTHROPIC_MODEL = "claude-haiku-4-5"
OPENAI_MODEL = "gpt-5.4-mini"
OLLAMA_MODEL = "llama3.2"

_MAX_TOKENS = 1024  # Anthropic requires a limit; ample for short answers


@dataclass(frozen=True)
class ModelChoice:
    """A model, its factory, and how to describe it to a person.

    Attributes:
        label: The model, and why it was chosen.
        factory: Makes it, with the provider SDK's retries off, because Temporal retries.
        calls_tools: Whether it can be trusted to call tools.
        needs_llama_server: Whether `llama_server` must run, with its variables in the environment of the
            process that calls `factory`.
        scripted: Whether it is not a real model.
    """

    label: str
    factory: "Callable[[], Model]"
    calls_tools: bool
    needs_llama_server: bool = False
    scripted: bool = False


def choose_model() -> ModelChoice:
    """Return the first model that this process's environment offers. Makes no network request."""
    wanted = os.environ.get(MODEL_VARIABLE) or None
    if wanted == LOCAL:
        return _local(f"asked for by {MODEL_VARIABLE}={LOCAL}")
    if wanted == SCRIPTED:
        return _scripted()
    if os.environ.get("ANTHROPIC_API_KEY"):
        return _anthropic(wanted or ANTHROPIC_MODEL)
    if os.environ.get("OPENAI_API_KEY"):
        return _openai(wanted or OPENAI_MODEL)
    if credentials := aws_credentials():
        return _bedrock(wanted, credentials)
    if host := os.environ.get("OLLAMA_HOST"):
        return _ollama(wanted or OLLAMA_MODEL, host)
    return _local("no API key, AWS credentials or OLLAMA_HOST found")


def small_model() -> ModelChoice:
    """Return the small model on this machine, whatever else the environment offers."""
    return _local("always there")


def aws_credentials() -> str | None:
    """Return where AWS credentials come from, or None.

    Looks at the environment and at the profiles that botocore reads. Skips the role of an EC2 machine: its
    metadata service needs a network request, which hangs on any other machine.
    """
    env = os.environ
    if env.get("AWS_BEARER_TOKEN_BEDROCK"):
        return "AWS_BEARER_TOKEN_BEDROCK"
    if env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
        return "AWS_ACCESS_KEY_ID"
    if env.get("AWS_WEB_IDENTITY_TOKEN_FILE") and env.get("AWS_ROLE_ARN"):
        return "AWS_WEB_IDENTITY_TOKEN_FILE"
    for variable in ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        if env.get(variable):
            return variable
    return _aws_profile()


# Settings with which a profile has credentials, not only a region: botocore's names, one for each source.
_PROFILE_CREDENTIALS = frozenset(
    {
        "aws_access_key_id",
        "role_arn",
        "sso_session",
        "sso_start_url",
        "credential_process",
        "login_session",
    }
)


def _aws_profile() -> str | None:
    from botocore.session import Session

    config = cast("Mapping[str, Any]", Session().full_config)
    profiles = cast("Mapping[str, Mapping[str, Any]]", config.get("profiles", {}))
    name = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or "default"
    return f"AWS profile {name!r}" if _PROFILE_CREDENTIALS & profiles.get(name, {}).keys() else None


def _anthropic(model_id: str) -> ModelChoice:
    def factory() -> "Model":
        from strands.models.anthropic import AnthropicModel

        return AnthropicModel(client_args={"max_retries": 0}, model_id=model_id, max_tokens=_MAX_TOKENS)

    return ModelChoice(f"Anthropic {model_id}, from ANTHROPIC_API_KEY", factory, calls_tools=True)


def _openai(model_id: str) -> ModelChoice:
    def factory() -> "Model":
        from strands.models.openai import OpenAIModel

        return OpenAIModel(client_args={"max_retries": 0}, model_id=model_id)

    return ModelChoice(f"OpenAI {model_id}, from OPENAI_API_KEY", factory, calls_tools=True)


def _bedrock(model_id: str | None, credentials: str) -> ModelChoice:
    def factory() -> "Model":
        from botocore.config import Config
        from strands.models.bedrock import BedrockModel

        one_attempt = Config(retries={"total_max_attempts": 1}, read_timeout=120)
        if model_id is None:
            return BedrockModel(boto_client_config=one_attempt)
        return BedrockModel(boto_client_config=one_attempt, model_id=model_id)

    name = model_id or "with Strands' default model"
    return ModelChoice(f"Amazon Bedrock {name}, from {credentials}", factory, calls_tools=True)


def _ollama(model_id: str, host: str) -> ModelChoice:
    def factory() -> "Model":
        from strands.models.ollama import OllamaModel

        return OllamaModel(host, model_id=model_id)  # its SDK does not retry

    return ModelChoice(f"Ollama {model_id} at {host}, from OLLAMA_HOST", factory, calls_tools=True)


def _local(reason: str) -> ModelChoice:
    def factory() -> "Model":
        from strands_temporal._commands._local_model import model_at

        return model_at(os.environ[URL_VARIABLE], os.environ[KEY_VARIABLE])

    label = f"{MODEL_ID}, a small real model on this machine ({reason})"
    return ModelChoice(label, factory, calls_tools=False, needs_llama_server=True)


def _scripted() -> ModelChoice:
    def factory() -> "Model":
        from examples.support.scripted import scripted_model

        return scripted_model()

    label = (
        "a scripted model, which is not a real one and knows the examples' own prompts only "
        f"(asked for by {MODEL_VARIABLE}={SCRIPTED})"
    )
    return ModelChoice(label, factory, calls_tools=True, scripted=True)
