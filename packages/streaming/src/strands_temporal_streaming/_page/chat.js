// The log of a conversation: messages, tool calls, notes and questions, in their order.

import { el, put, text } from "./dom.js";
import { showMarkdown } from "./markdown.js";
import { questionCard } from "./question.js";
import { toolCard } from "./tool.js";

const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** Shows a chat in an element. Elements stay as long as their items do. */
export class ChatView {
  constructor(log, answer) {
    this.log = log;
    this.answer = answer;
    this.clear();
  }

  clear() {
    this.shown = new Map(); // elements by the items' ids
    this.cards = new Map(); // of questions
    this.log.replaceChildren();
  }

  show(chat) {
    const atEnd = this.isAtEnd();
    const rows = chat.items.map((item) => this.row(chat, item));
    const keep = new Set(chat.items.map((item) => item.id));
    for (const id of this.shown.keys()) if (!keep.has(id)) this.shown.delete(id);
    rows.forEach((one, n) => one.classList.toggle("same", n > 0 && chat.items[n].sub === chat.items[n - 1].sub));
    put(this.log, ...rows, ...this.questions(chat), this.pendingRow);
    if (atEnd) this.toEnd();
  }

  /** Shows a message that is on its way, until the conversation has it. */
  pending(words) {
    this.pendingRow?.remove();
    this.pendingRow = words === null ? null : el("li", { className: "row user pending" }, bubble(words));
    if (this.pendingRow) {
      this.pendingRow.append(el("p", { className: "quiet" }, "Sending…"));
      this.log.append(this.pendingRow);
      this.toEnd();
    }
  }

  isAtEnd() {
    const box = this.log.parentElement;
    return box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  }

  toEnd() {
    const box = this.log.parentElement;
    box.scrollTop = box.scrollHeight;
  }

  row(chat, item) {
    let row = this.shown.get(item.id);
    if (!row) {
      row = el("li", { className: `row ${item.kind}` });
      row.show = MAKERS[item.kind](row, chat);
      this.shown.set(item.id, row);
    }
    const waits = item.kind === "tool" && chat.questions.some((one) => one.id === item.id || one.id.includes(item.id));
    const version = `${item.v}|${waits}`;
    if (row.version !== version) {
      row.version = version;
      row.show(item, waits);
    }
    return row;
  }

  questions(chat) {
    const open = new Set(chat.questions.map((one) => one.id));
    for (const id of this.cards.keys()) if (!open.has(id)) this.cards.delete(id);
    return chat.questions.map((question) => {
      let row = this.cards.get(question.id);
      if (!row) {
        const card = questionCard(question, (status, payload) => this.answer(question, status, payload));
        row = el("li", { className: "row ask" }, card);
        this.cards.set(question.id, row);
      }
      return row;
    });
  }
}

const bubble = (words) => el("p", { className: "bubble" }, words);

function who(row, chat, item) {
  const agent = item.sub && chat.subagents.get(item.sub);
  if (!agent) return null;
  row.classList.add("sub");
  return el("p", { className: "who" }, `Sub-agent ${agent.name}`);
}

const MAKERS = {
  user: (row) => (item) => {
    row.replaceChildren(el("h3", { className: "sr-only" }, "You"), bubble(item.text), ...(item.images ?? []).map(attached));
  },
  text: (row, chat) => {
    const body = el("div", { className: "markdown" });
    return (item) => {
      if (!row.firstChild) put(row, el("h3", { className: "sr-only" }, "Agent"), who(row, chat, item), body);
      showMarkdown(body, item.text);
      row.classList.toggle("open", Boolean(item.open));
      row.hidden = !item.text.trim();
    };
  },
  reasoning: (row, chat) => {
    const body = el("div", { className: "markdown" });
    const label = el("summary");
    return (item) => {
      if (!row.firstChild) put(row, who(row, chat, item), el("details", { className: "thought" }, label, body));
      text(label, item.open ? "Thinking…" : "Reasoning");
      showMarkdown(body, item.text);
    };
  },
  tool: (row, chat) => {
    const card = toolCard();
    return (item, waits) => {
      if (!row.firstChild) put(row, who(row, chat, item), card);
      card.update(item, waits);
    };
  },
  note: (row) => (item) => {
    row.classList.add(item.tone);
    const label = item.tone === "error" ? `Failed${item.code ? ` (${item.code})` : ""}: ` : "";
    row.replaceChildren(el("p", {}, el("strong", {}, label), item.text));
  },
};

function attached(part) {
  const source = part.source ?? {};
  if (part.type === "image" && source.type === "data" && PICTURES.includes(source.mimeType)) {
    return el("img", { src: `data:${source.mimeType};base64,${source.value}`, alt: "Picture of the message" });
  }
  return el("p", { className: "quiet" }, `[${part.type}]`);
}
