// One open conversation: its events, kept as they come, and shown at most once a frame.

import * as api from "./api.js";
import { Chat } from "./model.js";

const AGAIN = 1_500; // ms before another try, after the server was away
const LOOK = 2_000; // ms between two looks at the attempts of running tools
const QUIET = 1_000; // ms of silence after which what comes is live, if the server has not said so

/** Reads a conversation's events until `close`. */
export class Session {
  /**
   * @param id the conversation
   * @param changed called after changes, once a frame, with the chat
   * @param spoken called with the messages of which there is more, while it is live
   */
  constructor(id, changed, spoken) {
    this.id = id;
    this.changed = changed;
    this.spoken = spoken;
    this.chat = new Chat(id);
    this.connected = false;
    this.agent = null;
    this.usage = {};
    this.closed = false;
    this.looking = setInterval(() => this.look(), LOOK);
    this.ready = this.open();
  }

  close() {
    this.closed = true;
    this.source?.close();
    clearInterval(this.looking);
    clearTimeout(this.again);
    clearTimeout(this.quiet);
  }

  async open() {
    if (this.closed) return;
    try {
      await this.describe();
    } catch (error) {
      this.error = error;
      if (error.code !== "NOT_FOUND") this.later();
      return this.draw();
    }
    // A new chat takes all events again. It is shown when it has caught up, so nothing blinks.
    const chat = new Chat(this.id);
    chat.said = (item) => this.spoken(item);
    this.source?.close();
    const source = (this.source = api.events(this.id));
    const live = () => {
      clearTimeout(this.quiet);
      chat.live = true;
      if (this.chat === chat) return;
      this.chat = chat;
      this.error = null;
      this.tried();
    };
    source.onopen = () => {
      this.connected = true;
      this.draw();
    };
    source.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      chat.take(event);
      if (chat.live) live();
      else this.wait(live);
      if (event.type === "RUN_FINISHED" || event.type === "RUN_ERROR") this.settled(chat);
      if (chat.ended) this.finish(source, live);
      this.draw();
    };
    source.onerror = () => this.lost(source, chat, live);
    this.wait(live);
    return undefined;
  }

  wait(live) {
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => {
      live();
      this.draw();
    }, QUIET);
  }

  finish(source, live) {
    live();
    source.close();
    this.connected = true;
  }

  /** The connection is lost. The browser tries again by itself, unless the server refused. */
  async lost(source, chat, live) {
    if (source !== this.source || chat.ended) return;
    this.connected = false;
    this.draw();
    if (this.isOpen) await this.describe().catch(() => {});
    if (source !== this.source) return;
    if (this.isOpen === false) {
      chat.ended ??= this.status;
      this.finish(source, live);
      this.draw();
    } else if (source.readyState === EventSource.CLOSED) this.later();
  }

  later() {
    clearTimeout(this.again);
    this.again = setTimeout(() => this.open(), AGAIN);
  }

  async describe() {
    const told = await api.thread(this.id);
    const { agent, usage = {}, isOpen, status } = told;
    Object.assign(this, { agent, usage, isOpen, status });
  }

  settled(chat) {
    if (!chat.live) return;
    this.describe().then(() => this.draw(), () => {});
    this.tried();
  }

  /** Looks at the attempts while a tool runs. */
  look() {
    const runs = [...this.chat.calls.values()].some((call) => call.state === "running");
    if (runs) this.tried();
    if (this.chat.running) this.draw();
  }

  tried() {
    if (![...this.chat.calls.values()].length) return;
    api.attempts(this.id).then(
      (tools) => {
        this.chat.tried(tools);
        this.draw();
      },
      () => {},
    );
  }

  draw() {
    if (this.drawing || this.closed) return;
    this.drawing = true;
    const frame = document.visibilityState === "visible" ? requestAnimationFrame : (then) => setTimeout(then, 250);
    frame(() => {
      this.drawing = false;
      if (!this.closed) this.changed(this);
    });
  }

  // --- What the person does

  async send(words) {
    await this.ready; // the agent's name may not be known yet
    if (!this.agent) throw this.error ?? new Error("The console's server does not answer.");
    const messages = [{ id: crypto.randomUUID(), role: "user", content: words }];
    return api.run(this.agent, { threadId: this.id, messages });
  }

  /** Sends a decision, or the result of a front end's tool. */
  answer(question, status, payload) {
    if (question.client) {
      const content = typeof payload === "string" ? payload : JSON.stringify(payload);
      const message = { id: crypto.randomUUID(), role: "tool", toolCallId: question.id, content };
      return api.run(this.agent, { threadId: this.id, messages: [message] });
    }
    return api.run(this.agent, { threadId: this.id, resume: [{ interruptId: question.id, status, payload }] });
  }

  stop() {
    return api.cancel(this.id);
  }
}
