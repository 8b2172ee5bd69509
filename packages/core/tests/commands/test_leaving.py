"""What a chat says when the person leaves it."""

from pathlib import Path

import pytest

from strands_temporal._commands._leaving import leaving_a_chat, leaving_dev
from strands_temporal._commands._settings import Settings


def test_it_says_what_ends_and_how_to_come_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    here = Settings()
    there = Settings(address="there:7233", namespace="shop")
    again = "strands-temporal chat --workflow-id desk-1"
    assert leaving_a_chat(here).note_for("desk-1") == f"It goes on: {again}"
    ended = leaving_dev(here, "agents.py", None).note_for("desk-1")
    assert "the conversation with it" in ended
    assert again not in ended
    kept = leaving_dev(here, "agents.py", Path("my {id}.db")).note_for("desk-1")
    assert "strands-temporal dev agents.py --db-filename 'my {id}.db'" in kept
    assert kept.endswith(again)
    of_others = leaving_dev(there, "agents.py", None)
    assert of_others.note_for("desk-1").endswith(f"{again} --address there:7233 --namespace shop")
