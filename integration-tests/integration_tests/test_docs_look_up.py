"""The pages that list options, commands, wire types and metrics say what the code says."""

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import strands_temporal
import strands_temporal.testing
import strands_temporal.workflow
import strands_temporal_hitl
import strands_temporal_hitl.channels
import strands_temporal_mcp
import strands_temporal_otel
import strands_temporal_streaming
from strands_temporal._commands import _app
from strands_temporal._wire import (
    a2a,
    client_tools,
    conversations,
    harness_code,
    model_call,
    packed_turn,
    sandboxes,
    tool_call,
    worker_report,
)
from strands_temporal._workflow import carry, sub_agent, team_carry
from strands_temporal._workflow.options import MODEL_DEFAULTS, TOOL_DEFAULTS
from strands_temporal_hitl._cli import main
from strands_temporal_mcp import _types as mcp_types
from strands_temporal_otel import _types as otel_names

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
hitl_modules = [
    sys.modules[f"strands_temporal_hitl.{name}"] for name in ("_types", "_decision", "_notices", "_protocol")
]
hitl_names = hitl_modules[-1]
approvals_carry = sys.modules[strands_temporal_hitl.ApprovalsCarry.__module__]
policy_types = sys.modules[strands_temporal_hitl.PolicyView.__module__]
audit = sys.modules[strands_temporal_hitl.AuditEntry.__module__]
judge = sys.modules[strands_temporal_hitl.Ruling.__module__]
trusted_calls = sys.modules[strands_temporal_hitl.TrustedCalls.__module__]
PUBLIC = [
    strands_temporal,
    strands_temporal.workflow,
    strands_temporal.testing,
    strands_temporal_mcp,
    strands_temporal_streaming,
    strands_temporal_hitl,
    strands_temporal_hitl.channels,
    strands_temporal_otel,
]


def sections(page: str) -> dict[str, str]:
    """Return the sections of a page whose headings are code, by that code."""
    parts = re.split(r"^#{2,4} ", (DOCS / page).read_text(), flags=re.MULTILINE)
    return {match[1]: part for part in parts if (match := re.match(r"`([^`]+)`\n", part))}


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the tables in a text, without their heads."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def in_words(value: Any) -> str:
    """Return a default as the page writes it."""
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        if seconds < 1:
            return f"{seconds * 1000:.0f} ms"
        amount, unit = (seconds / 60, "minute") if seconds % 60 == 0 else (seconds, "second")
        return f"{amount:.0f} {unit}" + ("s" if amount != 1 else "")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value >> 20} MiB" if value >= 1 << 20 else str(value)
    return "`" + repr(value).replace("'", '"') + "`"


OPTIONS = {
    name: text for name, text in sections("configuration.md").items() if name not in ("ActivityOptions",)
}


