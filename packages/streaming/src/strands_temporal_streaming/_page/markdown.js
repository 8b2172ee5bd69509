// Markdown as elements. Everything is made with createElement and textContent: no text can become markup.

import { el } from "./dom.js";

const SAFE = ["http:", "https:", "mailto:"];
const DEEPEST = 8; // of lists and quotes in each other, and of emphasis
const LONGEST = 20_000; // characters of a block whose markup is looked for: a model may say anything

/** Shows a text in an element. Blocks that did not change keep their elements. */
export function showMarkdown(element, text) {
  const parts = split(text);
  parts.forEach((part, n) => {
    const old = element.children[n];
    if (old?.source === part) return;
    const made = block(part, 0);
    made.source = part;
    if (old) old.replaceWith(made);
    else element.append(made);
  });
  while (element.children.length > parts.length) element.lastElementChild.remove();
}

// --- Blocks

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(\S.*)$/;
const RULE = /^ {0,3}([-*_])( *\1){2,} *$/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?: +|$)(.*)$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const TABLE_RULE = /^ *\|? *:?-+:? *(\| *:?-+:? *)*\|? *$/;

/** Splits a text into blocks: the texts of one heading, paragraph, list, table, quote or piece of code each. */
function split(text) {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  const found = [];
  for (let n = 0; n < lines.length; ) {
    if (!lines[n].trim()) {
      n += 1;
      continue;
    }
    const end = endOf(lines, n);
    found.push(lines.slice(n, end).join("\n"));
    n = end;
  }
  return found;
}

function endOf(lines, start) {
  const fence = FENCE.exec(lines[start]);
  let n = start + 1;
  if (fence) {
    const close = new RegExp(`^ {0,3}${fence[1][0]}{${fence[1].length},}\\s*$`);
    while (n < lines.length && !close.test(lines[n])) n += 1;
    return Math.min(n + 1, lines.length);
  }
  if (HEADING.test(lines[start]) || RULE.test(lines[start])) return n;
  if (ITEM.test(lines[start])) {
    // A list goes on over empty lines, as long as items or indented lines follow.
    for (; n < lines.length; n++) {
      if (!lines[n].trim()) {
        const next = lines[n + 1] ?? "";
        if (!ITEM.test(next) && !/^ {2,}\S/.test(next)) return n;
      } else if (HEADING.test(lines[n]) || (FENCE.test(lines[n]) && !lines[n].startsWith("  "))) return n;
    }
    return n;
  }
  const isQuote = QUOTE.test(lines[start]);
  for (; n < lines.length && lines[n].trim(); n++) {
    if (isQuote ? !QUOTE.test(lines[n]) : begins(lines, n)) break;
  }
  return n;
}

const begins = (lines, n) =>
  FENCE.test(lines[n]) || HEADING.test(lines[n]) || RULE.test(lines[n]) || QUOTE.test(lines[n]) || ITEM.test(lines[n]);

