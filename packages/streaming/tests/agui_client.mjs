// Drives an app with the official client of AG-UI, and prints what it has in the end as JSON.
//     node agui_client.mjs <folder of node_modules> <url of the app> <scenario>
import { createRequire } from "node:module";

const [modules, url, scenario] = process.argv.slice(2);
const { HttpAgent, buildResumeArray } = createRequire(`${modules}/`)("@ag-ui/client");
const threadId = `thread-${Math.random()}`;
const agentOf = (name, more = {}) => new HttpAgent({ url: `${url}/agents/${name}`, threadId, ...more });
const say = (agent, content) => agent.addMessage({ id: `u-${Math.random()}`, role: "user", content });

// Reads a thread's events with fetch, after the event with the id `last`, until `until` is true.
async function follow(last, until) {
  const events = [];
  const headers = last ? { "last-event-id": last } : {};
  const answer = await fetch(`${url}/threads/${threadId}/events`, { headers });
  let text = "";
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const lines = text.slice(0, end).split("\n");
      const value = (name) => lines.find((line) => line.startsWith(name))?.slice(name.length);
      if (!value("data: ")) continue;
      events.push({ id: value("id: "), ...JSON.parse(value("data: ")) });
      if (until(events.at(-1))) return events;
    }
  }
  return events;
}

const scenarios = {
  async chat() {
    const agent = agentOf("plain");
    const types = [];
    for (const words of ["think so", 'tool look_up {"word": "tea"}', 'tool note {"key": "seen"}']) {
      say(agent, words);
      await agent.runAgent({}, { onEvent: ({ event }) => void types.push(event.type) });
    }
    return { messages: agent.messages, state: agent.state, types };
  },
  async questions() {
    const agent = agentOf("keeper");
    say(agent, 'tool look_up {"word": "tea"}');
    await agent.runAgent();
    const asked = agent.pendingInterrupts;
    const answers = { [asked[0].id]: { status: "resolved", payload: { approved: true } } };
    await agent.runAgent({ resume: buildResumeArray(asked, answers) });
    return { asked, pending: agent.pendingInterrupts, messages: agent.messages };
  },
  async frontend() {
    const agent = agentOf("painter");
    const tools = [{ name: "set_title", description: "Set the title", parameters: { type: "object" } }];
    let open = [];
    const watch = { onRunFinishedEvent: ({ pendingToolCallIds }) => void (open = pendingToolCallIds) };
    say(agent, 'tool set_title {"title": "x"}');
    await agent.runAgent({ tools }, watch);
    const [toolCallId] = open;
    agent.addMessage({ id: "result", role: "tool", toolCallId, content: "it is x" });
    await agent.runAgent({ tools }, watch);
    return { toolCallId, open, messages: agent.messages };
  },
  async reconnect() {
    // The connection is lost in mid-answer, twice; the run goes on without it.
    const agent = agentOf("plain");
    say(agent, "hello");
    const aborting = agent.runAgent({ runId: "r1" }, { onRunStartedEvent: () => void agent.abortRun() });
    await aborting.catch(() => {});
    const first = await follow(undefined, (event) => event.type === "TEXT_MESSAGE_START");
    const rest = await follow(first.at(-1).id, (event) => event.type === "RUN_FINISHED");
    // Another tab with the official client, by the same request.
    const other = agentOf("plain", { initialMessages: agent.messages.filter((one) => one.role === "user") });
    await other.runAgent({ runId: "r1" });
    return { events: [...first, ...rest], messages: other.messages };
  },
  async refused() {
    const agent = agentOf("plain");
    say(agent, "hello");
    const tools = [{ name: "unknown", description: "" }];
    return { error: await agent.runAgent({ tools }).then(() => "", String) };
  },
};
console.log(JSON.stringify(await scenarios[scenario]()));
