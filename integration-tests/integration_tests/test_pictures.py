"""The pictures of the docs are what the programs draw."""

import json
import sys
import xml.etree.ElementTree as ET

import pytest
from scripts.drawings import DRAWINGS, IMAGES
from scripts.record_demo import excerpt, picture, record, screen, svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_what_the_script_draws(name: str) -> None:
    assert (IMAGES / name).read_text() == DRAWINGS[name]().svg(), "run `make pictures`"


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_reads_in_light_and_dark_and_aloud(name: str) -> None:
    root = ET.fromstring((IMAGES / name).read_text())  # noqa: S314  # our own file
    assert "prefers-color-scheme: dark" in (root.findtext(f"{SVG}style") or "")
    assert root.findtext(f"{SVG}title")
    assert root.findtext(f"{SVG}desc")
    assert len(root.findall(f"{SVG}text")) > 10, "text is to stay text"


SPINNER = """
for step in range(3):
    print(f"\\r\\x1b[2K\\x1b[36mworking {step}\\x1b[0m", end="", flush=True)
print("\\r\\x1b[2KFirst line")
print("\\x1b[32mdone \u2714\\x1b[0m")
"""


def test_a_command_is_recorded_with_times_and_its_screen_drawn() -> None:
    header, *events = record([sys.executable, "-c", SPINNER], "a spinner")
    assert json.loads(header)["version"] == 2
    assert json.loads(header)["title"] == "a spinner"
    times = [json.loads(event)[0] for event in events]
    assert times == sorted(times)
    assert "working 0" in "".join(json.loads(event)[2] for event in events)
    shown = screen([header, *events])
    assert shown.plain == "First line\ndone \u2714"
    drawn = ET.fromstring(svg(shown, "a spinner"))  # noqa: S314  # our own text
    texts = "".join(drawn.itertext()).replace("\xa0", " ")
    assert "done" in texts
    assert "a spinner" in texts
    assert excerpt(shown, "done", "done").plain == "done \u2714"


def test_a_command_that_fails_or_hangs_is_no_recording() -> None:
    with pytest.raises(SystemExit, match="ended with 3"):
        record([sys.executable, "-c", "raise SystemExit(3)"], "fails")
    with pytest.raises(SystemExit, match="did not end within 0 s"):
        record([sys.executable, "-c", "input()"], "hangs", timeout=0.2)


def test_the_recorded_demo_shows_its_acts_and_the_picture_is_made_of_it() -> None:
    cast = (IMAGES / "demo.cast").read_text()
    assert len(cast.encode()) < 200_000
    recording = cast.splitlines()
    seen = screen(recording).plain
    for act in (
        "1  The stage",
        "2  A durable conversation",
        "3  The worker dies in the middle of an answer",
        "4  What the history proves",
        "none was made again",
        "without calling the model",
    ):
        assert act in seen
    drawn = (IMAGES / "demo.svg").read_text()
    assert drawn == picture(recording), "run `make pictures`"
    assert "http" not in drawn.replace("http://www.w3.org", "").replace("https://www.textualize.io", "")
