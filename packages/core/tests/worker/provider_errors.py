"""Errors as providers' packages raise them, by status and headers, and our classification of them."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import anthropic
import httpx
import ollama
import openai
from botocore.exceptions import ClientError
from google.genai import errors as genai_errors
from strands.types.exceptions import ModelThrottledException
from temporalio.exceptions import ApplicationError

from strands_temporal._worker.model_failures import model_failure

E = TypeVar("E", bound=Exception)

REQUEST = httpx.Request("POST", "https://provider.example/v1/messages")


def response(status: int, **headers: str) -> httpx.Response:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=headers, json={"error": {"message": "no"}}, request=REQUEST)


def http_error(status: int, **headers: str) -> httpx.HTTPStatusError:
    try:
        response(status, **headers).raise_for_status()
    except httpx.HTTPStatusError as error:
        return error
    raise AssertionError(f"{status} is no error")


def answering(status: int, **headers: str) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(lambda _: response(status, **headers)))


def openai_error(status: int, **headers: str) -> openai.APIStatusError:
    """Return the SDK's own error for such a response."""
    return _sdk_error(openai.OpenAI, openai.APIStatusError, status, headers)


def anthropic_error(status: int, **headers: str) -> anthropic.APIStatusError:
    """Return the SDK's own error for such a response."""
    return _sdk_error(anthropic.Anthropic, anthropic.APIStatusError, status, headers)


def _sdk_error(sdk: Callable[..., Any], kind: type[E], status: int, headers: dict[str, str]) -> E:
    with answering(status, **headers) as http:
        client = sdk(api_key="none", http_client=http, max_retries=0)
        try:
            client.models.list()
        except kind as error:
            return error
    raise AssertionError(f"{status} is no error")


def bedrock_error(code: str, status: int, **headers: str) -> ClientError:
    parsed: Any = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": dict(headers)},
    }
    return ClientError(parsed, "ConverseStream")


def ollama_error(status: int) -> ollama.ResponseError:
    return ollama.ResponseError("no", status)


def gemini_error(status: int, **headers: str) -> genai_errors.APIError:
    """Return the SDK's own error for such a response."""
    answer = response(status, **headers)
    try:
        genai_errors.APIError.raise_for_response(answer)
    except genai_errors.APIError as error:
        return error
    raise AssertionError(f"{status} is no error")


def json_error() -> Exception:
    try:
        json.loads('{"half": ')
    except json.JSONDecodeError as error:
        return error
    raise AssertionError


def failure_of(error: Exception) -> ApplicationError:
    failure = model_failure(error)
    assert isinstance(failure, ApplicationError)
    return failure


RETRY, FINAL = False, True  # values of non_retryable


# Strands' own classes -------------------------------------------------------------------------------------


def throttled(cause: Exception | None) -> ModelThrottledException:
    """Return the error of Strands' providers on throttling: Strands' class, caused by the SDK's."""
    try:
        raise ModelThrottledException("slow down") from cause
    except ModelThrottledException as error:
        return error
