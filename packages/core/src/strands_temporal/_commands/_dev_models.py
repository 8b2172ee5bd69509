"""The model of `strands-temporal dev`: the module's own, one of the environment's, or a stand-in.

`--model auto` takes the module's own models if it names any. Otherwise it looks for `ANTHROPIC_API_KEY`,
`OPENAI_API_KEY`, AWS credentials and `OLLAMA_HOST`, in this order.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from strands.models import Model

from .._worker.model_factories import default_model
from ._local_model import INSTALL, MODEL_ID, local_model, missing_packages

AUTO, LOCAL, SCRIPTED = "auto", "local", "scripted"
CHOICES = (AUTO, LOCAL, SCRIPTED)

_MAX_TOKENS = 1024  # Anthropic requires a limit
_ANTHROPIC, _OPENAI, _OLLAMA = "claude-haiku-4-5", "gpt-5.4-mini", "llama3.2"


class NoModelError(Exception):
    """There is no model to take. The text says what to do."""


@dataclass(frozen=True)
class ModelChoice:
    """A model that stands in for the names that agents use.

    Attributes:
        label: The model and why it was chosen, for a person.
        factory: Makes it on the worker. The provider SDK's retries are off, because Temporal retries.
    """

    label: str
    factory: Callable[[], Model]


def stand_in(choice: str) -> ModelChoice | None:
    """Return the model for `--model local` or `--model scripted`; None for `auto`."""
    if choice == LOCAL:
        return ModelChoice(
            f"{MODEL_ID}, a small real model on this machine, which calls no tools", local_model
        )
    if choice == SCRIPTED:
        return ModelChoice("a scripted model, which repeats what you say", _scripted)
    return None


def check_local() -> None:
    """Refuse `--model local` without its packages.

    Raises:
        NoModelError: One is missing.
    """
    if missing := missing_packages():
        raise NoModelError(
            f"--model local needs {', '.join(missing)}, not installed: {INSTALL}. Or take --model scripted"
        )


def from_environment() -> ModelChoice:
    """Return the first model that this process's environment has credentials for. Makes no network request.

    Raises:
        NoModelError: There is none.
    """
    keyed = (
        ("ANTHROPIC_API_KEY", "anthropic", f"Anthropic {_ANTHROPIC}", _anthropic),
        ("OPENAI_API_KEY", "openai", f"OpenAI {_OPENAI}", _openai),
        ("AWS_ACCESS_KEY_ID", "botocore", "Amazon Bedrock, Strands' default", default_model),
        ("AWS_BEARER_TOKEN_BEDROCK", "botocore", "Amazon Bedrock, Strands' default", default_model),
        ("AWS_PROFILE", "botocore", "Amazon Bedrock, Strands' default", default_model),
        ("OLLAMA_HOST", "ollama", f"Ollama {_OLLAMA}", _ollama),
    )
    lacking = ""
    for variable, module, label, factory in keyed:
        if not os.environ.get(variable):
            continue
        if find_spec(module) is not None:
            return ModelChoice(f"{label}, from {variable}", factory)
        lacking += f' For {variable} install "strands-agents[{module}]".'
    shared = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
    if shared.is_file():
        return ModelChoice(f"Amazon Bedrock, Strands' default, from {shared}", default_model)
    raise NoModelError(
        "No model: the module has no `models = {...}`, and no ANTHROPIC_API_KEY, OPENAI_API_KEY, "
        f"AWS_ACCESS_KEY_ID, AWS_PROFILE or OLLAMA_HOST is set.{lacking} Set one, or run with "
        "--model scripted or --model local"
    )


def _anthropic() -> Model:
    from strands.models.anthropic import AnthropicModel

    return AnthropicModel(client_args={"max_retries": 0}, model_id=_ANTHROPIC, max_tokens=_MAX_TOKENS)


def _openai() -> Model:
    from strands.models.openai import OpenAIModel

    return OpenAIModel(client_args={"max_retries": 0}, model_id=_OPENAI)


def _ollama() -> Model:
    from strands.models.ollama import OllamaModel

    return OllamaModel(os.environ["OLLAMA_HOST"], model_id=_OLLAMA)


def _scripted() -> Model:
    from ..testing import ScriptedModel

    def answer(call: Any) -> str:
        return f"You said: {call.text}"

    return ScriptedModel(answer)
