"""The decoders of strands-temporal-hitl."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import Any

from temporalio.exceptions import ApplicationError

from strands_temporal_hitl import ApprovalPolicy, ApprovalsCarry, Credential, Decision
from strands_temporal_hitl._audit import AuditChain, AuditHead, AuditPage, entry_of
from strands_temporal_hitl._audit_check import gap_of, verify_audit
from strands_temporal_hitl._carry import unpack
from strands_temporal_hitl._decision import VERDICTS
from strands_temporal_hitl._errors import NotVerifiedError
from strands_temporal_hitl._inbox.cookies import Cookies
from strands_temporal_hitl._inbox.decisions import decision_of
from strands_temporal_hitl._inbox.errors import PageError
from strands_temporal_hitl._inbox.forms import checked_arguments, read_edit
from strands_temporal_hitl._jwt import _keys  # pyright: ignore[reportPrivateUsage]
from strands_temporal_hitl._ledger import Ledger
from strands_temporal_hitl._links import _PURPOSE, DecisionLink, LinkError, read_link, sign_link  # pyright: ignore[reportPrivateUsage]
from strands_temporal_hitl._people import Person
from strands_temporal_hitl._policy_data import parsed
from strands_temporal_hitl._policy_types import PolicyChange
from strands_temporal_hitl._sealed import seal, unseal
from strands_temporal_hitl._slack import _object, _read  # pyright: ignore[reportPrivateUsage]
from strands_temporal_hitl._slack_actions import _payload as slack_payload  # pyright: ignore[reportPrivateUsage]
from strands_temporal_hitl._terminal import typed_arguments, typed_value
from strands_temporal_hitl._tickets import Claims, claims_of, opened, read_claims, ticket_of
from strands_temporal_hitl._types import ApprovalRecord, PendingApproval
from strands_temporal_hitl.identity import JWTVerifier

from .core_rows import TYPED, carried, payload_of, repacked
from .damage import as_dict, json_text
from .recorded import recorded
from .row import Row

_KEY = b"k" * 32
_NOW = datetime(2026, 11, 30, tzinfo=timezone.utc)
_POLICY = {
    "version": "1",
    "deny": [{"name": "d", "tools": ["a*"], "when": [{"path": "x", "op": ">", "value": 5}], "reason": "r"}],
    "safe": ["read_*"],
    "rules": [
        {
            "name": "r",
            "tools": ["b"],
            "when": [{"path": "x.y", "op": "in", "value": [1, 2]}],
            "then": "approve",
        },
        {"name": "s", "tools": ["c"], "then": "ask", "deciders": {"groups": ["g"], "quorum": 2}},
    ],
}
_PENDING = PendingApproval(
    "v1:before_tool_call:x:y",
    "n",
    tool="refund",
    arguments={"amount": 5, "to": "bob", "fast": True, "tags": ["a"]},
    digest="sha256:0",
    input_schema={
        "type": "object",
        "properties": {"amount": {"type": "integer"}, "to": {"type": "string"}, "fast": {"type": "boolean"}},
        "required": ["amount"],
    },
    allowed_decisions=["approve", "reject", "edit", "respond", "delegate"],
)
_FORM = {"verdict": "approve", "reason": "r", "digest": "sha256:0", "trust": "tool", "trust_time": "3600"}
_EDIT = {"argument:amount": "5", "argument:to": "bob", "argument:fast": "true", "argument:tags": '["a"]'}


def _ledger_of(data: Any) -> None:
    state = unpack(ApprovalsCarry(data)).state
    ledger = Ledger("yes", "no", state)
    _ = ledger.pending, ledger.records


def _decide(value: Any) -> None:
    Ledger("yes", "no").check(value, _NOW)


def _chain() -> list[str]:
    chain = AuditChain(AuditHead(), namespace="n", workflow_id="w", run_id="r")
    chain.add("asked", "1", {"tool": "t", "arguments": {"a": 1}}, _NOW)
    chain.add("decided", "1", {"outcome": "approved", "by": "ana"}, _NOW)
    return chain.page(0).lines


def _link(content: Any) -> None:
    read_link(seal(json_text(content).encode("utf-8", "surrogatepass"), _KEY, _PURPOSE), [_KEY], now=0)


def _cookie(content: Any) -> None:
    cookies = Cookies([_KEY])
    body = json_text(content).encode("utf-8", "surrogatepass")
    cookies.read(seal(body, cookies._sessions[0]))  # pyright: ignore[reportPrivateUsage]


def _texts(form: Any) -> dict[str, str]:
    """Return a form as a browser sends it: texts by names."""
    fields = as_dict(form).items()
    return {str(name): each if isinstance(each, str) else json_text(each) for name, each in fields}


def _pending(value: Any) -> PendingApproval:
    """Return a question with what a tool's schema and a model's arguments may be."""
    given = as_dict(value)
    schema = as_dict(given.get("input_schema")) or None
    return replace(_PENDING, arguments=as_dict(given.get("arguments")), input_schema=schema)


def hitl_rows() -> Sequence[Row]:
    """Return the rows of hitl."""
    carries = carried("state", "answered")
    claims = {**asdict(Claims("ana", ["g"], "c", "n", "w", "d", 4e9, "x"))}
    ticket = ticket_of(Claims(**claims), _KEY)
    cookie = [["id", int(time.time()) + 10_000, "ana", ["g"]]]
    link: list[Any] = [1, "ns", "w", "a", "sha256:0", "ana", ["g"], "approve", 4_000_000_000, "nonce"]
    updates = [each for each in recorded()["update"] if "verdict" in as_dict(each)]
    decisions = [each for each in updates if each["verdict"] in VERDICTS]
    early = [{**each, "early": True} for each in decisions if not {"arguments", "trust"} & each.keys()]
    changes = [{"kind": "policy", "by": "ana", "policy": _POLICY}, {"kind": "trust", "by": "a", "tool": "t"}]
    records = [value for value in recorded()["updated"] if "name" in as_dict(value)]
    slack = {
        "type": "block_actions",
        "actions": [{"action_id": "approve", "value": '["w","a","d"]'}],
        "user": {},
    }
    lines = _chain()
    keys = {"keys": [{"kty": "RSA", "kid": "1", "n": "AQAB", "e": "AQAB", "alg": "RS256", "use": "sig"}]}
    keys["keys"].append({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "2"})
    verifier = JWTVerifier(issuer="i", audience="a", key="s" * 32, algorithms=["HS256"])
    import jwt

    token = jwt.encode(
        {"sub": "ana", "iss": "i", "aud": "a", "exp": 4_000_000_000}, "s" * 32, algorithm="HS256"
    )

    def signed(content: Any) -> None:
        given = as_dict(content) or {"sub": content}
        try:
            made = jwt.encode(given, "s" * 32, algorithm="HS256")
        except Exception:  # noqa: BLE001  # PyJWT does not write it
            return
        verifier.verify(Credential("bearer", made))

    return [
        Row("approvals' carry", _ledger_of, [repacked(each) for each in carries], TYPED, "text"),
        Row("approvals' carry, content", lambda c: _ledger_of(repacked(c)), carries, TYPED),
        Row("decision in an update", _decide, early, (ApplicationError,)),
        Row("decision", Decision.from_wire, decisions, (TypeError, ValueError)),
        Row("change of a policy", PolicyChange.from_wire, changes, (TypeError, ValueError)),
        Row("policy", lambda v: ApprovalPolicy.from_json(json_text(v)), [_POLICY], TYPED),
        Row("policy as text", ApprovalPolicy.from_json, [json.dumps(_POLICY)], TYPED, "text"),
        Row("policy as bytes", ApprovalPolicy.from_json, [json.dumps(_POLICY).encode()], TYPED, "bytes"),
        Row("call to explain", parsed, [{"tool": "t", "arguments": {}}], TYPED, "json text"),
        Row(
            "ticket",
            lambda v: read_claims(opened("ticket", v, [_KEY])),
            [ticket],
            (NotVerifiedError,),
            "text",
        ),
        Row("ticket's claims", read_claims_of, [claims], (NotVerifiedError,)),
        Row("ticket in a workflow", claims_of, [ticket], (ApplicationError,), "text"),
        Row("sealed text", lambda v: unseal(v, [_KEY]), [seal(b"x", _KEY)], (ValueError,), "text"),
        Row(
            "link",
            lambda v: read_link(v, [_KEY], now=0),
            [sign_link(DecisionLink(*link[1:]), _KEY)],
            (LinkError,),
            "text",
        ),
        Row("link's content", _link, [link], (LinkError,)),
        Row("cookie", Cookies([_KEY]).read, [seal(b"[1]", _KEY)], (), "text"),
        Row("cookie's content", _cookie, cookie),
        Row("audit line", entry_of, [json.loads(line) for line in lines], (ValueError,), "json text"),
        Row("audit export", lambda v: verify_audit([("a:1", v), ("a:2", v)]), list(lines), (), "text"),
        Row("audit gap", gap_of, [{"format": 1, "kind": "gap", "run_id": "r"}], (), "json text"),
        Row(
            "inbox's decision",
            lambda v: decision_of(_texts(v), _PENDING, Person("ana")),
            [_FORM],
            (PageError,),
        ),
        Row("inbox's edit", lambda v: read_edit(_PENDING, _texts(v)), [_EDIT], (PageError,)),
        Row(
            "inbox's form of a call",
            lambda v: read_edit(_pending(v), _EDIT),
            [asdict(_PENDING)],
            (PageError,),
        ),
        Row(
            "inbox's arguments",
            lambda v: checked_arguments(_PENDING, v),
            [{"amount": 1}],
            (PageError,),
            "json text",
        ),
        Row("Slack's request", slack_payload, [slack_body(slack)], (), "bytes"),
        Row("Slack's answer", _object, [{"ok": True}], (), "json bytes"),
        Row("reference of a Slack message", _read, [["c", "1.2", ["a"]]], (), "json text"),
        Row(
            "token", lambda v: verifier.verify(Credential("bearer", v)), [token], (NotVerifiedError,), "text"
        ),
        Row(
            "token's claims", signed, [{"sub": "a", "iss": "i", "aud": "a", "exp": 4e9}], (NotVerifiedError,)
        ),
        Row(
            "keys of a key server", lambda v: _keys(v, ["RS256", "ES256"]), [keys], (ValueError,), "json text"
        ),
        Row("typed value", typed_value, [5, "x", {"a": 1}], (ValueError,), "json text"),
        Row("typed arguments", typed_arguments, [{"a": 1}], (ValueError,), "json text"),
        *(
            Row(f"payload of {hint.__name__}", payload_of(hint), seeds, TYPED, "json bytes")
            for hint, seeds in {
                ApprovalRecord: records,
                PendingApproval: [asdict(_PENDING)],
                AuditPage: [{"lines": ["x"], "more": False, "start": {"number": 0, "hash": ""}}],
                ApprovalsCarry: [{"data": "x", "version": 4}],
            }.items()
        ),
    ]


def read_claims_of(value: Any) -> None:
    """Read the claims that a ticket of ours would have."""
    read_claims(as_dict(value))


def slack_body(payload: Any) -> bytes:
    """Return the body of Slack's request with a payload."""
    from urllib.parse import urlencode

    return urlencode({"payload": json.dumps(payload)}).encode()
