// The page: which conversation is open, the list beside it, and what the person does.

import { Announcer } from "./announce.js";
import * as api from "./api.js";
import { ChatView } from "./chat.js";
import { count, duration, el, put, text } from "./dom.js";
import { keyboard } from "./keys.js";
import { Session } from "./session.js";
import { statusText, ThreadList } from "./threads.js";
import { drawTimeline, turnFacts } from "./timeline.js";

const POLL = 2_000; // ms between two looks at the list
const $ = (id) => document.getElementById(id);
const WIDE = matchMedia("(min-width: 70rem)");

const announcer = new Announcer($("spoken"));
const list = new ThreadList($("threads"));
const view = new ChatView($("log"), answer);
let session = null;
let known = { temporalUi: null, namespace: "", dev: null, parts: [] };
let agents = [];
let turn = null; // number of the turn in the panel; null is the latest
let drawn = "";

// --- Which conversation is open: the page's address says it

const current = () => decodeURIComponent(location.hash.slice(1));

function route() {
  const id = current();
  session?.close();
  session = null;
  view.clear();
  view.pending(null);
  turn = null;
  drawn = "";
  text($("refused"), "");
  document.body.dataset.view = id ? "chat" : "list";
  const isNew = !id || id === "new";
  $("start").hidden = !isNew;
  document.body.classList.toggle("new", isNew);
  if (isNew) {
    text($("title"), "New conversation");
    text($("about"), "");
    for (const one of ["state", "temporal", "stop", "now"]) $(one).hidden = true;
    put($("timeline"));
    put($("facts"));
    showAgents();
    document.title = "Agents · console";
  } else session = new Session(id, show, (item) => announcer.heard(item));
  list.show(list.threads, id);
  compose();
}

function showAgents() {
  const chosen = document.querySelector("#agents input:checked")?.value ?? agents[0]?.name;
  const options = agents.map((agent) =>
    el(
      "label",
      { className: "choice" },
      el("input", { type: "radio", name: "agent", value: agent.name, checked: agent.name === chosen }),
      el("span", {}, el("strong", {}, agent.name), el("span", { className: "quiet" }, agent.description ?? "")),
    ),
  );
  if (!options.length) options.push(el("p", { className: "quiet" }, "No worker offers an agent yet. Start one."));
  $("agents").replaceChildren(el("legend", {}, "Agent"), ...options);
}

// --- The open conversation

function show(from) {
  const { chat } = from;
  if (from.error && !chat.items.length) {
    text($("refused"), from.error.message);
    return;
  }
  const status = state(from);
  if (chat.items.length) view.pending(null);
  view.show(chat);
  text($("title"), chat.title.split("\n")[0].slice(0, 120) || from.id);
  text($("about"), about(from));
  $("state").hidden = false;
  text($("state"), status.text);
  $("state").dataset.state = status.kind;
  document.title = `${status.kind === "waiting" ? "(?) " : ""}${chat.title.slice(0, 40) || from.id} · Agents`;
  const ui = known.temporalUi;
  $("temporal").hidden = !ui;
  if (ui) $("temporal").href = `${ui}/namespaces/${encodeURIComponent(known.namespace)}/workflows/${encodeURIComponent(from.id)}`;
  now(chat);
  panel(chat);
  compose();
}

function about({ agent, id, usage }) {
  const tokens = usage.total_tokens ? `${count(usage.total_tokens)} tokens` : "";
  return [agent, tokens, id].filter(Boolean).join(" · ");
}

function state({ chat, connected }) {
  if (chat.ended) return { text: chat.ended, kind: "ended" };
  if (!connected) return { text: "reconnecting…", kind: "lost" };
  if (chat.waitsFor) return { text: statusText(`waiting_for_${chat.waitsFor === "client" ? "client" : "people"}`), kind: "waiting" };
  return chat.running ? { text: "running", kind: "running" } : { text: "idle", kind: "idle" };
}

/** The line below the messages: what runs now, and for how long. */
function now(chat) {
  const step = chat.running ? chat.run.now : null;
  $("now").hidden = !chat.running;
  if (!chat.running) return;
  const words = { model: "The model answers", tool: `${step?.label} runs`, wait: "A person is asked" }[step?.kind] ?? "Working";
  const tries = step?.attempts > 1 ? `, attempt ${step.attempts}` : "";
  const time = step && Date.now() - step.start > 1_500 ? ` · ${duration(Date.now() - step.start)}` : "";
  text($("now"), `${words}${tries}${time}`);
}

