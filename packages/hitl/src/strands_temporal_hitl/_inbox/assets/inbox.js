// What the inbox does beyond its forms: it follows what happens, counts down, and takes keys. Without this script
// people decide as well. It makes no markup of texts: the server's page is parsed by the browser, and escaped there.

const POLL = 3_000; // ms between two looks
const SLOWEST = 30_000; // ms, while the server does not answer
const page = document.body.dataset.page;
const $ = (id) => document.getElementById(id);

for (const one of document.querySelectorAll(".needs-script")) one.classList.remove("needs-script");

// --- Times

const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

function left(seconds) {
  if (seconds <= 0) return "the deadline is over";
  const parts = [];
  for (const [name, size] of UNITS) {
    const number = Math.floor(seconds / size);
    if (number && parts.length < 2) parts.push(`${number} ${name}${number === 1 ? "" : "s"}`);
    else if (parts.length) break;
    seconds -= number * size;
  }
  return `${parts.join(" ") || "less than a second"} left`;
}

function times(root) {
  for (const one of root.querySelectorAll("time")) {
    if (one.title) continue;
    one.title = one.textContent;
    one.textContent = new Date(one.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
  count();
}

function count() {
  for (const one of document.querySelectorAll(".due")) {
    const seconds = (Date.parse(one.dataset.due) - Date.now()) / 1_000;
    if (Number.isNaN(seconds)) continue;
    one.title = one.title || one.textContent;
    one.textContent = left(seconds);
    one.dataset.near = String(seconds < 3_600);
  }
}

// --- What happens

function get(address, type) {
  return new Promise((then, fail) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = type;
    request.timeout = 20_000;
    request.onload = () => (request.status === 200 ? then(request) : fail(new Error(String(request.status))));
    request.onerror = request.ontimeout = () => fail(new Error("no answer"));
    request.send();
  });
}

async function refreshList() {
  const { response } = await get(location.href, "document");
  const fresh = response?.getElementById("live");
  const shown = $("live");
  if (!fresh || fresh.textContent === shown.dataset.text) return;
  const focused = document.activeElement?.closest?.(".row-link")?.getAttribute("href");
  const next = document.importNode(fresh, true);
  next.dataset.text = fresh.textContent;
  const total = shown.querySelector("#total")?.textContent;
  shown.replaceWith(next);
  times(next);
  document.title = response.title;
  if (focused) links().find((one) => one.getAttribute("href") === focused)?.focus();
  const now = next.querySelector("#total").textContent;
  if (now !== total) $("spoken").textContent = now;
}

async function refreshQuestion() {
  const { response } = await get(`version${location.search}`, "text");
  if (response !== document.body.dataset.version && /^[0-9a-f]{16}$/.test(response)) $("changed").hidden = false;
}

async function follow(look) {
  let pause = POLL;
  for (;;) {
    await new Promise((then) => setTimeout(then, pause));
    if (document.hidden) continue;
    try {
      await look();
      pause = POLL;
    } catch {
      pause = Math.min(2 * pause, SLOWEST);
    }
    document.body.dataset.looked = String(Number(document.body.dataset.looked ?? 0) + 1);
  }
}

// --- Keys

const links = () => [...document.querySelectorAll(".row-link")];

function move(step) {
  const all = links();
  const at = all.indexOf(document.activeElement);
  all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))]?.focus();
}

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  a: () => $("approve")?.focus(),
  r: () => $("reason")?.focus(),
  e: () => $("edit")?.click(),
  u: () => $("back")?.click(),
  "?": () => $("shortcuts").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || $("shortcuts")?.open) return;
  if (event.target.closest("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if ($("single") && !$("single").checked) return;
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

const single = $("single");
single.checked = localStorage.getItem("inbox-single") !== "off";
single.onchange = () => localStorage.setItem("inbox-single", single.checked ? "on" : "off");
$("help").onclick = () => $("shortcuts").showModal();
$("filter")?.addEventListener("change", () => $("filter").submit());

// A second click sends nothing: the first one is on its way.
for (const form of document.querySelectorAll('form[method="post"]')) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "true";
  });
}
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

times(document);
setInterval(count, 1_000);
if (page === "list") follow(refreshList);
if (page === "question") follow(refreshQuestion);
