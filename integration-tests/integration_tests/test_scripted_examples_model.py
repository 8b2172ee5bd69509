"""The scripted model of the examples: it looks at what it is given, and refuses what it does not know."""

import asyncio
from typing import Any

import pytest
from examples.demo.agents import letter_counter
from examples.demo.story import LONG_QUESTIONS, QUESTIONS, TOOL_QUESTION
from examples.support.scripted import MARK, scripted_model
from strands import Agent, tool


@tool(name="letter_counter")
def spelled(word: str) -> str:
    """Spell a word.

    Args:
        word: The word.
    """
    return " ".join(word)


@tool
def current_time(timezone: str) -> str:
    """Tell the time.

    Args:
        timezone: The time zone.
    """
    return f"noon in {timezone}"


async def answered(prompt: str, **options: Any) -> str:
    agent = Agent(scripted_model(), callback_handler=None, **options)
    return str(await agent.invoke_async(prompt)).strip()


async def test_it_calls_each_tool_that_the_prompt_asks_for_and_says_the_results() -> None:
    assert (
        await answered(TOOL_QUESTION, tools=[letter_counter, current_time]) == f"{MARK} 3; noon in Asia/Tokyo"
    )
    assert await answered(TOOL_QUESTION, tools=[letter_counter]) == f"{MARK} 3"
    assert await answered(QUESTIONS[0], tools=[letter_counter]) == f"{MARK} The capital of France is Paris."


async def test_it_counts_other_words_too() -> None:
    prompt = "How often does the letter s occur in Mississippi?"
    assert await answered(prompt, tools=[letter_counter]) == f"{MARK} 4"


async def test_it_answers_the_demos_questions_and_tells_a_story() -> None:
    prompts = [*QUESTIONS, *LONG_QUESTIONS, "Tell me a story."]
    for text in await asyncio.gather(*map(answered, prompts)):
        assert text.startswith(f"{MARK} T")


async def test_it_knows_the_conversation() -> None:
    agent = Agent(scripted_model(), callback_handler=None)
    await agent.invoke_async("Count from 1 to 5.")
    assert await agent.invoke_async("What did I ask before?")
    assert agent.messages[-1]["content"] == [{"text": f"{MARK} Count from 1 to 5."}]


@pytest.mark.parametrize(
    ("prompt", "options", "said"),
    [
        (
            "Tell me a joke.",
            {},
            r"does not know what to answer to 'Tell me a joke\.'.* It knows:\n  What is the",
        ),
        (
            "Tell me a joke.",
            {"tools": [letter_counter]},
            r"It knows:\n  How often does the letter r occur in strawberry\?\n  What is",
        ),
        (TOOL_QUESTION, {}, r"does not know what to answer to 'How often"),
        (
            QUESTIONS[0],
            {"system_prompt": "Answer in French."},
            r"cannot follow the system prompt 'Answer in French\.'",
        ),
        (
            TOOL_QUESTION,
            {"tools": [spelled]},
            r"knows a tool 'letter_counter' with \['letter', 'word'\], but this one takes \['word'\]",
        ),
    ],
)
async def test_what_it_does_not_know_is_refused(prompt: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        await answered(prompt, **options)
