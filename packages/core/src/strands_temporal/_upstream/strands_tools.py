"""Where each tool of `strands-agents-tools` (0.8.10) runs: in the workflow, on the worker, or nowhere.

The package is optional and not imported here. `docs/strands-tools.md` has the same facts as a table. A test
compares both with the installed modules.
"""

PACKAGE = "strands_tools"

IN_WORKFLOW = frozenset({"calculator", "current_time", "stop"})
"""Tools that only compute. `current_time` reads the workflow's clock."""

PASSTHROUGH_MODULES = (
    "strands_tools.calculator",  # computes, with sympy
    "strands_tools.current_time",  # its clock is replaced once, in the module as imported outside
    "sympy",  # the sandbox cannot load it; it imports parts of itself on first use
    "mpmath",  # the same, for sympy
    "rich",  # the calculator's tables, shown only on request; it imports parts of itself on first use
)

_SUB_AGENTS = "give the agent another TemporalAgent as a tool (`.as_tool()`), or use Strands' Graph or Swarm"

INSTEAD = {
    "agent_graph": _SUB_AGENTS,
    "batch": "Strands itself runs the calls of one message side by side",
    "graph": _SUB_AGENTS,
    "handoff_to_user": "ask by an interrupt (docs/interrupts.md), or by Approvals of strands-temporal[hitl]",
    "load_tool": "import the tool at the top of the workflow's file, or host it on the worker",
    "mcp_client": "use TemporalMCPClient of strands-temporal[mcp]",
    "sleep": "use `from strands.vended_tools import sleep`, which is a timer in a workflow",
    "swarm": _SUB_AGENTS,
    "think": "let the model reason itself (its provider's reasoning settings), or " + _SUB_AGENTS,
    "use_agent": _SUB_AGENTS,
    "use_llm": _SUB_AGENTS,
    "workflow": _SUB_AGENTS,
}
"""Replacements of the tools that prompt at the terminal, block, or run an agent inside a call."""


MADE_BY = {
    "a2a_client": ("A2AClientToolProvider", "(known_agent_urls=[...]).tools"),
    "agent_core_memory": (
        "AgentCoreMemoryToolProvider",
        "(memory_id=..., actor_id=..., session_id=..., namespace=...).tools",
    ),
    "browser": ("LocalChromiumBrowser", "().browser"),
    "code_interpreter": ("AgentCoreCodeInterpreter", "(region=...).code_interpreter"),
}
"""Modules with a class that provides tools instead of a tool. Each entry has the class, and the code that
gets tools from it."""


def remedy(module: str) -> str | None:
    """Return advice if the tool belongs to strands-agents-tools and cannot run in a workflow, else None.

    Args:
        module: Name of the tool's module, "strands_tools.http_request".
    """
    package, _, rest = module.partition(".")
    name = rest.partition(".")[0]
    if package != PACKAGE or not name or name in IN_WORKFLOW or name == "utils":
        return None
    if name in INSTEAD:
        return f"strands_tools.{name} cannot run in a workflow: {INSTEAD[name]}"
    needed, made = f"from strands_tools import {name}", name
    if name in MADE_BY:
        maker, how = MADE_BY[name]
        needed, made = f"from strands_tools.{name} import {maker}", maker + how
    return (
        f"strands_tools.{name} does I/O, which a workflow would do again at each replay. Host it on the "
        f"worker, with `{needed}` there: StrandsPlugin(tools={{{name!r}: lambda: {made}}}), and give the "
        f"agent TemporalTools({name!r}) from strands_temporal.workflow"
    )
