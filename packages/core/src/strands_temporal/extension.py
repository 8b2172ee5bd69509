"""For plugin authors: the API that strands-temporal-mcp, -streaming, -otel and -hitl are built with.

from strands_temporal.extension import ComposablePlugin, NamedFactories, RemoteTools

A plugin subclasses `ComposablePlugin`, and overrides `open` and `close` for what its workers share. Its
workflow side starts activities with `execute_activity` and offers tools with `RemoteTools`. Its worker side
creates named objects with `NamedFactories`, and takes part in model calls with `ModelCallMiddleware`. Users
of agents do not need this module.
"""

from ._client_updates import until_processed
from ._composable import ComposablePlugin
from ._errors import did_you_mean
from ._upstream.private_api import (
    activity_name,
    end_waiting,
    mcp_connection_end,
    note_mcp_errors,
    paused_team_result,
)
from ._upstream.run_local import run_local
from ._wire.carry import CARRY_LIMIT, CarryFormat
from ._wire.chat_screen import ChatPart, ChatScreen
from ._wire.console_parts import CONSOLE_PARTS, ConsolePart
from ._wire.dev_services import DevService
from ._wire.event_forms import checked_tool_result
from ._wire.failures import error_leaves, from_tool_activity_error
from ._wire.reading import read_as, reading
from ._wire.run_reads import RunReads, reads_of_run
from ._wire.tool_call import TOOL_HEADER
from ._wire.values import decode, encode, utf8_text
from ._wire.versions import check_wire_version
from ._wire.web_parts import WebAnswerRefusedError, WebPart, WebQuestion
from ._worker.client_settings import client_settings
from ._worker.cut_short import is_cut_short
from ._worker.factories import NamedFactories
from ._worker.heartbeat import heartbeating
from ._worker.lifetime import SharedLifetime
from ._worker.middleware import ModelCallInterceptor, ModelCallMiddleware, ModelRequest, ModelStream
from ._worker.paused_workflows import OPEN_STATUSES, workflow_status_name
from ._worker.remote_codec import CodecEndpointError, RemoteCodec, chosen_data_converter
from ._worker.results import check_result
from ._worker.tool_calls import ToolProgress
from ._workflow.activities import execute_activity
from ._workflow.agent_watch import note_attempt, tool_call_summary
from ._workflow.asked_calls import SubAgentQuestion
from ._workflow.begun_agents import observe_agents
from ._workflow.client_call_waits import PausedCalls, is_client_call, waiting_interrupts
from ._workflow.client_tools import ClientCalls, client_calls
from ._workflow.conversation_parts import ConversationPart
from ._workflow.current_details import DetailsLine, describe_query, set_details_line
from ._workflow.current_tool import TOOL_PROGRESS
from ._workflow.decided_calls import CHANGED_AND_REFUSED, CHANGED_CALL, DecidedCall, tell_sub_agent
from ._workflow.edited_calls import Edit, EditedCalls, arguments_misfit, schema_of
from ._workflow.log_lines import log_line
from ._workflow.options import HEARTBEATING_TOOL_DEFAULTS, TOOL_DEFAULTS, merge_options
from ._workflow.remote_tools import RemoteTool, RemoteTools
from ._workflow.run_notes import (
    ChildAgentNote,
    InterventionNote,
    ModelCallNote,
    QuestionNote,
    RunNote,
    are_questions_told,
    listen_to_notes,
    tell_note,
    tells_questions_of,
)
from ._workflow.safe_tools import declare_safe, is_declared_safe
from ._workflow.team_carry import team_waits_with

__all__ = [
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
]