@pytest.mark.parametrize("name", OPTIONS)
def test_the_options_of_the_page_are_those_of_the_signature(name: str) -> None:
    (target,) = {getattr(module, name) for module in PUBLIC if name in module.__all__}
    expected = {
        parameter.name: in_words(
            inspect.Parameter.empty if parameter.kind is parameter.VAR_POSITIONAL else parameter.default
        )
        for parameter in inspect.signature(target).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    if name == "TemporalAgent":  # the others are Strands': see the next test
        settings = inspect.signature(strands_temporal.TemporalModel).parameters
        for own in ("streaming_topic", "streaming_batch_interval"):
            expected[own] = in_words(settings[own].default)
        expected |= {"carry": "`None`", "allow_snapshots": "`False`", "snapshots": '`"refuse"`'}
        expected["summary_arguments"] = "`False`"
    said = {codes(row[0])[0]: row[1] for row in rows(OPTIONS[name]) if len(row) == 3}
    assert said == expected


def test_each_plugin_handle_and_client_has_its_options_on_the_page() -> None:
    plugins = {name for module in PUBLIC for name in module.__all__ if name.endswith("Plugin")}
    assert plugins - {"ComposablePlugin"} <= OPTIONS.keys()
    assert {"TemporalAgent", "TemporalModel", "TemporalTools", "TemporalMCPClient"} <= OPTIONS.keys()


def test_the_page_has_each_option_of_an_agent_and_of_an_activity() -> None:
    page = sections("configuration.md")
    named = {code for row in rows(page["ActivityOptions"]) for code in codes(row[0])}
    assert named | {"activity_id"} == set(strands_temporal.ActivityOptions.__annotations__)
    agents = {code for row in rows(page["TemporalAgent"]) for code in codes(row[0])} - {"model"}
    assert agents | named | {"activity_id"} == set(strands_temporal.TemporalAgentOptions.__annotations__)


def test_the_defaults_of_activities_are_those_of_the_code() -> None:
    said = {codes(row[0])[0]: row[1:] for row in rows(sections("configuration.md")["ActivityOptions"])}
    for column, defaults in enumerate((MODEL_DEFAULTS, TOOL_DEFAULTS)):
        assert said["start_to_close_timeout"][column] == in_words(defaults.get("start_to_close_timeout"))
        policy = defaults.get("retry_policy")
        assert policy is not None
        assert said["retry_policy"][column].startswith(f"{policy.maximum_attempts} attempts")
    assert said["heartbeat_timeout"][0] == in_words(MODEL_DEFAULTS.get("heartbeat_timeout"))


def test_each_environment_variable_of_the_packages_is_on_the_page() -> None:
    read = {
        name
        for path in SOURCES
        for name in re.findall(
            r'(?:environ\.get\(|environ\[|getenv\(|^[A-Z_]+ = )"([A-Z][A-Z_]+)"', path.read_text(), re.M
        )
        if name.startswith(("OTEL_", "STRANDS_", "TEMPORAL_", "XDG_"))
    }
    assert len(read) >= 8
    page = (DOCS / "configuration.md").read_text()
    assert {name for name in read if f"`{name}`" not in page} == set()


APPROVALS = "## strands-temporal-hitl\n"
"""Heading of the part of the page that is about the other script."""

ONLY_NEW = ("explain", "policy", "export", "verify", "mcp")
"""Commands that the other script does not have."""

COMMANDS = {
    name.removeprefix("approvals "): text
    for name, text in sections("command-line.md").items()
    if name.startswith("approvals ") and name.split()[1] not in ONLY_NEW
}
"""The commands of the other script, which are those of `strands-temporal approvals`, without some."""


def typer_commands(command: Any = None, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the commands of `strands-temporal`, each with the words that lead to it."""
    command = command or _app.command()
    for name, child in getattr(command, "commands", {}).items():
        if hasattr(child, "commands"):
            yield from typer_commands(child, f"{path}{name} ")
        else:
            yield f"{path}{name}", child


def shown(param: Any) -> str:
    """Return how the page names an argument or option."""
    if param.param_type_name == "argument":
        return param.metavar
    flags = param.secondary_opts or param.opts
    return flags[0] if param.is_flag else f"{flags[0]} {param.metavar}"


def test_each_command_of_strands_temporal_is_on_the_page_with_its_options() -> None:
    page = sections("command-line.md")
    common = sections_by_title("command-line.md")["Options of every command"]
    shared = {code for row in rows(common) for code in codes(row[0])}
    for name, command in typer_commands():
        text = page[name]
        table = text.split("\n\n| argument", 1)[-1] if "\n\n| argument" in text else ""
        said = {code for row in rows(table.split("\n\n")[0]) for code in codes(row[0])}
        params = [param for param in command.params if not getattr(param, "hidden", False)]
        options = {shown(param).replace("|", "\\|") for param in params} - shared
        assert said == options, name
        assert shared <= {shown(param) for param in command.params} | said


def sections_by_title(page: str) -> dict[str, str]:
    parts = re.split(r"^#{2,4} ", (DOCS / page).read_text(), flags=re.MULTILINE)
    return {part.partition("\n")[0]: part for part in parts}


def test_each_command_is_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    said = helped([], capsys)
    assert set(re.findall(r"^    (\w+)  ", said, re.MULTILINE)) == COMMANDS.keys()


def helped(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_arguments_and_options_of_the_page_are_those_of_the_help(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    usage = helped([command] if command else [], capsys).split("\n\n")[0]
    words = set(re.findall(r"--[a-z-]+(?: [A-Z][A-Z:_]*)?|\b[A-Z][A-Z_]+\b", usage))
    metavars = {word.partition(" ")[2] for word in words if word.startswith("--")}
    part = (DOCS / "command-line.md").read_text().partition(APPROVALS)[2]
    text = COMMANDS[command] if command else part.split("## `")[0]
    said = {code for row in rows(text) for code in codes(row[0])}
    assert said == words - metavars - {"COMMAND"}


WIRE_MODULES: list[ModuleType] = [
    *(a2a, client_tools, conversations, harness_code, model_call, tool_call, sandboxes, carry),
    worker_report,
    *(
        sub_agent,
        team_carry,
        packed_turn,
        mcp_types,
        *hitl_modules,
        approvals_carry,
        policy_types,
        trusted_calls,
        audit,
        judge,
    ),
]
WIRE_PAGE = (DOCS / "wire-types.md").read_text()


PACKED = {"Carried", "TurnContent", "_Content"}
"""What carries hold. It is packed: a history shows none of its fields."""


def wire_classes() -> Iterator[type[Any]]:
    for module in WIRE_MODULES:
        for name, value in vars(module).items():
            wire = isinstance(value, type) and dataclasses.is_dataclass(value) and name not in PACKED
            if wire and value.__module__ == module.__name__:
                yield value


@pytest.mark.parametrize("wire_class", list(wire_classes()), ids=lambda wire_class: wire_class.__name__)
def test_each_wire_type_has_its_version_and_its_fields_on_the_page(wire_class: type[Any]) -> None:
    (row,) = [row for row in rows(WIRE_PAGE) if codes(row[0]) == [wire_class.__name__] and len(row) == 3]
    fields = {field.name: field.default for field in dataclasses.fields(wire_class)}
    if wire_class in (tool_call.ToolArguments, tool_call.ToolOutcome):
        assert row[1].startswith(f"{fields.pop('version')}, as `strands_")
    else:
        assert row[1].partition(";")[0] == (str(fields["version"]) if "version" in fields else "")
    assert codes(row[2]) == list(fields)


def test_names_of_activities_messages_and_headers_are_on_the_page() -> None:
    suffixes = ("_ACTIVITY", "_QUERY", "_UPDATE", "_SIGNAL", "_HEADER", "_PATCH")
    names = {
        value
        for module in WIRE_MODULES
        for constant, value in vars(module).items()
        if constant.endswith(suffixes) and isinstance(value, str)
    }
    names |= sandboxes.SANDBOX_ACTIVITIES
    assert len(names) >= 15
    names |= {mcp_types.list_tools_activity("{server}"), mcp_types.call_tool_activity("{server}")}
    names |= {hitl_names.PENDING.name, hitl_names.IS_PENDING}
    assert {name for name in names if f"`{name}`" not in WIRE_PAGE} == set()


def test_the_activities_of_the_page_exist() -> None:
    table = WIRE_PAGE.split("## Activities")[1].split("##")[0]
    sources = "\n".join(path.read_text() for path in SOURCES)
    for row in rows(table):
        name = codes(row[0])[0]
        assert f'"{name}"' in sources or f'f"{name}"' in sources, name


def test_the_patch_markers_of_the_page_are_those_of_the_code() -> None:
    marked = {
        match[1]
        for path in SOURCES
        for match in re.finditer(r'"(strands-temporal(?:-[a-z]+)+?)(?:-?\{[^"]*)?"', path.read_text())
    }
    marked -= {"strands-temporal-mcp", "strands-temporal-hitl"}  # packages and threads
    marked -= {client_tools.CLIENT_TOOL}  # an interrupt's name
    marked -= {tool_call.TOOL_HEADER, tool_call.HOOK_HEADER, sandboxes.SANDBOX_HEADER}
    marked -= {tool_call.PROGRESS_HEADER}
    table = WIRE_PAGE.split("## Patch markers")[1]
    said = {re.sub(r"(-[A-Z]+)+$", "", codes(row[0])[0]) for row in rows(table)}
    assert said == marked


def test_the_versions_of_the_page_are_those_of_the_code() -> None:
    assert "2 if the workflow holds large values" in WIRE_PAGE
    assert "2 with a context" in WIRE_PAGE
    assert (model_call.WIRE_VERSION, model_call.HELD_VERSION, mcp_types.WIRE_VERSION) == (1, 2, 1)
    assert tool_call.TOOL_ARGUMENTS_VERSION == 2


def test_each_metric_is_on_the_page_and_each_of_the_page_exists() -> None:
    said = {codes(row[0])[0] for row in rows((DOCS / "metrics.md").read_text())}
    kinds = {
        "usage.py": ("turns", "model_calls", "input_tokens", "output_tokens", "tool_calls"),
        "transcripts.py": ("misses", "differences"),
    }
    counters = {
        name.replace("{name}", kind)
        for path in SOURCES
        for name in re.findall(r'create_counter\(\s*f?"([^"]+)"', path.read_text())
        for kind in kinds.get(path.name, ("",))
    }
    genai = {otel_names.TOKEN_USAGE, otel_names.OPERATION_DURATION, otel_names.TIME_TO_FIRST_CHUNK}
    assert said == counters | genai | {"strands.*"}
