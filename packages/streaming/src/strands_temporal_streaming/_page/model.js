// What the events of one conversation say, without a page. The server's events are AG-UI's, with details.

import { Run } from "./run.js";

const CUSTOM = "strands_temporal.";

/** One conversation, as far as its events have come. */
export class Chat {
  constructor(id) {
    this.id = id;
    this.items = []; // in the order of the page: messages, tool calls and notes
    this.calls = new Map(); // tool calls, by id
    this.subagents = new Map(); // by id of their run
    this.questions = []; // that wait for an answer
    this.run = new Run(); // the steps, for the timeline
    this.running = false;
    this.ended = null; // Temporal's status, when the conversation has ended
    this.live = false; // whether what comes now happens now
    this.said = () => {}; // called with each piece of the agent's text while it is live
  }

  /** Takes one event. */
  take(event) {
    const handler = this[`_${event.type}`];
    if (handler) handler.call(this, event);
  }

  get title() {
    return this.items.find((one) => one.kind === "user")?.text ?? "";
  }

  get waitsFor() {
    return this.questions.length ? (this.questions.every((one) => one.client) ? "client" : "person") : null;
  }

  // --- Runs

  _RUN_STARTED(event) {
    this.running = true;
    this.questions = [];
    this.runId = event.runId;
  }

  _RUN_FINISHED(event) {
    this.running = false;
    const { type, interrupts, pendingToolCallIds } = event.outcome ?? {};
    if (type === "interrupt") this.questions = (interrupts ?? []).map((one) => this._question(one));
    if (pendingToolCallIds?.length) this.questions = pendingToolCallIds.map((id) => this._clientCall(id));
    if (type === "cancelled") this._note("stopped", "Stopped.", `${event.runId}:stopped`);
    for (const call of this.calls.values()) if (call.state === "asked" && type !== "interrupt") this._touch(call);
  }

  _RUN_ERROR(event) {
    this.running = false;
    this.questions = [];
    this._note("error", event.message, `${this.runId}:error`, event.code);
  }

  _question(asked) {
    const told = asked.metadata?.strands_temporal ?? {};
    const call = this.calls.get(asked.toolCallId);
    // The server's part for people's answers says what a person may do. A question about a call wants a yes or a
    // no, or a yes with other arguments; any other question wants an answer.
    const isAboutCall = Boolean(asked.responseSchema);
    const allowed = told.allowed_decisions ?? ["approve", "reject", "respond"];
    const decisions = allowed.filter((one) => one !== (isAboutCall ? "respond" : "approve"));
    return {
      id: asked.id,
      text: asked.message ?? "",
      reason: asked.metadata?.reason,
      name: asked.reason,
      tool: told.tool ?? call?.name,
      arguments: told.arguments ?? call?.value,
      decisions: decisions.length ? decisions : allowed,
      deadline: asked.expiresAt,
    };
  }

  _clientCall(id) {
    const call = this.calls.get(id);
    const text = `The agent waits for the result of ${call?.name ?? "a tool"}, which a front end runs.`;
    return { id, text, client: true, tool: call?.name, arguments: call?.value, decisions: ["respond"] };
  }

  // --- Messages

  _MESSAGES_SNAPSHOT(event) {
    const before = new Map(this.items.map((one) => [one.id, one]));
    const notes = this.items.filter((one) => one.kind === "note" || one.kind === "error");
    this.items = [];
    for (const message of event.messages) this._message(message, before);
    for (const note of notes) {
      const place = this.items.findIndex((one) => one.id === note.after);
      this.items.splice(place < 0 ? this.items.length : place + 1, 0, note);
    }
  }

  _message(message, before) {
    const { id, role, content, subagentRunId: sub } = message;
    if (role === "tool") return this._result(message.toolCallId, content, message.error ? "error" : "success", {});
    const kind = { user: "user", assistant: "text", reasoning: "reasoning" }[role];
    if (!kind) return undefined;
    const parts = Array.isArray(content) ? content : [{ type: "text", text: content ?? "" }];
    const text = parts.map((part) => part.text ?? "").join("\n");
    const images = parts.filter((part) => part.type !== "text");
    const old = before.get(id) ?? this.items.find((one) => one.id === id);
    const item = old ?? { id, kind, v: 0, sub };
    if (item.text !== text) Object.assign(item, { text, v: item.v + 1 });
    item.images = images;
    if (!this.items.includes(item)) this.items.push(item);
    for (const call of message.toolCalls ?? []) {
      const known = this._call(call.id, call.function.name, sub);
      if (!known.args) this._argued(known, call.function.arguments);
    }
    return item;
  }

  _TEXT_MESSAGE_START(event) {
    this._open(event, "text");
  }

  _REASONING_MESSAGE_START(event) {
    this._open(event, "reasoning");
  }

  _open(event, kind) {
    const known = this.items.find((one) => one.id === event.messageId);
    const item = known ?? { id: event.messageId, kind, v: 0, text: "", sub: event.subagentRunId };
    Object.assign(item, { open: true, v: item.v + 1 });
    if (!known) this.items.push(item);
  }

  _TEXT_MESSAGE_CONTENT(event) {
    const item = this._more(event);
    if (item && this.live && !item.sub) this.said(item);
  }

  _REASONING_MESSAGE_CONTENT(event) {
    this._more(event);
  }

