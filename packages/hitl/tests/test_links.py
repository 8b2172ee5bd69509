"""The links with which a person decides: what they hold, and which ones are refused."""

import base64
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from strands_temporal import AgentTypeError, AgentValueError
from strands_temporal_hitl import ApprovalNotice, DecisionLinks, PendingApproval
from strands_temporal_hitl._links import LinkError, keys_of, read_link, sign_link
from strands_temporal_hitl._people import Person
from strands_temporal_hitl._visible import visible

KEY, OTHER = "k" * 32, b"o" * 32
PENDING = PendingApproval("v1:before_tool_call:1:é/&", "approval", tool="refund", digest="sha256:1")
NOTICE = ApprovalNotice("n", "default", "order/7 &", "run", "Desk", [PENDING])
NOW = datetime.now(timezone.utc)


def token_of(url: str) -> str:
    return url.removeprefix("https://desk.example/in/link/")


def test_a_link_is_for_one_person_question_call_and_verdict() -> None:
    links = DecisionLinks("https://desk.example/in/", KEY, lambda name: Person(name, ["finance"]))
    urls = [links.url(NOTICE, PENDING, "ana", "approve") for _ in range(2)]
    assert len(set(urls)) == 2  # each is good for one decision
    link = read_link(token_of(urls[0]), keys_of("t", "key", KEY), now=NOW.timestamp())
    assert (link.namespace, link.workflow_id, link.approval) == ("default", "order/7 &", PENDING.id)
    assert (link.digest, link.person, link.groups, link.verdict) == (
        "sha256:1",
        "ana",
        ["finance"],
        "approve",
    )
    assert timedelta(days=6) < datetime.fromtimestamp(link.expires_at, timezone.utc) - NOW < timedelta(days=8)
    soon = replace(PENDING, deadline=(NOW + timedelta(hours=1)).isoformat())
    token = token_of(links.url(NOTICE, soon, Person("bo")))
    keys = [OTHER, KEY.encode()]  # a key that was replaced is still accepted
    assert read_link(token, keys, now=NOW.timestamp()).person == "bo"
    with pytest.raises(LinkError, match=r"was good until 20"):
        read_link(token, keys, now=NOW.timestamp() + 3_600)
    assert links.inbox_url(NOTICE) == "https://desk.example/in/"
    assert links.inbox_url(NOTICE, PENDING).endswith(
        "/in/question?workflow=order%2F7%20%26&id=v1%3Abefore_tool_call%3A1%3A%C3%A9%2F%26"
    )


def test_a_link_that_was_changed_or_made_up_is_refused() -> None:
    links = DecisionLinks("https://desk.example/in", KEY)
    token = token_of(links.url(NOTICE, PENDING, "ana", "reject"))
    body, _, signature = token.partition(".")
    values = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([*values[:5], "eve", *values[6:]]).encode()).decode()
    link = read_link(token, [KEY.encode()], now=0)
    for bad in (
        f"{forged.rstrip('=')}.{signature}",
        body,
        f"{body}.",
        f"{body}.{signature[:-2]}",
        f"{signature}.{signature}",
        sign_link(replace(link, person="eve"), OTHER),
        "é.é",
        "..",
        "x" * 9_000,
    ):
        with pytest.raises(LinkError, match="not valid"):
            read_link(bad, [KEY.encode()], now=0)


def test_a_link_whose_time_is_no_date_is_refused() -> None:
    links = DecisionLinks("https://desk.example/in", KEY)
    link = read_link(token_of(links.url(NOTICE, PENDING, "ana", "reject")), [KEY.encode()], now=0)
    token = sign_link(replace(link, expires_at=-(10**21)), KEY.encode())
    with pytest.raises(LinkError, match="not valid"):
        read_link(token, [KEY.encode()], now=0)


def test_bad_arguments_are_refused() -> None:
    for url in ("desk.example", "ftp://desk.example", "https://", "https://a.example/?x=1"):
        with pytest.raises(AgentValueError, match="base_url"):
            DecisionLinks(url, KEY)
    for key in ("short", b"x" * 31, ["k" * 32, "short"], []):
        with pytest.raises(AgentValueError, match="key"):
            DecisionLinks("https://a.example", key)
    with pytest.raises(AgentTypeError, match="key="):
        DecisionLinks("https://a.example", 5)  # pyright: ignore[reportArgumentType]  # what is tested
    with pytest.raises(AgentValueError, match="lifetime"):
        DecisionLinks("https://a.example", KEY, lifetime=timedelta(days=8))
    links = DecisionLinks("https://a.example", KEY)
    with pytest.raises(AgentValueError, match="verdict='edit'"):
        links.url(NOTICE, PENDING, "ana", "edit")
    with pytest.raises(AgentValueError, match="no name"):
        links.url(NOTICE, PENDING, " ")


def test_what_a_reader_would_not_see_is_made_visible() -> None:
    assert visible("pay 5\u202e00\x1b[2J\u200b\u3164\ufeff é 日本 ❤\ufe0f\nx") == (
        "pay 5\\u202e00\\x1b[2J\\u200b\\u3164\\ufeff é 日本 ❤\ufe0f\nx"
    )
    assert visible("a\r\nb", lines=False) == "a\\r\\nb"
