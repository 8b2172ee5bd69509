// The requests of the page: its own server alone, which is `agent_app` below ../api/.

const API = new URL("../api/", import.meta.url);
const ROOT = new URL("../", import.meta.url);

// Codes of refusals: the message did not arrive. Any other code is the class of an error of the turn.
const REFUSALS = /^[A-Z_]+$|^Conversation|^Agent(Type|Value)Error$|^TurnLimit|^TokenBudget/;

/** The server refused a request, or does not answer. */
export class Refused extends Error {
  constructor(message, code = "UNREACHABLE") {
    super(message);
    this.code = code;
  }
}

async function answered(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, { cache: "no-store", ...options });
  } catch {
    throw new Refused("The console's server does not answer.");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Refused(told.message ?? `The server answered ${answer.status}.`, told.code);
}

const read = async (path) => (await answered(new URL(path, API))).json();
const at = (thread, rest = "") => `threads/${encodeURIComponent(thread)}${rest}`;

export const settings = async () => (await answered(new URL("settings", ROOT))).json();
export const agents = async () => (await read("agents")).agents;
export const threads = async () => (await read("threads?details=true")).threads;
export const thread = (id) => read(at(id));
export const attempts = async (id) => (await read(at(id, "/attempts"))).tools;
export const cancel = async (id) => (await answered(new URL(at(id, "/cancel"), API), { method: "POST" })).json();

export async function killWorker(token) {
  const headers = { "x-console-token": token };
  return (await answered(new URL("dev/kill-worker", ROOT), { method: "POST", headers })).json();
}

/** The events of a thread, from its oldest turn on. The browser comes back after a lost connection. */
export const events = (id) => new EventSource(new URL(at(id, "/events?details=true"), API));

/**
 * Sends a message or answers. Returns when they have arrived: the thread's own events tell what follows.
 * @throws {Refused} if the thread does not take them.
 */
export async function run(agent, input) {
  const isMessage = input.messages?.some((one) => one.role === "user");
  const body = JSON.stringify({ runId: crypto.randomUUID(), messages: [], ...input });
  const headers = { "content-type": "application/json" };
  const answer = await answered(new URL(`agents/${encodeURIComponent(agent)}`, API), { method: "POST", headers, body });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  let seen = 0;
  try {
    while (seen < 2) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
      const lines = text.split("\n");
      text = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data: ")) continue;
        const event = JSON.parse(line.slice(6));
        if (event.type === "RUN_ERROR" && seen < 2 && (!isMessage || REFUSALS.test(event.code ?? ""))) throw new Refused(event.message, event.code);
        seen += 1;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
