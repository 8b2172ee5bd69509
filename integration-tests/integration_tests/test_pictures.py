"""The pictures of the docs are what the programs draw."""

import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from benchmarks import report
from benchmarks.plot import BASES
from scripts import console_pictures, inbox_pictures, trace_picture, web_ui_pictures
from scripts.drawings import DRAWINGS, IMAGES
from scripts.record_demo import excerpt, picture, record, screen, svg
from scripts.site_hooks import PICTURE

from integration_tests.doc_blocks import PAGES, ROOT

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


# --- Pictures of programs' pages ---------------------------------------------------------------------------

KIB = 1024


def test_the_plot_of_the_benchmarks_is_what_its_program_draws_of_the_results(tmp_path: Path) -> None:
    rows = report.read(report.FOLDER)
    report.plot(tmp_path / "results.svg", rows)
    drawn = (tmp_path / "results.svg").read_text()
    assert drawn == (report.FOLDER / "results.svg").read_text(), "run `make pictures`"
    texts = [text.text or "" for text in ET.fromstring(drawn).iter(f"{SVG}text")]  # noqa: S314  # our own
    for row in rows:
        if (ratio := row.ratio("ours")) and row.of in BASES:
            assert row.measure in " ".join(texts)
            assert f"{ratio:.2f}" in texts
    assert "prefers-color-scheme: dark" in drawn


def test_the_plot_fits_a_phone() -> None:
    root = ET.fromstring((report.FOLDER / "results.svg").read_text())  # noqa: S314  # our own file
    width = float(root.attrib["width"])
    assert width <= 420, "a phone has about 360 pixels for it, and letters are then 12 pixels high"
    for text in root.iter(f"{SVG}text"):
        letters = len(text.text or "") * 7  # pixels of a wide font
        x = float(text.attrib["x"]) - {"end": letters, "middle": letters / 2}.get(
            text.attrib.get("text-anchor", ""), 0
        )
        assert x >= 0, text.text
        assert x + letters <= width, text.text


def test_a_plot_without_measures_of_cpu_is_drawn(tmp_path: Path) -> None:
    rows = [row for row in report.read(report.FOLDER) if not row.series]
    report.plot(tmp_path / "some.svg", rows)
    assert "CPU per turn" not in (tmp_path / "some.svg").read_text()


def shown(page: Path) -> list[Path]:
    """Return the pictures that a page has as HTML, light and dark."""
    return [
        (page.parent / match[scheme]).resolve()
        for match in PICTURE.finditer(page.read_text())
        for scheme in ("light", "dark")
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_picture_in_html_is_one_that_the_site_understands(page: Path) -> None:
    assert len(re.findall("<picture>", page.read_text())) * 2 == len(shown(page)), "see scripts/site_hooks.py"
    for file in shown(page):
        assert file.exists(), f"{page.name} shows {file}"


def test_each_picture_is_used_and_small() -> None:
    used = {file for page in PAGES for file in shown(page)}
    pictures = set(IMAGES.glob("*.webp"))
    assert pictures == {file for file in used if file.suffix == ".webp"}
    made = {
        web_ui_pictures.file_of(page, dark=dark) for page in web_ui_pictures.PAGES for dark in (False, True)
    }
    made |= {trace_picture.file_of(dark=dark) for dark in (False, True)}
    made |= {
        inbox_pictures.file_of(page, dark=dark) for page in inbox_pictures.PAGES for dark in (False, True)
    }
    assert {file.name for file in pictures} == made, "what `make pictures` makes"
    assert all(file.stat().st_size < 200 * KIB for file in pictures)
    screens = set(IMAGES.glob("*.png"))
    assert {file.name for file in screens} == set(console_pictures.FILES)
    page = (ROOT / "docs" / "console.md").read_text()
    assert all(f"(images/{file.name})" in page for file in screens)
    assert all(file.stat().st_size < 200 * KIB for file in screens)
    assert sum(file.stat().st_size for file in IMAGES.iterdir()) < KIB * KIB


def test_a_visit_of_the_web_ui_for_each_picture(tmp_path: Path) -> None:
    found = list(web_ui_pictures.visits("http://ui/namespaces/default/workflows/w/r", tmp_path))
    assert [visit.url.rpartition("/")[2] for visit in found] == ["timeline"] * 2 + ["user-metadata"] * 2
    assert [visit.dark for visit in found] == [False, True] * 2
    assert Path(found[3].steps[-1][1]) == tmp_path / "web-ui-user-metadata-dark.webp"


def test_the_desks_trace_is_found_among_others() -> None:
    def span(name: str, trace: str) -> dict[str, object]:
        return {"name": name, "context": {"trace_id": trace}}

    others = [span("HandleQuery:pending_approvals", "q"), span("chat", "t")]
    assert trace_picture.trace_in(others) is None
    assert trace_picture.trace_in([*others, span("StartWorkflow:DeskWorkflow", "t")]) == "t"
