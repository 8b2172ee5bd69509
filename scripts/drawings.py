"""The drawings of the docs, as SVG: `make pictures` writes them to docs/images.

Text stays text, and the colours follow the reader's light or dark scheme. A test compares the files with what
this script draws, so a drawing changes here and not in its file.
"""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

IMAGES = Path(__file__).parent.parent / "docs" / "images"

_LINE = 20  # pixels from one line of text to the next
_STYLE = """\
  <style>
    svg { --paper: #ffffff; --ink: #1f2328; --faint: #59636e; --edge: #818b98; --fill: #f3f5f8;
          --mark: #0a5cc0; --keep: #e2efff; --good: #1a7f37; --bad: #b42318; color: var(--ink); }
    @media (prefers-color-scheme: dark) {
      svg { --paper: #0d1117; --ink: #e6edf3; --faint: #9aa4af; --edge: #768390; --fill: #1a2029;
            --mark: #6cb2ff; --keep: #14304f; --good: #4ac26b; --bad: #ff8a80; }
    }
    text { font: 15px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: currentColor; }
    .title { font-weight: 600; }
    .faint { fill: var(--faint); font-size: 13.5px; }
    .code { font: 13.5px ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace; }
    .number { fill: var(--mark); font-weight: 600; }
    .over { paint-order: stroke; stroke: var(--paper); stroke-width: 6px; }
    .paper { fill: var(--paper); }
    .box { fill: var(--fill); stroke: var(--edge); }
    .keep { fill: var(--keep); stroke: var(--mark); }
    .life { stroke: var(--edge); stroke-dasharray: 3 5; }
    .arrow { stroke: var(--mark); stroke-width: 1.75; fill: none; marker-end: url(#head); }
    .both { marker-start: url(#head); }
    .head { fill: var(--mark); }
    .bad { fill: var(--bad); }
    .ours { fill: var(--mark); stroke: var(--mark); }
    .other { fill: var(--edge); stroke: var(--edge); }
    .floor { fill: var(--ink); stroke: var(--ink); }
    .limit { fill: var(--good); stroke: var(--good); }
    .grid { stroke: var(--edge); stroke-opacity: 0.4; }
    .series { fill: none; stroke-width: 2; }
    .dashed { stroke-dasharray: 5 4; }
  </style>
  <defs>
    <marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" \
orient="auto-start-reverse">
      <path class="head" d="M0 0 10 5 0 10z"/>
    </marker>
  </defs>"""


