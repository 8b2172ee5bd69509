// The list of conversations: those that wait for a person first.

import { ago, el, put, text } from "./dom.js";

const WAITS = ["waiting_for_people", "waiting_for_client"];
const WORKS = ["thinking", "in_tool", "closing"];
const STATUS = {
  waiting_for_people: "waits for you",
  waiting_for_client: "waits for a front end",
  thinking: "running",
  in_tool: "running a tool",
  closing: "closing",
  idle: "idle",
  unknown: "does not answer",
};
const GROUPS = [
  ["Waiting for you", (one) => !one.endedAt && WAITS.includes(one.status)],
  ["Running", (one) => !one.endedAt && WORKS.includes(one.status)],
  ["Idle", (one) => !one.endedAt && ![...WAITS, ...WORKS].includes(one.status)],
  ["Ended", (one) => Boolean(one.endedAt)],
];
const ENDED_SHOWN = 20;

export const statusText = (status) => STATUS[status] ?? status.replaceAll("_", " ");
export const statusKind = (status) =>
  WAITS.includes(status) ? "waiting" : WORKS.includes(status) ? "running" : status === "idle" ? "idle" : "ended";

/** The list in an element. */
export class ThreadList {
  constructor(element) {
    this.element = element;
    this.rows = new Map();
    this.threads = [];
  }

  show(threads, current) {
    this.threads = threads;
    const groups = GROUPS.map(([title, fits]) => [title, threads.filter(fits)]);
    groups[3][1] = groups[3][1].slice(0, ENDED_SHOWN);
    const keep = new Set(threads.map((one) => one.threadId));
    for (const id of this.rows.keys()) if (!keep.has(id)) this.rows.delete(id);
    const made = groups.filter(([, some]) => some.length).map(([title, some]) => this.group(title, some, current));
    if (!made.length) made.push(el("p", { className: "quiet" }, "No conversation yet."));
    put(this.element, ...made);
  }

  group(title, threads, current) {
    const key = `group ${title}`;
    let box = this[key];
    if (!box) {
      const heading = el("h2", {}, title);
      box = this[key] = el("section", { className: "group", ariaLabel: title }, heading, el("ul"));
    }
    put(box.lastElementChild, ...threads.map((one) => this.row(one, current)));
    return box;
  }

  row(one, current) {
    let row = this.rows.get(one.threadId);
    if (!row) {
      const title = el("span", { className: "thread-title" });
      const about = el("span", { className: "thread-about" });
      const state = el("span", { className: "state" });
      const link = el("a", { href: `#${encodeURIComponent(one.threadId)}` }, title, el("span", { className: "thread-line" }, state, about));
      row = el("li", {}, link);
      Object.assign(row, { parts: { title, about, state, link } });
      this.rows.set(one.threadId, row);
    }
    const { title, about, state, link } = row.parts;
    text(title, one.title || one.threadId);
    text(about, `${one.agent} · ${ago(one.endedAt ?? one.startedAt)}`);
    text(state, statusText(one.status));
    state.dataset.state = statusKind(one.status);
    if (one.threadId === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    return row;
  }

  /** The conversation that is `step` places after another one in the list. */
  near(current, step) {
    const links = [...this.element.querySelectorAll("a")];
    const place = links.findIndex((one) => one.getAttribute("aria-current"));
    return links[place < 0 ? 0 : Math.min(links.length - 1, Math.max(0, place + step))];
  }

  get firstWaiting() {
    return this.threads.find((one) => WAITS.includes(one.status));
  }
}
