"""Refuses Strands' `A2AAgent` in a workflow, where its HTTP requests would be sent again at each replay.

Strands' class has no hook for that, and a `Graph` takes any agent as a node. Otherwise the workflow sandbox
would refuse the HTTP client's socket in the middle of a run, with an error that names no remedy.
"""

import functools
import sys
from typing import Any

from temporalio import workflow

from .._errors import AgentTypeError

_MODULE = "strands.agent.a2a_agent"
_MARK = "__strands_temporal_refuses__"


def refuse_a2a_agents() -> None:
    """Make `A2AAgent(...)` raise in a workflow, if Strands' extra `a2a` is installed and loaded. Idempotent.

    Elsewhere, for example in a factory on the worker, the class behaves as before.
    """
    module = sys.modules.get(_MODULE)
    if module is None:
        return
    cls: Any = vars(module)["A2AAgent"]
    original = cls.__init__
    if getattr(original, _MARK, False):
        return

    @functools.wraps(original)
    def refusing(self: Any, *args: Any, **kwargs: Any) -> None:
        if workflow.in_workflow():
            endpoint = args[0] if args else kwargs.get("endpoint")
            raise AgentTypeError(
                f"A2AAgent({endpoint!r}) would send its requests from inside the workflow, again at each "
                "replay. Write TemporalA2AAgent('name'), from strands_temporal.workflow, and on the worker "
                f"StrandsPlugin(a2a_agents={{'name': lambda: A2AAgent({endpoint!r})}})"
            )
        original(self, *args, **kwargs)

    setattr(refusing, _MARK, True)
    cls.__init__ = refusing
