"""What runs in activities, on the worker: the seam around a model call.

from strands_temporal.activity import ModelCallInterceptor, ModelCallMiddleware, ModelRequest
"""

from ._middleware import ModelCallInterceptor, ModelCallMiddleware, ModelRequest, ModelStream

__all__ = ["ModelCallInterceptor", "ModelCallMiddleware", "ModelRequest", "ModelStream"]
