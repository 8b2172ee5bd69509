"""The model of an example's worker: chosen from the environment, and served here when it is the small one."""

import os
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from examples.support.llama_server import llama_server
from examples.support.model_choice import ModelChoice, choose_model


@asynccontextmanager
async def chosen_model(*, must_call_tools: bool = False) -> AsyncGenerator[ModelChoice]:
    """Yield the model that the environment offers; it can be called while the block runs.

    Args:
        must_call_tools: Whether the example is nothing without a model that calls tools.

    Raises:
        ChildProcessError: It is the small model on this machine, and that did not start.
        SystemExit: It does not call tools and must; says so.
    """
    choice = choose_model()
    if must_call_tools and not choice.calls_tools:
        sys.exit(f"This example needs a model that calls tools, not {choice.label}. See its README.md.")
    if choice.needs_llama_server:
        async with small_model_served():
            yield choice
    else:
        yield choice


@asynccontextmanager
async def small_model_served() -> AsyncGenerator[None]:
    """Serve the small model on this machine while the block runs, to this process.

    Raises:
        ChildProcessError: It did not start.
    """
    with tempfile.TemporaryDirectory(prefix="strands-temporal-") as folder:
        async with llama_server(Path(folder) / "model.log") as variables:
            os.environ |= variables
            yield
