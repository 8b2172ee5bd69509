"""The public surface: its names can be imported, agree with `__all__`, and are cheap to import."""

import ast
import importlib
import inspect
import json
import subprocess
import sys
from functools import cache
from types import ModuleType
from typing import Any, cast, get_origin, get_type_hints

import pytest
import strands
from inline_snapshot import snapshot
from temporalio.workflow import ActivityConfig

import strands_temporal
from strands_temporal import TemporalAgent, TemporalAgentOptions
from strands_temporal._workflow.options import MODEL_SETTINGS

MODULES = [
    "strands_temporal",
    "strands_temporal.workflow",
    "strands_temporal.activity",
    "strands_temporal.extension",
    "strands_temporal.testing",
]


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


def test_the_public_names() -> None:
    # Adding or removing a name is a decision, noted in the changelog.
    assert {name: importlib.import_module(name).__all__ for name in MODULES} == snapshot(
        {
            "strands_temporal": [
                "ActivityNotRegisteredError",
                "ActivityOptions",
                "AgentCarry",
                "AgentDefinition",
                "AgentDescription",
                "AgentTypeError",
                "AgentValueError",
                "CarryTooLargeError",
                "ClientCall",
                "ClientToolError",
                "ClientToolRefusedError",
                "ClientTools",
                "ClientToolsUnreachableError",
                "ComposablePlugin",
                "ConversationBusyError",
                "ConversationCarry",
                "ConversationClient",
                "ConversationClosedError",
                "ConversationEnd",
                "ConversationError",
                "ConversationFullError",
                "ConversationStart",
                "ConversationState",
                "MemoryBoundWorker",
                "MessagesPage",
                "MissingExtraError",
                "MissingPluginError",
                "ModelCallTooLargeError",
                "ModelFactory",
                "PayloadTooLargeError",
                "SandboxChain",
                "SandboxFactory",
                "SnapshotsDisabledError",
                "StrandsPlugin",
                "SynchronousCallError",
                "TemporalAgent",
                "TemporalAgentOptions",
                "TemporalModel",
                "TokenBudgetExceededError",
                "TurnHandedOverError",
                "TurnLimitReachedError",
                "TurnResult",
                "UnknownAgentError",
                "UnloadableModuleError",
            ],
            "strands_temporal.workflow": [
                "HEARTBEATING_TOOL_DEFAULTS",
                "TOOL_DEFAULTS",
                "AgentCancelledError",
                "AgentWorkflow",
                "AnsweredUpdates",
                "CancelSignal",
                "ChildWorkflowOptions",
                "ClientCalls",
                "Conversation",
                "ConversationOptions",
                "DeduplicatedUpdates",
                "RemoteTool",
                "RemoteTools",
                "SandboxInterruptedError",
                "SandboxLostError",
                "SandboxNotRegisteredError",
                "SandboxTooLargeError",
                "SecretRef",
                "SlowToolError",
                "SteeringJudgeError",
                "SubAgentResult",
                "SubAgentTask",
                "TeamCarry",
                "TemporalA2AAgent",
                "TemporalLLMSteeringHandler",
                "TemporalMemoryStore",
                "TemporalSandbox",
                "TemporalStorage",
                "TemporalTools",
                "TurnHandOver",
                "activity_as_hook",
                "activity_as_tool",
                "carry_team",
                "child_workflow",
                "client_tool",
                "client_tool_names",
                "durable_harness",
                "end_waiting",
                "execute_activity",
                "from_tool_activity_error",
                "is_client_call",
                "merge_options",
                "reduce_context",
                "restore_team",
            ],
            "strands_temporal.activity": [
                "ActivityAgentState",
                "ModelCallInterceptor",
                "ModelCallMiddleware",
                "ModelRequest",
                "ModelStream",
                "NamedFactories",
                "ProgressSink",
                "ToolContext",
                "ToolProgress",
                "activity_name",
                "check_result",
                "decode",
                "encode",
                "forward_progress",
                "heartbeating",
                "is_cut_short",
                "note_mcp_errors",
                "tool_context",
            ],
            "strands_temporal.extension": [
                "CARRY_LIMIT",
                "CHANGED_AND_REFUSED",
                "CHANGED_CALL",
                "CONSOLE_PARTS",
                "HEARTBEATING_TOOL_DEFAULTS",
                "OPEN_STATUSES",
                "TOOL_DEFAULTS",
                "TOOL_HEADER",
                "TOOL_PROGRESS",
                "CarryFormat",
                "ChatPart",
                "ChatScreen",
                "ChildAgentNote",
                "ClientCalls",
                "CodecEndpointError",
                "ComposablePlugin",
                "ConsolePart",
                "ConversationPart",
                "DecidedCall",
                "DetailsLine",
                "DevService",
                "Edit",
                "EditedCalls",
                "InterventionNote",
                "ModelCallInterceptor",
                "ModelCallMiddleware",
                "ModelCallNote",
                "ModelRequest",
                "ModelStream",
                "NamedFactories",
                "PausedCalls",
                "QuestionNote",
                "RemoteCodec",
                "RemoteTool",
                "RemoteTools",
                "RunNote",
                "RunReads",
                "SharedLifetime",
                "SubAgentQuestion",
                "ToolProgress",
                "WebAnswerRefusedError",
                "WebPart",
                "WebQuestion",
                "activity_name",
                "are_questions_told",
                "arguments_misfit",
                "check_result",
                "check_wire_version",
                "checked_tool_result",
                "chosen_data_converter",
                "client_calls",
                "client_settings",
                "declare_safe",
                "decode",
                "describe_query",
                "did_you_mean",
                "encode",
                "end_waiting",
                "error_leaves",
                "execute_activity",
                "from_tool_activity_error",
                "heartbeating",
                "is_client_call",
                "is_cut_short",
                "is_declared_safe",
                "listen_to_notes",
                "log_line",
                "mcp_connection_end",
                "merge_options",
                "note_attempt",
                "note_mcp_errors",
                "observe_agents",
                "paused_team_result",
                "read_as",
                "reading",
                "reads_of_run",
                "run_local",
                "schema_of",
                "set_details_line",
                "team_waits_with",
                "tell_note",
                "tell_sub_agent",
                "tells_questions_of",
                "tool_call_summary",
                "until_processed",
                "utf8_text",
                "waiting_interrupts",
                "workflow_status_name",
            ],
            "strands_temporal.testing": [
                "AgentEnvironment",
                "AgentFactory",
                "DevServer",
                "DevServerError",
                "MakeAgent",
                "Observation",
                "Parity",
                "ParityWorkflow",
                "Reply",
                "Scenario",
                "ScriptedCall",
                "ScriptedModel",
                "Seen",
                "Step",
                "agent_environment",
                "assert_replays",
                "fail",
                "find_server_binary",
                "prompts",
                "run_parity",
                "say",
                "use_tool",
                "use_tools",
            ],
        }
    )


