"""Names of OpenTelemetry's GenAI conventions, and the standard variables that choose between them.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/. Like Strands' own tracer, instrumentations keep
the names of version 1.36 unless `OTEL_SEMCONV_STABILITY_OPT_IN` contains `gen_ai_latest_experimental`.
"""

import os
from collections.abc import Mapping
from typing import Any, cast

from strands.models import Model

SEMCONV_OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
CAPTURE_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
LATEST = "gen_ai_latest_experimental"

OPERATION_NAME = "gen_ai.operation.name"
SYSTEM = "gen_ai.system"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
CONVERSATION_ID = "gen_ai.conversation.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_CREATION_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105  # an attribute's name
ERROR_TYPE = "error.type"
ATTEMPT = "temporalActivityAttempt"  # in the style of temporalio's own attributes, `temporalActivityID`

TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105  # a metric's name
OPERATION_DURATION = "gen_ai.client.operation.duration"
TIME_TO_FIRST_CHUNK = "gen_ai.client.operation.time_to_first_chunk"

# The conventions' own bucket boundaries: the SDK's defaults are for milliseconds.
TOKEN_BUCKETS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
SECOND_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)

CONTENT_ATTRIBUTES = frozenset(
    {
        "content",  # of Strands' memory spans, with gen_ai_span_attributes_only
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
    }
)
"""Attributes in which Strands' tracer records the content of people, models and tools (strands 1.62,
telemetry/tracer.py). All its events except exceptions contain content too."""

_PROVIDERS = {
    "anthropic": "anthropic",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "litellm": "litellm",
    "llamaapi": "llamaapi",
    "llamacpp": "llamacpp",
    "mistral": "mistral_ai",
    "ollama": "ollama",
    "openai": "openai",
    "openai_responses": "openai",
    "sagemaker": "aws.sagemaker",
    "writer": "writer",
}
"""The conventions' names of providers, by the names of Strands' modules."""

_SETTINGS = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
}


def latest_conventions() -> bool:
    """Tell whether the environment asks for the latest names."""
    return LATEST in {token.strip() for token in os.environ.get(SEMCONV_OPT_IN, "").split(",")}


def captures_content() -> bool:
    """Tell whether the environment allows recording the content of people, models and tools."""
    return os.environ.get(CAPTURE_CONTENT, "").strip().lower() in {
        "1",
        "true",
        "event_only",
        "span_only",
        "span_and_event",
    }


def provider_name(model: Model) -> str:
    """Return the conventions' name of `model`'s provider; the class name if they do not have one."""
    for cls in type(model).__mro__:
        package, _, module = cls.__module__.rpartition(".")
        if package == "strands.models" and module in _PROVIDERS:
            return _PROVIDERS[module]
    return type(model).__name__


def request_attributes(model: Model) -> dict[str, Any]:
    """Return a call's attributes from the model's configuration: the model id and the usual settings."""
    config: object = model.get_config()
    if not isinstance(config, Mapping):
        return {}
    values = cast("Mapping[str, Any]", config)
    params = values.get("params")
    settings = {**cast("Mapping[str, Any]", params), **values} if isinstance(params, Mapping) else values
    found = {
        attribute: settings[name]
        for name, attribute in _SETTINGS.items()
        if isinstance(settings.get(name), (int, float))
    }
    if isinstance(model_id := values.get("model_id"), str):
        found[REQUEST_MODEL] = model_id
    return found
