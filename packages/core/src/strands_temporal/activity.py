"""What runs in activities, on the worker: the seam around a model call, and values with bytes on the wire.

from strands_temporal.activity import ModelCallInterceptor, ModelCallMiddleware, ModelRequest
"""

from ._middleware import ModelCallInterceptor, ModelCallMiddleware, ModelRequest, ModelStream
from ._wire import decode, encode

__all__ = ["ModelCallInterceptor", "ModelCallMiddleware", "ModelRequest", "ModelStream", "decode", "encode"]