function panel(chat) {
  const { turns } = chat.run;
  const number = turn ?? turns.length;
  const chosen = turns[number - 1];
  const key = `${number}|${chat.run.v}|${$("timeline").clientWidth}|${chosen && chosen.end === undefined ? Date.now() >> 9 : ""}`;
  $("earlier").disabled = number <= 1;
  $("later").disabled = number >= turns.length;
  text($("turn"), turns.length ? `Turn ${chosen.number}` : "Timeline");
  if (key === drawn || $("panel").hidden) return;
  drawn = key;
  const open = $("timeline").querySelector("details")?.open;
  drawTimeline($("timeline"), chosen, chosen?.number);
  const table = $("timeline").querySelector("details");
  if (table && open) table.open = true;
  put($("facts"), chosen && turnFacts(chosen));
}

function turnTo(step) {
  if (!session) return;
  const all = session.chat.run.turns.length;
  turn = Math.min(all, Math.max(1, (turn ?? all) + step));
  if (turn === all) turn = null;
  session.draw();
}

// --- What the person does

function compose() {
  const chat = session?.chat;
  const running = Boolean(chat?.running);
  const waits = Boolean(chat?.waitsFor);
  const over = Boolean(chat?.ended) || (session && session.isOpen === false);
  $("stop").hidden = !(running || waits) || over;
  $("form").classList.toggle("over", over);
  $("words").disabled = over;
  $("send").disabled = over || running || waits;
  const hint = over ? "This conversation has ended" : waits ? "Answer the question first" : "Message";
  $("words").placeholder = hint;
}

async function send() {
  const words = $("words").value.trim();
  if (!words || $("send").disabled) return;
  const agent = document.querySelector("#agents input:checked")?.value;
  if (!session && !agent) return text($("refused"), "Choose an agent.");
  const id = session?.id ?? `${agent}-${crypto.randomUUID().slice(0, 8)}`;
  text($("refused"), "");
  view.pending(words);
  $("words").value = "";
  $("send").disabled = true;
  try {
    if (session) await session.send(words);
    else {
      await api.run(agent, { threadId: id, messages: [{ id: crypto.randomUUID(), role: "user", content: words }] });
      location.hash = encodeURIComponent(id);
    }
    poll();
  } catch (error) {
    view.pending(null);
    if (!$("words").value) $("words").value = words;
    text($("refused"), error.message);
  }
  return compose();
}

async function answer(question, status, payload) {
  await session.answer(question, status, payload);
  announcer.say("Your answer was sent.");
  poll();
}

async function stop() {
  try {
    const { cancelled } = await session.stop();
    toast(cancelled ? "The turn was stopped." : "No turn runs.");
  } catch (error) {
    text($("refused"), error.message);
  }
}

async function kill() {
  try {
    const { killed } = await api.killWorker(known.dev.token);
    toast(killed ? `SIGKILL: worker process ${killed} is dead. Another one starts and goes on.` : "No worker runs now.");
  } catch (error) {
    toast(error.message);
  }
}

function toast(words) {
  text($("toast"), words);
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => text($("toast"), ""), 8_000);
}

function togglePanel(open = $("panel").hidden) {
  $("panel").hidden = !open;
  $("toggle").setAttribute("aria-expanded", String(open));
  drawn = "";
  session?.draw();
}

// --- The list, and what the server knows

async function poll() {
  clearTimeout(poll.timer);
  if (document.visibilityState === "visible") {
    try {
      list.show(await api.threads(), current());
    } catch (error) {
      if (!list.threads.length) put($("threads"), el("p", { className: "quiet" }, error.message));
    }
  }
  poll.timer = setTimeout(poll, POLL);
}

async function learn() {
  try {
    known = await api.settings();
    $("kill").hidden = !known.dev;
    text($("where"), `Namespace ${known.namespace}`);
    put($("parts"), ...known.parts.map(({ title, path }) => el("a", { href: path }, title)));
    $("parts").hidden = !known.parts.length;
    agents = await api.agents();
    if (!session) showAgents();
    else session.draw();
  } catch (error) {
    text($("refused"), session ? "" : error.message);
    setTimeout(learn, POLL);
  }
}

addEventListener("hashchange", route);
document.addEventListener("visibilitychange", poll);
new ResizeObserver(() => session?.draw()).observe($("timeline"));
$("form").onsubmit = (event) => {
  event.preventDefault();
  send();
};
$("words").onkeydown = (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
};
$("stop").onclick = stop;
$("kill").onclick = kill;
$("toggle").onclick = () => togglePanel();
$("earlier").onclick = () => turnTo(-1);
$("later").onclick = () => turnTo(1);
$("new").onclick = () => setTimeout(() => $("words").focus());
keyboard({ list, stop: () => !$("stop").hidden && stop(), panel: () => togglePanel() });
togglePanel(WIDE.matches);
route();
learn();
poll();