  _more(event) {
    const item = this.items.findLast((one) => one.id === event.messageId);
    if (item) Object.assign(item, { text: item.text + event.delta, v: item.v + 1 });
    return item;
  }

  _TEXT_MESSAGE_END(event) {
    const item = this.items.findLast((one) => one.id === event.messageId);
    if (!item) return;
    Object.assign(item, { open: false, v: item.v + 1 });
    if (this.live && !item.sub) this.said(item);
  }

  _REASONING_MESSAGE_END(event) {
    this._TEXT_MESSAGE_END(event);
  }

  // --- Tool calls

  _call(id, name, sub) {
    let call = this.calls.get(id);
    if (!call) this.calls.set(id, (call = { id, kind: "tool", name, v: 0, args: "", state: "asked", sub }));
    if (!this.items.includes(call)) this.items.push(call);
    return call;
  }

  _touch(call, changes = {}) {
    Object.assign(call, changes, { v: call.v + 1 });
  }

  _argued(call, args) {
    let value;
    try {
      value = JSON.parse(args);
    } catch {
      value = undefined; // still being written, or no JSON
    }
    this._touch(call, { args, value });
  }

  _TOOL_CALL_START(event) {
    this._touch(this._call(event.toolCallId, event.toolCallName, event.subagentRunId), { args: "", writing: true });
  }

  _TOOL_CALL_ARGS(event) {
    const call = this.calls.get(event.toolCallId);
    if (call) this._touch(call, { args: call.args + event.delta });
  }

  _TOOL_CALL_END(event) {
    const call = this.calls.get(event.toolCallId);
    if (!call) return;
    call.writing = false;
    this._argued(call, call.args);
  }

  _TOOL_CALL_RESULT(event) {
    const about = event.metadata?.strands_temporal ?? {};
    this._result(event.toolCallId, event.content, about.status ?? "success", { ...about, endedAt: event.timestamp });
    this.run.toolEnded(event.toolCallId, event.timestamp, about.status ?? "success");
  }

  _result(id, content, status, about) {
    const call = this.calls.get(id);
    if (!call || (call.result !== undefined && !about.endedAt)) return;
    this._touch(call, { ...about, result: content, state: status === "success" ? "done" : "failed" });
  }

  /** Adds what Temporal's history says of the calls. */
  tried(tools) {
    for (const [id, told] of Object.entries(tools)) {
      const call = this.calls.get(id);
      if (call && JSON.stringify(call.tries) !== JSON.stringify(told)) this._touch(call, { tries: told });
      if (call) this.run.toolTried(id, told);
    }
  }

  // --- Sub-agents

  _SUBAGENT_STARTED(event) {
    this.subagents.set(event.subagentRunId, { name: event.name, state: "running" });
  }

  _SUBAGENT_FINISHED(event) {
    this._subagentEnded(event.subagentRunId, "done");
  }

  _SUBAGENT_ERROR(event) {
    this._subagentEnded(event.subagentRunId, "failed", event.message);
  }

  _subagentEnded(id, state, error) {
    const agent = this.subagents.get(id);
    if (agent) Object.assign(agent, { state, error });
    if (error) this._note("error", error, `${id}:error`, agent?.name);
  }

  // --- What AG-UI has no event for

  _CUSTOM(event) {
    if (!event.name.startsWith(CUSTOM)) return;
    const name = event.name.slice(CUSTOM.length);
    const value = event.value;
    if (name === "Live") this.live = true;
    if (name === "Messages") for (const message of value.messages) this._message(message, new Map());
    if (name === "End") this._ended(value.status);
    if (name === "ToolStarted" && value.toolCallId) this._started(value, event.timestamp);
    if (name === "QuestionDecided") this._decided(value);
    if (name === "AttemptFailed") this._retried(value, `Attempt ${value.attempt} failed (${value.error}).`);
    if (name === "AttemptRestarted") this._retried(value, `The model call is tried again: attempt ${value.attempt}.`);
    if (name === "ToolProgress") this._progress(value);
    if (name === "OutputLost") this._note("note", "A part of the answer did not come here. The agent has all of it.");
    this.run.take(name, value, event.timestamp);
  }

  _started(value, at) {
    const call = this.calls.get(value.toolCallId);
    if (call && call.result === undefined) this._touch(call, { state: "running", startedAt: at });
  }

  _progress(value) {
    const call = this.calls.get(value.toolCallId);
    if (call) this._touch(call, { progress: value.data });
  }

  _decided(value) {
    this.questions = this.questions.filter((one) => one.id.split("#")[0] !== value.id.split("#")[0]);
    const what = value.outcome || "answered";
    const by = value.by ? ` by ${value.by}` : "";
    this._note("decision", `${what[0].toUpperCase()}${what.slice(1)}${by}`, `decided:${value.id}`);
  }

  _retried(value, text) {
    const id = `tries:${value.call}`;
    const known = this.items.find((one) => one.id === id);
    if (known) this._touch(known, { text });
    else this._note("note", text, id);
  }

  _ended(status) {
    this.ended = (status || "ended").toLowerCase();
    this.running = false;
    this.questions = [];
  }

  _note(tone, text, id = `note-${this.items.length}`, code = "") {
    if (this.items.some((one) => one.id === id)) return;
    this.items.push({ id, kind: "note", tone, text, code, v: 0, after: this.items.at(-1)?.id });
  }
}
