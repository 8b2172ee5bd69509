// Tells screen readers the agent's answer: sentence by sentence, once, and not character by character.

import { el } from "./dom.js";

const KEPT = 6;
const CLEARED = 30_000; // ms after which what was said is taken away

/** Announces the texts of messages in a live region. */
export class Announcer {
  constructor(region) {
    this.region = region;
    this.told = new Map(); // characters of each message that were told
  }

  /** Takes a message of which there is more. */
  heard(item) {
    const from = this.told.get(item.id) ?? 0;
    const end = item.open ? lastSentence(item.text, from) : item.text.length;
    if (end <= from) return;
    this.told.set(item.id, end);
    this.say(item.text.slice(from, end));
  }

  /** Says something at once. */
  say(words) {
    const plain = words.replace(/[`*_#>|~]+/g, " ").replace(/\s+/g, " ").trim();
    if (!plain) return;
    this.region.append(el("p", {}, plain));
    while (this.region.childElementCount > KEPT) this.region.firstElementChild.remove();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.region.replaceChildren(), CLEARED);
  }
}

/** Where the last finished sentence or line after `from` ends. */
function lastSentence(text, from) {
  for (let n = text.length - 1; n > from; n--) {
    if (text[n - 1] === "\n" || (/\s/.test(text[n]) && /[.!?:;…。！？]/.test(text[n - 1]))) return n;
  }
  return from;
}
