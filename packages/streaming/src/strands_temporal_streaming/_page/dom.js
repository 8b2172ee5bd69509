// Makes elements. Texts become text nodes, always.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties and children; strings are text. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "data") Object.assign(made.dataset, value);
    else if (value !== undefined && value !== null) made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** An element of a picture, with attributes. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Replaces an element's children if they are not these already. */
export function put(element, ...children) {
  const wanted = children.filter(Boolean);
  wanted.forEach((child, n) => {
    if (element.childNodes[n] !== child) element.insertBefore(child, element.childNodes[n] ?? null);
  });
  while (element.childNodes.length > wanted.length) element.lastChild.remove();
}

export function text(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

const UNITS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1_000, "s"],
];

/** A duration in milliseconds, as people read it. */
export function duration(milliseconds) {
  if (!Number.isFinite(milliseconds)) return "";
  const n = Math.max(0, milliseconds);
  if (n < 1_000) return `${Math.round(n)} ms`;
  const [size, unit] = UNITS.find(([each]) => n >= each);
  const value = n / size;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** How long ago a time was. */
export function ago(time) {
  const past = Date.now() - Date.parse(time);
  if (!Number.isFinite(past)) return "";
  return past < 5_000 ? "now" : `${duration(past).replace(/\.\d/, "")} ago`;
}

export const clock = (milliseconds) =>
  new Date(milliseconds).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const count = (number) => number.toLocaleString();
