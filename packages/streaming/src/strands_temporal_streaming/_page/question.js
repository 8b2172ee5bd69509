// The card of a question: its part of the server says which decisions there are, and each has its control here.

import { el } from "./dom.js";
import { valueTree } from "./tool.js";

let number = 0;

/**
 * The card of a question.
 * @param answer called with what the person decided: the `resume` entry's status and payload.
 */
export function questionCard(question, answer) {
  const id = `question-${++number}`;
  const title = question.client ? "The agent waits for a result" : "The agent asks you";
  const card = el("section", { className: "question", id, ariaLabel: title });
  const error = el("p", { className: "refused", role: "alert" });
  card.append(el("h3", {}, title), el("p", { className: "asked" }, ...asked(question)));
  if (question.arguments !== undefined) card.append(valueTree(question.arguments));
  else if (question.reason !== undefined && question.reason !== question.text) card.append(valueTree(question.reason));
  if (question.deadline) {
    const until = new Date(question.deadline).toLocaleString();
    card.append(el("p", { className: "quiet" }, `Without an answer it is rejected at ${until}.`));
  }
  const send = async (status, payload) => {
    for (const one of card.querySelectorAll("button, textarea")) one.disabled = true;
    error.textContent = "";
    try {
      await answer(status, payload);
      card.dataset.sent = "true";
    } catch (refused) {
      error.textContent = refused.message;
      for (const one of card.querySelectorAll("button, textarea")) one.disabled = false;
    }
  };
  const can = new Set(question.decisions);
  const controls = el("div", { className: "decisions" });
  const panel = el("div", { className: "decision-panel" });
  const choices = [];
  const choose = (label, className, make) => {
    const button = el("button", { type: "button", className, ariaExpanded: "false" }, label);
    button.setAttribute("aria-controls", `${id}-panel`);
    button.onclick = () => {
      const open = button.getAttribute("aria-expanded") !== "true";
      for (const one of choices) one.setAttribute("aria-expanded", String(one === button && open));
      panel.replaceChildren(...(open ? [make()] : []));
      panel.querySelector("textarea")?.focus();
    };
    choices.push(button);
    controls.append(button);
  };
  panel.id = `${id}-panel`;
  if (can.has("approve")) {
    const approve = el("button", { type: "button", className: "primary" }, "Approve");
    approve.onclick = () => send("resolved", { approved: true });
    controls.append(approve);
  }
  if (can.has("respond")) {
    choose("Answer", can.has("approve") ? "" : "primary", () =>
      form(id, "Your answer", "Text, or JSON", "", "Send the answer", (text) => send("resolved", jsonOr(text))),
    );
  }
  if (can.has("edit")) {
    const given = JSON.stringify(question.arguments ?? {}, null, 2);
    choose("Edit the arguments", "", () =>
      form(id, "Arguments for the call", "JSON", given, "Approve with these", (text) => {
        const edited = parsed(text);
        if (edited === undefined) throw new Error("This is no JSON object.");
        return send("resolved", { approved: true, arguments: edited });
      }),
    );
  }
  if (can.has("reject")) {
    choose("Reject", "danger", () =>
      form(id, "Why? The agent reads it", "Not needed", "", "Reject the call", (text) =>
        send("resolved", { approved: false, ...(text.trim() ? { reason: text.trim() } : {}) }),
      ),
    );
  }
  card.append(controls, panel, error);
  return card;
}

/** What is asked. Strands' own text repeats the arguments, which stand below it. */
function asked(question) {
  const words = question.text.replace(/\s+/g, " ");
  const repeats = words.startsWith(`Approve "${question.tool}"? Input:`) && question.arguments !== undefined;
  if (question.text && !repeats) return [question.text];
  return question.tool ? ["May the agent run ", el("code", {}, question.tool), "?"] : [question.name];
}

function form(id, label, placeholder, value, button, submit) {
  const field = el("textarea", { id: `${id}-text`, rows: Math.min(10, value.split("\n").length + 1), placeholder, value });
  const wrong = el("p", { className: "refused", role: "alert" });
  const made = el(
    "form",
    { className: "decision-form" },
    el("label", { htmlFor: field.id }, label),
    field,
    wrong,
    el("button", { type: "submit" }, button),
  );
  made.onsubmit = (event) => {
    event.preventDefault();
    wrong.textContent = "";
    try {
      submit(field.value);
    } catch (error) {
      wrong.textContent = error.message;
    }
  };
  return made;
}

function jsonOr(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function parsed(text) {
  const value = jsonOr(text);
  return value && typeof value === "object" && !Array.isArray(value) ? value : undefined;
}
