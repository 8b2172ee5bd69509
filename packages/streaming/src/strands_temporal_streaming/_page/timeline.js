// The timeline of a turn: a picture of its steps in time, and the same as a table.

import { clock, count, duration, el, put, svg } from "./dom.js";

const ROW = 26;
const TOP = 24;
const BAR = 12;
const LABEL = 0.36; // of the width
const SHORTEST = 3; // pixels of a bar
const WAIT_SHARE = 1.5; // of the time at work: what all waits together are drawn as, at most

const KINDS = { model: "Model call", tool: "Tool", wait: "Wait", agent: "Sub-agent", over: "New run" };

/** Draws a turn in an element. */
export function drawTimeline(place, turn, number) {
  if (!turn) return put(place, el("p", { className: "quiet" }, "Nothing has run yet."));
  const width = Math.max(260, place.clientWidth || 320);
  const now = turn.end ?? Math.max(Date.now(), turn.last ?? 0);
  const steps = turn.steps.map((step) => ({ ...step, stop: step.end ?? now }));
  put(place, picture(turn, steps, width, now, number), legend(steps), table(steps));
  return undefined;
}

/** Where a time is in the picture. Long waits, in which nothing else happens, are drawn shorter. */
function scale(turn, steps, now, left, right) {
  const busy = steps.filter((step) => step.kind === "model" || step.kind === "tool");
  const edges = new Set([turn.start, now]);
  for (const step of steps) for (const time of [step.start, step.stop]) edges.add(Math.min(now, Math.max(turn.start, time)));
  const times = [...edges].sort((a, b) => a - b);
  const pieces = times.slice(1).map((end, n) => {
    const start = times[n];
    const works = busy.some((step) => step.start < end && step.stop > start);
    return { start, end, works, length: end - start };
  });
  const work = pieces.filter((one) => one.works).reduce((sum, one) => sum + one.length, 0) || 1;
  const idle = pieces.filter((one) => !one.works);
  const most = (work * WAIT_SHARE) / Math.max(1, idle.length);
  for (const one of idle) one.shown = Math.min(one.length, Math.max(most, work * 0.04));
  const total = pieces.reduce((sum, one) => sum + (one.shown ?? one.length), 0) || 1;
  const at = (time) => {
    let gone = 0;
    for (const one of pieces) {
      const shown = one.shown ?? one.length;
      if (time >= one.end) gone += shown;
      else if (time > one.start) gone += (shown * (time - one.start)) / one.length;
    }
    return left + ((right - left) * gone) / total;
  };
  const cut = idle.filter((one) => one.shown < one.length * 0.8).map((one) => ({ ...one, x: (at(one.start) + at(one.end)) / 2 }));
  return { at, cut };
}

function picture(turn, steps, width, now, number) {
  const left = Math.round(width * LABEL);
  const right = width - 10;
  const height = TOP + Math.max(1, steps.length) * ROW + 8;
  const { at, cut } = scale(turn, steps, now, left, right);
  const total = duration(now - turn.start);
  const title = `Timeline of turn ${number}: ${steps.length} steps in ${total}`;
  const made = svg("svg", { class: "timeline", width, height, viewBox: `0 0 ${width} ${height}`, role: "img" });
  made.setAttribute("aria-label", title);
  made.append(svg("text", { x: left, y: 14, class: "tick" }, clock(turn.start)));
  made.append(svg("text", { x: right, y: 14, class: "tick", "text-anchor": "end" }, total));
  made.append(svg("line", { x1: left, x2: right, y1: TOP - 4, y2: TOP - 4, class: "axis" }));
  for (const one of cut) {
    const path = `M${one.x - 3} ${TOP} V${height - 6} M${one.x + 3} ${TOP} V${height - 6}`;
    made.append(svg("path", { d: path, class: "cut" }));
  }
  steps.forEach((step, n) => {
    const y = TOP + n * ROW;
    made.append(row(step, y, at, left, right));
  });
  return made;
}

