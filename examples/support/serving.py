"""The model of an example's worker, chosen from the environment. The small model is served here."""

import os
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from examples.support.llama_server import llama_server
from examples.support.model_choice import MODEL_VARIABLE, SCRIPTED, ModelChoice, choose_model


@asynccontextmanager
async def chosen_model(*, must_call_tools: bool = False) -> AsyncGenerator[ModelChoice]:
    """Yield the model that the environment offers. It can be called while the block runs.

    Args:
        must_call_tools: Whether the example needs a model that calls tools.

    Raises:
        ChildProcessError: The small model on this machine did not start.
        SystemExit: The model cannot be trusted to call tools, but the example needs them.
    """
    choice = choose_model()
    if must_call_tools and not choice.calls_tools:
        sys.exit(
            f"This example needs a model that calls tools, not {choice.label}. See its README.md. "
            f"Without a key, {MODEL_VARIABLE}={SCRIPTED} runs it with a scripted model."
        )
    if choice.needs_llama_server:
        async with small_model_served():
            yield choice
    else:
        yield choice


@asynccontextmanager
async def small_model_served() -> AsyncGenerator[None]:
    """Serve the small model on this machine to this process while the block runs.

    Raises:
        ChildProcessError: It did not start.
    """
    with tempfile.TemporaryDirectory(prefix="strands-temporal-") as folder:
        async with llama_server(Path(folder) / "model.log") as variables:
            os.environ |= variables
            yield
