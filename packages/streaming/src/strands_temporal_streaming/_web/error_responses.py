"""The HTTP responses for errors that happen before the events begin: AG-UI's `RUN_ERROR` as JSON."""

import json
import logging
from collections.abc import Mapping
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from .errors import BAD_REQUEST, NOT_ALLOWED, NOT_FOUND, WebError

logger = logging.getLogger(__name__)


def error_handlers() -> dict[Any, Any]:
    """Return the app's handlers of exceptions, for Starlette."""
    return {
        WebError: _web_error,
        HTTPException: _http_error,
        ClientDisconnect: _http_error,
        Exception: _server_error,
    }


def _error(message: str, code: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    event = {"type": "RUN_ERROR", "message": message, "code": code}
    return Response(
        json.dumps(event),
        status,
        {"x-content-type-options": "nosniff", **(headers or {})},
        "application/json",
    )


async def _web_error(request: Request, error: Exception) -> Response:
    del request
    told = cast("WebError", error)
    return _error(told.message, told.code, told.status)


async def _http_error(request: Request, error: Exception) -> Response:
    del request
    if not isinstance(error, HTTPException):
        return _error("The client has gone", BAD_REQUEST, 400)
    code = {401: NOT_ALLOWED, 403: NOT_ALLOWED, 404: NOT_FOUND}.get(error.status_code, BAD_REQUEST)
    return _error(str(error.detail), code, error.status_code, error.headers)


async def _server_error(request: Request, error: Exception) -> Response:
    logger.error("path=<%s> | the request failed", request.url.path, exc_info=error)
    return _error("The server failed", "INTERNAL", 500)
