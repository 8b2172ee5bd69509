"""The value that a person types for `respond`: JSON or plain words. Anything else is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strands_temporal_hitl._cli import main
from strands_temporal_hitl._terminal import typed_value

JSON = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_json_is_what_it_says(value: object) -> None:
    assert typed_value(json.dumps(value)) == value
    assert typed_value(f"  {json.dumps(value, ensure_ascii=False)}\n") == value


@pytest.mark.parametrize(
    "words",
    [
        "yes",
        "Yes",
        "maybe later",
        "5 apples",
        "trust",
        "don't",
        "rot, blau (oder: grün)",
        "a: {b} or c",
        "nothing",
        "not null",
        "/srv/x",
        "-- none of it",
        "12abc",
    ],
)
def test_plain_words_are_text(words: str) -> None:
    assert typed_value(words) == words


@pytest.mark.parametrize(
    "mistyped",
    [
        "{bad",
        '{"colour": "red"',
        "{'colour': 'red'}",
        "{colour: red}",
        '"colour": "red"}',
        "[1, 2",
        "1, 2]",
        "[1, 2,]",
        '"yes',
        "yes'",
        "'yes'",
        '{"a": 1} {"b": 2}',
        "True",
        "FALSE",
        "None",
        "NaN",
        "-Infinity",
        '{"a": NaN}',
        "01",
        "5,5",
        "1.",
        ".5",
        "+5",
        "1_000",
        "{",
        " {bad ",
    ],
)
def test_what_looks_like_json_and_is_none_is_refused_before_anything_is_sent(
    mistyped: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--address", "127.0.0.1:1", "respond", "--yes", "--", "wf", mistyped])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "looks like JSON but is not (" in error
    assert "--text" in error


@pytest.mark.parametrize("nothing", ["", " ", "null", " null "])
def test_nothing_is_no_answer(nothing: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--address", "127.0.0.1:1", "respond", "wf", nothing])
    assert ended.value.code == 2
    assert "VALUE is empty" in (error := capsys.readouterr().err) or "null is not an answer" in error


def test_with_the_flag_all_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    """The command then fails because it connects to a server that does not exist."""
    assert main(["--address", "127.0.0.1:1", "respond", "wf", "{bad", "--text"]) == 1
    assert "Cannot connect to Temporal" in capsys.readouterr().err