function row(step, y, at, left, right) {
  const group = svg("g", { class: `step ${step.kind}${step.failed ? " failed" : ""}${step.end === undefined ? " open" : ""}` });
  group.append(svg("title", {}, describe(step)));
  const indent = Math.min(24, step.depth * 8);
  const room = Math.floor((left - indent - 10) / 6.4);
  const label = step.label.length > room ? `${step.label.slice(0, Math.max(1, room - 1))}…` : step.label;
  group.append(svg("text", { x: indent, y: y + 15, class: "label" }, label));
  const x = at(step.start);
  const w = Math.max(SHORTEST, at(step.stop) - x);
  if (step.kind === "over") {
    group.append(svg("path", { d: `M${x} ${y + 1} v16 m-4 -8 l4 -6 l4 6`, class: "over-mark" }));
    return group;
  }
  const start = Math.min(x, right - SHORTEST);
  group.append(svg("rect", { x: start, y: y + 5, width: w, height: BAR, rx: Math.min(4, w / 2), class: "bar" }));
  for (const mark of step.marks) {
    const place = at(mark.at);
    group.append(svg("path", { d: `M${place} ${y + 2} v18`, class: "retry" }, svg("title", {}, mark.text)));
  }
  const took = duration(step.stop - step.start);
  const outside = w < took.length * 6.2 + 8;
  const after = start + w + 4 + took.length * 6.2 < right + 8;
  if (!outside) group.append(svg("text", { x: start + 5, y: y + 14.5, class: "inside" }, took));
  else if (after) group.append(svg("text", { x: start + w + 4, y: y + 14.5, class: "took" }, took));
  else group.append(svg("text", { x: start - 4, y: y + 14.5, class: "took", "text-anchor": "end" }, took));
  return group;
}

function describe(step) {
  const parts = [`${KINDS[step.kind]} ${step.label}`, duration(step.stop - step.start)];
  if (step.attempts > 1) parts.push(`${step.attempts} attempts`);
  if (step.failed) parts.push("failed");
  if (step.end === undefined) parts.push("runs");
  if (step.note) parts.push(step.note);
  return parts.join(", ");
}

function legend(steps) {
  const kinds = [...new Set(steps.map((step) => step.kind))];
  const retried = steps.some((step) => step.marks.length);
  const made = el("ul", { className: "legend", ariaLabel: "Colours of the timeline" });
  for (const kind of kinds) made.append(el("li", { className: kind }, el("span", { className: "swatch" }), KINDS[kind]));
  if (retried) made.append(el("li", { className: "retry" }, el("span", { className: "swatch" }), "Retry"));
  return made;
}

function table(steps) {
  const head = ["Step", "What", "Began", "Took", "Attempts", "State"];
  const rows = steps.map((step) => [
    KINDS[step.kind],
    step.label,
    clock(step.start),
    duration(step.stop - step.start),
    String(Math.max(1, step.attempts ?? 1)),
    [step.end === undefined ? "runs" : step.failed ? "failed" : "ended", step.note].filter(Boolean).join(", "),
  ]);
  const made = el(
    "table",
    {},
    el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell))))),
  );
  const box = el("div", { className: "table", tabIndex: 0, role: "region", ariaLabel: "Steps" }, made);
  return el("details", { className: "steps" }, el("summary", {}, "The same as a table"), box);
}

const outcome = ({ outcome: how = "ended" }) => (how === "end_turn" ? "done" : how.replaceAll("_", " "));

/** The facts of a turn. */
export function turnFacts(turn) {
  const tokens = turn.usage.input + turn.usage.output;
  const calls = turn.steps.filter((step) => step.kind === "model").length;
  const tools = turn.steps.filter((step) => step.kind === "tool").length;
  const waits = turn.steps.some((step) => step.kind === "wait" && step.end === undefined);
  const state = turn.end !== undefined ? outcome(turn) : waits ? "waits for a person" : "running";
  const fact = (name, value) => [el("dt", {}, name), el("dd", {}, value)];
  return el(
    "dl",
    { className: "facts" },
    ...fact("State", state),
    ...fact("Began", clock(turn.start)),
    ...fact("Model calls", count(calls)),
    ...fact("Tool calls", count(tools)),
    ...fact("Tokens", tokens ? `${count(turn.usage.input)} in, ${count(turn.usage.output)} out` : "not told"),
  );
}
