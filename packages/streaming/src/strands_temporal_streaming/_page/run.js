// The steps of a conversation's turns, with their times: what the timeline draws.

const ms = (time) => (time ? Date.parse(time) : undefined);

/** The turns of a conversation. */
export class Run {
  constructor() {
    this.turns = []; // {number, start, end, steps, usage, outcome}
    this.v = 0;
  }

  take(name, value, told) {
    const handler = this[`_${name}`];
    const at = told ?? ms(value.time || value.started_at);
    if (!handler || at === undefined) return;
    handler.call(this, value, at);
    this.v += 1;
  }

  get latest() {
    return this.turns.at(-1);
  }

  /** The step that runs now, the innermost one. */
  get now() {
    return this.latest?.steps.findLast((one) => one.end === undefined && one.kind !== "agent");
  }

  toolEnded(id, at, status) {
    const step = this._find(`tool:${id}`);
    if (step && at !== undefined) Object.assign(step, { end: at, failed: status !== "success" });
    this.v += 1;
  }

  toolTried(id, told) {
    const step = this._find(`tool:${id}`);
    const key = `${told.attempts}|${told.startedAt}`;
    if (!step || step.tried === key) return;
    Object.assign(step, { tried: key, attempts: told.attempts });
    const at = told.attempts > 1 ? ms(told.startedAt) : undefined;
    if (at !== undefined) step.marks = [{ at, text: `attempt ${told.attempts}` }];
    this.v += 1;
  }

  _turn(value, at) {
    let turn = this.turns.find((one) => one.number === value.turn);
    if (!turn) {
      turn = { number: value.turn, start: at, steps: [], usage: { input: 0, output: 0 }, model: 0 };
      this.turns.push(turn);
    }
    turn.last = at;
    return turn;
  }

  _find(id) {
    for (let n = this.turns.length - 1; n >= 0; n--) {
      const found = this.turns[n].steps.findLast((one) => one.id === id);
      if (found) return found;
    }
    return undefined;
  }

  _begin(value, at, kind, id, label) {
    const turn = this._turn(value, at);
    const open = turn.steps.findLast((one) => one.id === id);
    if (open && open.end === undefined) return open;
    const depth = (value.path ?? []).length;
    const step = { id, kind, label, start: at, marks: [], depth, attempts: 1 };
    turn.steps.push(step);
    return step;
  }

  _end(value, at, id, changes = {}) {
    const step = this._find(id);
    if (step && step.end === undefined) Object.assign(step, { end: at }, changes);
    this._turn(value, at);
    return step;
  }

  _TurnStarted(value, at) {
    this._turn(value, at);
  }

  _TurnEnd(value, at) {
    const turn = this._turn(value, at);
    if (value.path?.length || value.stop_reason === "interrupt") return;
    Object.assign(turn, { end: at, outcome: value.error ? "failed" : (value.stop_reason ?? "ended") });
  }

  _RequestEnded(value, at) {
    const turn = this._turn(value, at);
    if (value.stop_reason === "interrupt") return;
    turn.end ??= at;
    turn.outcome = value.error_type ? "failed" : value.stop_reason;
    for (const step of turn.steps) step.end ??= at;
  }

  _End(value, at) {
    const turn = this.latest;
    if (!turn) return;
    turn.end ??= at;
    for (const step of turn.steps) step.end ??= at;
  }

  _ModelCallStarted(value, at) {
    const step = this._begin(value, at, "model", `model:${value.call}`, value.model ?? "model");
    step.agent = value.agent;
  }

  _ModelCallEnded(value, at) {
    const { inputTokens = 0, outputTokens = 0 } = value.usage ?? {};
    const usage = { input: inputTokens, output: outputTokens };
    const step = this._end(value, at, `model:${value.call}`, { usage });
    const turn = this._turn(value, at);
    if (!step) return;
    turn.usage.input += inputTokens;
    turn.usage.output += outputTokens;
  }

  _ModelCallFailed(value, at) {
    this._end(value, at, `model:${value.call}`, { failed: true, error: value.message });
  }

  _AttemptFailed(value, at) {
    const step = this._find(`model:${value.call}`);
    step?.marks.push({ at, text: `attempt ${value.attempt} failed: ${value.error}` });
  }

  _AttemptRestarted(value, at) {
    const step = this._find(`model:${value.call}`);
    if (!step) return;
    step.attempts = Math.max(step.attempts, value.attempt);
    step.marks.push({ at, text: `attempt ${value.attempt}` });
  }

  _ToolStarted(value, at) {
    this._begin(value, at, "tool", `tool:${value.toolCallId ?? value.tool_use_id}`, value.name);
  }

  _QuestionAsked(value, at) {
    this._begin(value, at, "wait", `wait:${value.id}`, "asks a person");
  }

  _QuestionDecided(value, at) {
    this._end(value, at, `wait:${value.id}`, { note: [value.outcome, value.by].filter(Boolean).join(" by ") });
  }

  _AgentStarted(value, at) {
    if (value.tool_use_id) return; // the tool's own step shows it
    this._begin(value, at, "agent", `agent:${value.path.join("/")}`, value.agent);
  }

  _AgentEnded(value, at) {
    this._end(value, at, `agent:${value.path.join("/")}`, { failed: Boolean(value.error) });
  }

  _NodeStarted(value, at) {
    this._begin(value, at, "agent", `node:${value.path.join("/")}:${value.node}`, value.node);
  }

  _NodeEnded(value, at) {
    this._end(value, at, `node:${value.path.join("/")}:${value.node}`, { failed: Boolean(value.error) });
  }

  _HandedOver(value, at) {
    const turn = this.latest ?? this._turn(value, at);
    turn.steps.push({ id: `over:${at}`, kind: "over", label: "new run", start: at, end: at, marks: [], depth: 0 });
  }
}