def test_all_is_sorted_and_importable(module: ModuleType) -> None:
    def place(name: str) -> tuple[bool, bool, str]:  # ruff's order: constants, classes, the rest
        return not name.isupper(), not name[0].isupper(), name

    assert module.__all__ == sorted(set(module.__all__), key=place)
    for name in module.__all__:
        assert hasattr(module, name), f"{module.__name__}.{name} is declared and missing"


def test_what_a_public_module_defines_is_declared(module: ModuleType) -> None:
    def is_ours(value: object) -> bool:
        return (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__.startswith(
            "strands_temporal"
        )

    found = {name for name, value in vars(module).items() if not name.startswith("_") and is_ours(value)}
    assert found <= set(module.__all__)


def test_every_public_name_has_a_docstring(module: ModuleType) -> None:
    assert module.__doc__
    for name in module.__all__:
        value = getattr(module, name)
        if get_origin(value) is None and (inspect.isclass(value) or inspect.isfunction(value)):
            assert inspect.getdoc(value), f"{module.__name__}.{name} has no docstring"


def test_only_the_public_modules_have_public_names() -> None:
    from importlib.resources import files

    found = {path.name.removesuffix(".py") for path in files(strands_temporal).iterdir()}
    public = {name for name in found if not name.startswith("_") and name != "py.typed"}
    assert {f"strands_temporal.{name}" for name in public} | {"strands_temporal"} == set(MODULES)
    assert "py.typed" in found


# Options of the agent -------------------------------------------------------------------------------------


def agent_parameters() -> set[str]:
    return set(inspect.signature(cast("Any", strands.Agent.__init__)).parameters) - {"self", "model"}


def test_the_agents_options_are_those_of_strands_and_temporal() -> None:
    declared = set(TemporalAgentOptions.__annotations__)
    expected = agent_parameters() | set(get_type_hints(ActivityConfig)) | MODEL_SETTINGS
    expected |= {"allow_snapshots", "carry", "snapshots", "summary_arguments"}
    assert declared - expected == set(), "TemporalAgentOptions declares what neither Strands nor Temporal has"
    assert expected - declared == set(), "add what upstream added to TemporalAgentOptions (agent_options.py)"


def test_strands_and_temporal_have_no_option_of_the_same_name() -> None:
    assert agent_parameters() & set(get_type_hints(ActivityConfig)) == set()


def test_no_option_is_required() -> None:
    assert TemporalAgentOptions.__required_keys__ == frozenset()


def test_a_temporal_agent_is_a_strands_agent() -> None:
    assert issubclass(TemporalAgent, strands.Agent)


# Names that are imported when they are first asked for ---------------------------------------------------


def test_type_checkers_find_each_name_where_it_is_imported_from() -> None:
    tree = ast.parse(inspect.getsource(strands_temporal))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    checked = {alias.name: node.module for node in imports for alias in node.names}
    places = cast("dict[str, str]", vars(strands_temporal)["_MODULES"])
    assert checked == places
    assert sorted(places) == sorted(strands_temporal.__all__)


FIRST = """
import sys
import strands_temporal
for module, [name, *_] in strands_temporal._PLACES.items():
    for loaded in [loaded for loaded in sys.modules if loaded.startswith("strands_temporal")]:
        del sys.modules[loaded]
    exec(f"from strands_temporal import {name}")
print("done")
"""


def test_each_name_can_be_the_first_to_be_imported() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, timeout=60)
    assert done.stdout == "done\n", done.stderr


