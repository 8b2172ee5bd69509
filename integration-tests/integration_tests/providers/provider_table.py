"""The providers: how to make Strands' model of each, and which exceptions it raises."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from botocore.config import Config
from strands.models import BedrockModel, Model
from strands.models.anthropic import AnthropicModel
from strands.models.gemini import GeminiModel
from strands.models.ollama import OllamaModel
from strands.models.openai import OpenAIModel
from strands.models.openai_responses import OpenAIResponsesModel

from .emulators import RUN_HEADER, Emulators


@dataclass(frozen=True)
class Provider:
    """One provider.

    Attributes:
        make: Makes Strands' model for one run of a test, with the retries of the SDK off.
        errors: Class that the model raises for each kind of failure.
        reasons: Whether its emulator sends reasoning.
        counts: Whether its emulator sends token counts.
    """

    make: Callable[[Emulators, str], Model]
    errors: Mapping[str, str]
    reasons: bool = True
    counts: bool = True


def _openai(emulators: Emulators, run: str) -> dict[str, Any]:
    return {
        "base_url": f"{emulators.aimock}/v1",
        "api_key": "k",
        "max_retries": 0,
        "timeout": 60,  # also for connecting: on a busy machine the SDK's five seconds are too short
        "default_headers": {RUN_HEADER: run},
    }


def _chat(emulators: Emulators, run: str) -> Model:
    return OpenAIModel(client_args=_openai(emulators, run), model_id="gpt-5-mini")


def _responses(emulators: Emulators, run: str) -> Model:
    return OpenAIResponsesModel(client_args=_openai(emulators, run), model_id="gpt-5")


def _anthropic(emulators: Emulators, run: str) -> Model:
    arguments = {
        "base_url": emulators.aimock,
        "api_key": "k",
        "max_retries": 0,
        "default_headers": {RUN_HEADER: run},
        "http_client": emulators.http,
    }
    return AnthropicModel(client_args=arguments, model_id="claude-sonnet-4-5", max_tokens=100)


def _gemini(emulators: Emulators, run: str) -> Model:
    arguments = {
        "api_key": "k",
        "http_options": {
            "base_url": emulators.aimock,
            "headers": {RUN_HEADER: run},
            "httpx_async_client": emulators.http,
        },
    }
    return GeminiModel(client_args=arguments, model_id="gemini-2.5-pro")


def _ollama(emulators: Emulators, run: str) -> Model:
    arguments = {"headers": {RUN_HEADER: run}, "transport": emulators.transport}
    return OllamaModel(emulators.aimock, ollama_client_args=arguments, model_id="qwen3")


def _bedrock(emulators: Emulators, run: str) -> Model:
    import boto3

    def name_the_run(request: Any, **_: Any) -> None:
        request.headers[RUN_HEADER] = run

    session = boto3.Session("k", "s", region_name="us-west-2")
    model = BedrockModel(
        boto_session=session,
        boto_client_config=Config(retries={"total_max_attempts": 1}),
        endpoint_url=emulators.bedrock,
        model_id="anthropic.claude-sonnet-4-5",
    )
    client = cast("Any", model.client)
    client.meta.events.register("before-sign.bedrock-runtime", name_the_run)
    emulators.at_the_end.callback(client.close)
    return model


_THROTTLED = {"throttled": "ModelThrottledException", "overflow": "ContextWindowOverflowException"}
_OPENAI = _THROTTLED | {
    "failed": "InternalServerError",
    "key": "AuthenticationError",
    "forbidden": "PermissionDeniedError",
    "unknown": "NotFoundError",
    "cut": "RemoteProtocolError",
}

PROVIDERS: Mapping[str, Provider] = {
    "openai": Provider(_chat, _OPENAI),
    "responses": Provider(_responses, _OPENAI),
    "anthropic": Provider(_anthropic, _OPENAI),
    "gemini": Provider(
        _gemini,
        _THROTTLED
        | dict.fromkeys(("key", "forbidden", "unknown"), "ClientError")
        | {"failed": "ServerError", "cut": "RemoteProtocolError"},
    ),
    "ollama": Provider(
        _ollama,
        dict.fromkeys(("throttled", "failed", "key", "forbidden", "unknown"), "ResponseError")
        | {"overflow": "ContextWindowOverflowException", "cut": "RemoteProtocolError"},
        reasons=False,
        counts=False,
    ),
    "bedrock": Provider(
        _bedrock,
        _THROTTLED
        | {
            "failed": "InternalServerException",
            "key": "ClientError",
            "forbidden": "AccessDeniedException",
            "unknown": "ValidationException",
            "cut": "ProtocolError",
        },
        reasons=False,
    ),
}