class Drawing:
    """An SVG under construction.

    Args:
        width: Its width in pixels.
        height: Its height in pixels.
        title: What it shows, for those who cannot see it.
        description: The same in more words.
        shown_at: Width at which a page shows it, unless the page is narrower. By default the page's width.
    """

    def __init__(
        self, width: int, height: int, title: str, description: str, *, shown_at: int | None = None
    ) -> None:
        size = f'width="{shown_at}" height="{height * shown_at // width}" ' if shown_at else ""
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}viewBox="0 0 {width} {height}" role="img" '
            f'aria-labelledby="title description">',
            f'  <title id="title">{escape(title)}</title>',
            f'  <desc id="description">{escape(description)}</desc>',
            _STYLE,
            f'  <rect class="paper" width="{width}" height="{height}" rx="8"/>',
        ]

    def box(
        self, x: float, y: float, width: float, height: float, kind: str = "box", *, rounding: int = 6
    ) -> None:
        """Draw a box."""
        size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{rounding}"'
        self._add(f"<rect class={quoteattr(kind)} {size}/>")

    def text(self, x: float, y: float, *lines: str, kind: str = "", anchor: str = "start") -> None:
        """Write lines below each other; `y` is the baseline of the first. A line in backticks is code."""
        for number, line in enumerate(lines):
            code = line.startswith("`")
            classes = " ".join(filter(None, [kind, "code" if code else ""]))
            attributes = f' class="{classes}"' if classes else ""
            attributes += f' text-anchor="{anchor}"' if anchor != "start" else ""
            self._add(
                f'<text x="{x:g}" y="{y + number * _LINE:g}"{attributes}>{escape(line.strip("`"))}</text>'
            )

    def heading(self, x: int, y: int, title: str, rest: str, kind: str = "") -> None:
        """Write a title and, on the same line, what it means."""
        attributes = f' class="{kind}"' if kind else ""
        self._add(
            f'<text x="{x}" y="{y}"><tspan class="title">{escape(title)}</tspan>'
            f'<tspan{attributes} dx="8">{escape(rest)}</tspan></text>'
        )

    def arrow(self, x1: int, y1: int, x2: int, y2: int, *, both: bool = False) -> None:
        """Draw an arrow from the first point to the second, or one with two heads."""
        kind = "arrow both" if both else "arrow"
        self._add(f'<path class="{kind}" d="M{x1} {y1} L{x2} {y2}"/>')

    def line(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        """Draw a line through the points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._add(f'<polyline class={quoteattr(kind)} points="{path}"/>')

    def lifeline(self, x: int, y1: int, y2: int) -> None:
        """Draw the line of a participant, downwards."""
        self._add(f'<path class="life" d="M{x} {y1} V{y2}"/>')

    def svg(self) -> str:
        """Return the file's text."""
        return "\n".join([*self._parts, "</svg>"]) + "\n"

    def _add(self, element: str) -> None:
        self._parts.append(f"  {element}")


def model_call() -> Drawing:
    """Draw a model call's way: workflow, history, activity, provider, and back."""
    drawing = Drawing(
        640,
        620,
        "The way of a model call",
        "The agent in the workflow schedules an activity. The server records that and gives it to a worker, "
        "which calls the provider. The answer goes into the history, then to the agent. After a crash "
        "another worker replays the history: recorded answers are not asked for again.",
    )
    workflow, history, activity, provider = 85, 245, 405, 560
    for x, name, where in (
        (workflow, "Workflow", "your agent"),
        (history, "History", "Temporal server"),
        (activity, "Activity", "worker"),
        (provider, "Provider", "Claude, GPT, ..."),
    ):
        drawing.box(x - 70, 16, 140, 52, "keep" if name == "History" else "box")
        drawing.text(x, 38, name, kind="title", anchor="middle")
        drawing.text(x, 57, where, kind="faint", anchor="middle")
        drawing.lifeline(x, 68, 600)

    drawing.text(workflow - 70, 100, "`agent.invoke_async(...)`", kind="over")
    _step(drawing, 1, workflow, history, 140, "schedule activity")
    drawing.text(history + 10, 165, "`invoke_model`")
    drawing.text(history + 10, 185, "with what is new", kind="faint")
    _step(drawing, 2, history, activity, 220, "task")
    _step(drawing, 3, activity, provider, 255, "request")
    drawing.text(activity + 10, 277, "the whole", "conversation", kind="faint")
    _step(drawing, 4, provider, activity, 325, "answer")
    _step(drawing, 5, activity, history, 360, "result")
    drawing.box(history - 80, 374, 160, 50, "keep")
    drawing.text(history, 395, "the answer is safe", anchor="middle")
    drawing.text(history, 414, "from here on", kind="faint", anchor="middle")
    _step(drawing, 6, history, workflow, 455, "answer")
    drawing.text(workflow - 70, 480, "Strands' loop goes on:", "tool, next call, end", kind="over")

    drawing.box(15, 524, 610, 68)
    drawing.heading(30, 549, "The worker dies after 5?", "Another one replays the workflow and")
    drawing.text(30, 573, "gets the answer from the history. Only a call without a result is repeated.")
    return drawing


def _step(drawing: Drawing, number: int, start: int, end: int, y: int, label: str) -> None:
    drawing.arrow(start, y, end, y)
    left = min(start, end)
    drawing.text(left + 10, y - 7, str(number), kind="number")
    drawing.text(left + 25, y - 7, label)


def architecture() -> Drawing:
    """Draw the processes, and what runs in each."""
    drawing = Drawing(
        640,
        760,
        "The parts of a durable agent",
        "Clients start workflows and answer questions through the Temporal server, which keeps histories and "
        "task queues. Workers run the agent in a workflow, and activities for models, tools, MCP servers and "
        "hooks. Plugins give the worker its factories. Only activities reach providers and services.",
    )
    _processes(drawing)
    _worker(drawing)
    _outside(drawing)
    return drawing


def _processes(drawing: Drawing) -> None:
    for x, name, *lines in (
        (15, "Your programs", "start workflows,", "read streams"),
        (225, "People", "decide: CLI, webhook,", "your own front end"),
        (435, "Temporal Web UI", "and CLI: look,", "cancel, reset"),
    ):
        drawing.box(x, 15, 190, 80)
        drawing.text(x + 14, 40, name, kind="title")
        drawing.text(x + 14, 62, *lines, kind="faint")
    for x in (110, 320, 530):
        drawing.arrow(x, 95, x, 128)
    drawing.box(15, 130, 610, 70, "keep")
    drawing.heading(30, 156, "Temporal server", "histories, task queues, timers")
    drawing.text(
        30, 183, "Each step of each agent is recorded here. It runs none of your code.", kind="faint"
    )
    drawing.arrow(175, 200, 175, 260, both=True)
    drawing.arrow(465, 200, 465, 260, both=True)
    drawing.text(187, 240, "workflow tasks", kind="faint")
    drawing.text(477, 240, "activity tasks", kind="faint")


def _worker(drawing: Drawing) -> None:
    drawing.box(15, 232, 100, 30)
    drawing.text(30, 253, "Worker", kind="title")
    drawing.box(15, 262, 610, 330)
    drawing.box(30, 277, 290, 199, "keep")
    drawing.heading(44, 301, "Workflow", "replayed after a crash", "faint")
    drawing.text(
        44, 326, "`TemporalAgent`", "Strands' loop, hooks, prompts,", "tools that only compute, state"
    )
    drawing.text(44, 392, "Handles: names of what does I/O", kind="faint")
    drawing.text(44, 412, "`TemporalModel(name)`", "`TemporalTools(name)`", "`TemporalMCPClient(name)`")
    drawing.box(340, 277, 270, 199)
    drawing.heading(354, 301, "Activities", "retried, timed out", "faint")
    drawing.text(
        354,
        326,
        "model calls",
        "tools that do I/O",
        "calls of MCP servers",
        "hooks that do I/O",
        "notices to people",
    )
    drawing.heading(
        30, 502, "Plugins", "hold the factories; a factory makes its object on first use", "faint"
    )
    drawing.text(
        30, 526, "`StrandsPlugin(models=, tools=)`", "`MCPPlugin(mcp_clients=)`", "`HITLPlugin(notifiers=)`"
    )
    drawing.text(354, 526, "`StreamingPlugin()`", "`OTelPlugin()`")


def _outside(drawing: Drawing) -> None:
    for x, name, *lines in (
        (15, "Model providers", "Bedrock, Anthropic,", "OpenAI, Ollama, ..."),
        (225, "MCP servers", "stdio, HTTP"),
        (435, "Everything else", "APIs, databases,", "trace back ends"),
    ):
        drawing.arrow(x + 95, 592, x + 95, 658)
        drawing.box(x, 660, 190, 80)
        drawing.text(x + 14, 685, name, kind="title")
        drawing.text(x + 14, 707, *lines, kind="faint")
    drawing.text(122, 630, "only from activities", kind="faint")


DRAWINGS = {"model-call.svg": model_call, "architecture.svg": architecture}
"""The files in docs/images, and the functions that draw them."""


def main() -> None:
    """Write all drawings."""
    IMAGES.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        (IMAGES / name).write_text(draw().svg())


if __name__ == "__main__":
    main()