def test_dir_lists_names_that_nothing_has_asked_for() -> None:
    assert set(strands_temporal.__all__) <= set(dir(strands_temporal))


# What an import costs -------------------------------------------------------------------------------------


@cache
def loaded_by(statement: str) -> frozenset[str]:
    """Return the names of all modules that a new interpreter has loaded after `statement`."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return frozenset(json.loads(done.stdout))


BASE = "import strands, temporalio.worker"
OURS = "from strands_temporal import *; import strands_temporal.workflow, strands_temporal.activity"


def test_workflow_code_imports_nothing_beyond_strands_and_temporal() -> None:
    more = {name.partition(".")[0] for name in loaded_by(OURS) - loaded_by(BASE)}
    more -= set(sys.stdlib_module_names) | {"strands", "strands_temporal", "temporalio"}
    assert not more, f"importing strands_temporal.workflow loads {sorted(more)}"


def test_the_package_imports_next_to_nothing_before_a_name_is_asked_for() -> None:
    more = loaded_by(f"{BASE}; import strands_temporal") - loaded_by(BASE)
    assert len(more) <= 5, sorted(more)


def test_workflow_code_imports_no_model_and_no_mcp_beyond_those_of_strands() -> None:
    more = loaded_by(OURS) - loaded_by(BASE)
    heavy = (
        "strands.models",
        "strands.tools.mcp",
        "strands.multiagent.a2a",
        "strands.bidi",
        "strands.vended_",
    )
    # StrandsPlugin() imports the goal plugin, because it gives that module the workflow's clock.
    # The steering plugin costs 6 ms and is the base of ours.
    light = ("strands.vended_plugins.steering",)
    assert sorted(name for name in more if name.startswith(heavy) and not name.startswith(light)) == []


@pytest.mark.parametrize(
    "heavy",
    [
        "mcp.server",
        "starlette",
        "uvicorn",
        "fastapi",
        "openai",
        "anthropic",
        "ollama",
        "pytest",
        "hypothesis",
    ],
)
def test_workflow_code_does_not_import(heavy: str) -> None:
    assert heavy not in loaded_by(OURS) - loaded_by(BASE)
