// The card of a tool call: arguments, state, result, attempts and times.

import { clock, duration, el, put, text } from "./dom.js";

const FOLD_CHARACTERS = 400;
const FOLD_LINES = 12;
const MOST_SHOWN = 200; // members of one list or object

const STATES = {
  writing: "being written",
  asked: "asked for",
  running: "running",
  done: "done",
  failed: "failed",
  waiting: "waits for a person",
};

/** The card of a call; `update` shows what is known now. */
export function toolCard() {
  const name = el("span", { className: "tool-name" });
  const brief = el("span", { className: "tool-brief" });
  const state = el("span", { className: "state" });
  const time = el("span", { className: "tool-time" });
  const summary = el("summary", {}, el("span", { className: "tool-head" }, name, brief), time, state);
  const body = el("div", { className: "tool-body" });
  const card = el("details", { className: "call" }, summary, body);
  let call;
  const fill = () => card.open && put(body, ...details(call));
  card.addEventListener("toggle", fill);
  card.update = (given, waits) => {
    call = given;
    const now = waits ? "waiting" : call.writing ? "writing" : call.state;
    text(name, call.name);
    text(brief, briefly(call));
    text(state, STATES[now]);
    state.dataset.state = now;
    text(time, times(call));
    card.dataset.state = now;
    fill();
  };
  return card;
}

const attemptsOf = (call) => call.tries?.attempts ?? 0;

function times(call) {
  const took = call.startedAt && call.endedAt ? duration(call.endedAt - call.startedAt) : "";
  const tries = attemptsOf(call) > 1 ? `${attemptsOf(call)} attempts` : "";
  return [tries, took].filter(Boolean).join(" · ");
}

function briefly(call) {
  const value = call.value;
  if (value === undefined || value === null) return call.args.slice(0, 120);
  if (typeof value !== "object") return String(value).slice(0, 120);
  return Object.entries(value)
    .slice(0, 4)
    .map(([key, one]) => `${key}: ${typeof one === "string" ? one : JSON.stringify(one)}`)
    .join(", ")
    .slice(0, 160);
}

function details(call) {
  const facts = el("dl", { className: "facts" });
  const fact = (name, value) => value && facts.append(el("dt", {}, name), el("dd", {}, value));
  const tries = call.tries;
  fact("Started", call.startedAt && clock(call.startedAt));
  fact("Ended", call.endedAt && clock(call.endedAt));
  fact("Attempts", tries?.attempts ? String(tries.attempts) : "");
  fact("Last failure", tries?.lastFailure);
  fact("Activity", tries?.activity);
  fact("Call", call.id);
  const shown = [part("Arguments", call.value === undefined ? plain(call.args || "…") : valueTree(call.value))];
  if (call.progress !== undefined && call.result === undefined) shown.push(part("Progress", valueTree(call.progress)));
  if (call.result !== undefined) shown.push(part(call.state === "failed" ? "Error" : "Result", result(call)));
  return [...shown, facts];
}

const part = (title, content) => el("section", { className: "part" }, el("h4", {}, title), content);

function result(call) {
  let value = call.result;
  if (typeof value === "string" && /^\s*[[{]/.test(value)) {
    try {
      value = JSON.parse(value);
    } catch {
      // text that looks like JSON
    }
  }
  const made = el("div", {}, valueTree(value));
  if (call.truncated) {
    const size = `${Number(call.size ?? 0).toLocaleString()} bytes`;
    made.append(el("p", { className: "quiet" }, `This is the beginning of ${size}. Whole: message ${call.reference}`));
  }
  return made;
}

const plain = (value) => el("pre", { className: "value" }, value);

/** A JSON value with its types; what is long is folded. */
export function valueTree(value) {
  if (typeof value === "string") return longText(value);
  if (value === null || typeof value !== "object") {
    return el("span", { className: `value ${value === null ? "null" : typeof value}` }, String(value));
  }
  const isList = Array.isArray(value);
  const entries = isList ? value.map((one, n) => [n + 1, one]) : Object.entries(value);
  if (!entries.length) return el("span", { className: "value null" }, isList ? "empty list" : "empty object");
  const tree = el("dl", { className: "tree" });
  for (const [key, one] of entries.slice(0, MOST_SHOWN)) {
    tree.append(el("dt", {}, String(key)), el("dd", {}, valueTree(one)));
  }
  if (entries.length > MOST_SHOWN) tree.append(el("dt", {}, "…"), el("dd", {}, `${entries.length - MOST_SHOWN} more`));
  return JSON.stringify(value).length > FOLD_CHARACTERS && entries.length > 6
    ? fold(`${entries.length} ${isList ? "items" : "fields"}`, tree)
    : tree;
}

function longText(value) {
  const lines = value.split("\n").length;
  if (value.length <= FOLD_CHARACTERS && lines <= FOLD_LINES) {
    return value.includes("\n") ? plain(value) : el("span", { className: "value string" }, value || '""');
  }
  const size = `${value.length.toLocaleString()} characters`;
  return fold(`${value.slice(0, 80).replaceAll("\n", " ")}… (${size})`, plain(value));
}

const fold = (title, content) => el("details", { className: "fold" }, el("summary", {}, title), content);
