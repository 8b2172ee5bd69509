// The keyboard: single keys, where no text is being written. The dialog lists them and turns them off.

const $ = (id) => document.getElementById(id);
const OFF = "console-single-keys-off"; // a choice of this browser; conversations are never kept here

export function keyboard({ list, stop, panel }) {
  const single = $("single");
  single.checked = localStorage.getItem(OFF) === null;
  single.onchange = () => (single.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1"));
  $("help").onclick = () => $("shortcuts").showModal();

  const go = (link) => {
    if (!link) return;
    link.focus();
    link.click();
  };
  const keys = {
    "/": () => $("words").focus(),
    n: () => $("new").click(),
    j: () => go(list.near(null, 1)),
    k: () => go(list.near(null, -1)),
    w: () => list.firstWaiting && (location.hash = encodeURIComponent(list.firstWaiting.threadId)),
    q: () => document.querySelector(".question button")?.focus(),
    t: panel,
    s: stop,
    "?": () => $("shortcuts").showModal(),
  };
  addEventListener("keydown", (event) => {
    const writes = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "Escape" && writes) writes.blur();
    if (writes || event.ctrlKey || event.metaKey || event.altKey || !single.checked) return;
    if ($("shortcuts").open || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
}
