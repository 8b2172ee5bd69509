"""Prepares strands-harness for workflows, if it is imported. Its import takes time."""

import sys
from typing import Any

from strands import Agent

from .._upstream.harness import HARNESS, HarnessParts, adapt_harness
from .agent import TemporalAgent
from .harness_checks import check_built_in_tools, check_harness
from .harness_code import CodeError, CodeRuntimeError, CodeSyntaxError, run_code


def prepare_harness() -> None:
    """Adapt strands-harness, if something has imported it. Idempotent."""
    if HARNESS in sys.modules:
        adapt_harness(
            HarnessParts(_agent, check_harness, run_code, CodeSyntaxError, CodeRuntimeError, CodeError)
        )


def _agent(**arguments: Any) -> Agent:
    check_built_in_tools(arguments.get("tools"), arguments.get("sandbox"))
    return TemporalAgent(**arguments)
