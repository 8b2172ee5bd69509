"""What the terminal of a chat shows when the answer and the stream race."""

import asyncio

import pytest

from strands_temporal import TurnResult
from strands_temporal._commands._chat_screen import Screen


def screen_of_a_terminal() -> Screen:
    screen = Screen(json=False, name="desk", is_new=True)
    screen.is_live = screen.is_interactive = True
    return screen


async def test_an_answer_before_its_stream_is_shown_once_and_last(capsys: pytest.CaptureFixture[str]) -> None:
    screen = screen_of_a_terminal()
    screen.follows_turns(True)
    for turn in (1, 2):
        answering = asyncio.create_task(screen.answer(TurnResult(turn, "Done", "end_turn")))
        await asyncio.sleep(0.01)
        screen.text("Let me see")
        screen.message_end()
        screen.note("  look: success: here")
        if turn == 2:
            screen.text("Done")
            screen.message_end()
        screen.turn_end()
        await answering
        shown = capsys.readouterr().out
        assert shown.count("Done") == 1
        assert shown.index("Let me see") < shown.index("look: success") < shown.index("Done")
    await asyncio.wait_for(screen.answer(TurnResult(2, "Done", "end_turn", steered=True)), 1)
    assert not capsys.readouterr().out


async def test_an_answer_without_a_stream_does_not_wait(capsys: pytest.CaptureFixture[str]) -> None:
    screen = screen_of_a_terminal()
    await asyncio.wait_for(screen.answer(TurnResult(1, "Done", "end_turn")), 0.5)
    screen.follows_turns(True)
    answering = asyncio.create_task(screen.answer(TurnResult(2, "Well", "end_turn")))
    await asyncio.sleep(0.01)
    assert "Well" not in capsys.readouterr().out
    screen.follows_turns(False)  # the part has ended
    await asyncio.wait_for(answering, 0.5)
    assert "Well" in capsys.readouterr().out


async def test_a_question_answered_elsewhere_ends_its_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = screen_of_a_terminal()
    screen.set_waits_for_people(True)
    asking = asyncio.create_task(screen.ask(["May it?"], "y or n"))
    await asyncio.sleep(0.01)
    screen.set_waits_for_people(False)
    assert await asking is None
    assert "y or n" in (shown := capsys.readouterr().out)
    assert shown.endswith("\n")