function block(text, depth) {
  const lines = text.split("\n");
  const fence = FENCE.exec(lines[0]);
  if (fence) return code(lines, fence);
  const heading = HEADING.exec(lines[0]);
  if (heading) return inline(el(`h${Math.min(6, heading[1].length + 2)}`), heading[2].replace(/ #{1,6} *$/, ""));
  if (RULE.test(lines[0])) return el("hr");
  if (depth < DEEPEST && QUOTE.test(lines[0])) {
    const inner = lines.map((line) => QUOTE.exec(line)?.[1] ?? line).join("\n");
    return el("blockquote", {}, ...split(inner).map((part) => block(part, depth + 1)));
  }
  if (depth < DEEPEST && ITEM.test(lines[0])) return list(lines, depth);
  if (lines.length > 1 && lines[0].includes("|") && lines[1].length < 1_000 && TABLE_RULE.test(lines[1])) return table(lines);
  return inline(el("p"), text);
}

function code(lines, fence) {
  const closed = lines.length > 1 && lines.at(-1).trim().startsWith(fence[1]);
  const text = lines.slice(1, closed ? -1 : undefined).join("\n");
  const label = fence[2] ? `Code, ${fence[2]}` : "Code";
  return el("pre", { tabIndex: 0, ariaLabel: label, role: "region" }, el("code", {}, text));
}

function list(lines, depth) {
  const first = ITEM.exec(lines[0]);
  const indent = first[1].length;
  const ordered = /\d/.test(first[2]);
  const made = el(ordered ? "ol" : "ul");
  if (ordered) made.start = Number.parseInt(first[2], 10);
  let inner = [];
  const finish = () => {
    if (!inner.length) return;
    const parts = split(inner.join("\n"));
    const item = el("li");
    parts.forEach((part, n) => {
      const shown = block(part, depth + 1);
      if (n === 0 && shown.tagName === "P") item.append(...shown.childNodes);
      else item.append(shown);
    });
    made.append(item);
  };
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (item && item[1].length <= indent + 1) {
      finish();
      inner = [item[3]];
    } else inner.push(line.replace(/^ {1,4}/, ""));
  }
  finish();
  return made;
}

function table(lines) {
  const cells = (line) =>
    line
      .trim()
      .replace(/^\||\|$/g, "")
      .split("|")
      .map((cell) => cell.trim());
  const sides = cells(lines[1]).map((rule) => (rule.endsWith(":") ? (rule.startsWith(":") ? "mid" : "end") : ""));
  const row = (line, tag) =>
    el("tr", {}, ...cells(line).map((cell, n) => inline(el(tag, { className: sides[n] ?? "" }), cell)));
  const head = el("thead", {}, row(lines[0], "th"));
  const body = el("tbody", {}, ...lines.slice(2).map((line) => row(line, "td")));
  return el("div", { className: "table", tabIndex: 0, role: "region", ariaLabel: "Table" }, el("table", {}, head, body));
}

// --- Inside a block

// One piece of markup: an escape, code, a link, emphasis, an address. What is none of it stays text.
const PIECES = [
  [/^\\([\\`*_{}[\]()#+\-.!|~<>])/, (made, found) => made.append(found[1])],
  [/^(`{1,8})(?!`)([^`]|[^`][\s\S]{0,1000}?[^`])\1(?!`)/, (made, found) => made.append(el("code", {}, found[2].trim()))],
  [/^!?\[([^\]]{0,500})\]\(\s*<?([^\s()<>]{1,2000})>?(?:\s+"[^"]{0,300}")?\s*\)/, link],
  [/^<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/, (made, found) => anchor(made, found[1], found[1])],
  [/^https?:\/\/[^\s<>()"'`]{1,2000}[^\s<>()"'`.,;:!?*_]/, (made, found) => anchor(made, found[0], found[0])],
  [/^(\*\*|__)(?=\S)([\s\S]{1,1000}?\S)\1/, (made, found, depth) => nested(made, "strong", found[2], depth)],
  [/^([*_])(?=\S)([^*_][\s\S]{0,1000}?)(?<=\S)\1(?![\p{L}\d])/u, (made, found, depth) => nested(made, "em", found[2], depth)],
  [/^~~(?=\S)([\s\S]{1,1000}?\S)~~/, (made, found, depth) => nested(made, "del", found[1], depth)],
];
const SPECIAL = /[\\`![<*_~\n]|https?:\/\//;

function inline(made, text, depth = 0) {
  let rest = text.slice(0, LONGEST);
  let plain = "";
  let before = "";
  const flush = () => {
    if (plain) made.append(plain);
    plain = "";
  };
  while (rest) {
    const next = rest.search(SPECIAL);
    if (next < 0) break;
    plain += rest.slice(0, next);
    before = next ? rest[next - 1] : before;
    rest = rest.slice(next);
    if (rest[0] === "\n") {
      plain = plain.replace(/ +$/, "");
      flush();
      made.append(el("br"));
      rest = rest.slice(1);
      continue;
    }
    const inWord = rest[0] === "_" && /[\p{L}\d_]/u.test(before);
    const [found, show] = inWord || depth > DEEPEST ? [] : piece(rest);
    const taken = found ? found[0].length : 1;
    if (found) {
      flush();
      show(made, found, depth);
    } else plain += rest[0];
    before = rest[taken - 1];
    rest = rest.slice(taken);
  }
  plain += rest + text.slice(LONGEST);
  flush();
  return made;
}

function piece(text) {
  for (const [pattern, show] of PIECES) {
    const found = pattern.exec(text);
    if (found) return [found, show];
  }
  return [];
}

const nested = (made, tag, text, depth) => made.append(inline(el(tag), text, depth + 1));

function link(made, found, depth) {
  anchor(made, found[2], found[1] || found[2], depth);
}

function anchor(made, address, text, depth = 0) {
  let url;
  try {
    url = new URL(address);
  } catch {
    url = null; // a relative address leads nowhere here
  }
  if (!url || !SAFE.includes(url.protocol)) return made.append(`${text} (${address})`);
  const shown = el("a", { href: url.href, rel: "noopener noreferrer nofollow", target: "_blank" });
  return made.append(text === address ? (shown.append(text), shown) : inline(shown, text.replaceAll("[", "("), depth + 1));
}
