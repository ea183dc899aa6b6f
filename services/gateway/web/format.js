// Figures as people read them, the same as mlxctl prints; and small DOM helpers.

const steps = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

function scaled(value, unit) {
  for (const [size, prefix] of steps)
    if (Math.abs(value) >= size) return `${(value / size).toFixed(Math.abs(value) / size < 100 ? 1 : 0)} ${prefix}${unit}`;
  return `${Math.round(value)} ${unit}`;
}

function plain(value) {
  const size = Math.abs(value);
  return size >= 1e4 ? scaled(value, "").trim() : size >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(size < 10 ? 2 : 1);
}

export function seconds(value) {
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value.toFixed(1)} s`;
  if (value < 3600) return `${Math.floor(value / 60)}m ${Math.round(value % 60)}s`;
  return `${Math.floor(value / 3600)}h ${Math.round(value % 3600 / 60)}m`;
}

const units = {
  bytes: value => scaled(value, "B"),
  ratio: value => `${(value * 100).toFixed(value < 0.0995 && value > 0 ? 1 : 0)} %`,
  celsius: value => `${value.toFixed(0)} °C`,
  watts: value => `${value.toFixed(value < 10 ? 1 : 0)} W`,
  joules: value => scaled(value, "J"),
  hertz: value => scaled(value, "Hz"),
  seconds,
  "bytes per second": value => scaled(value, "B/s"),
  "tokens per second": value => `${value.toFixed(Math.abs(value) < 1000 ? 1 : 0)} tok/s`,
};

// Text of VALUE; an absent value is a dash, never 0.
export function figure(value, unit) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  return (units[unit] || plain)(value);
}

// Unit of a series where history does not say: by the field's name, as in the catalogue.
export function unitOf(series) {
  const field = series.slice(series.lastIndexOf("/") + 1).replace(/\[.*\]/, "");
  const table = [
    [/tokens_per_second$/, "tokens per second"], [/(^|_)(frequency)$/, "hertz"],
    [/utilization$|pressure|^fan$|^battery$/, "ratio"], [/ttft$|uptime$|duration$|cpu$/, "seconds"],
    [/power|^(total|package|dram|ane)$/, "watts"], [/temperature|^max$/, "celsius"],
    [/memory|vram|size|bytes|saved|used|total|available|free|cached|swap/, "bytes"]];
  if (/sensor\.power\//.test(series)) return field === "energy" ? "joules" : field === "battery" ? "ratio" : "watts";
  if (/sensor\.temperature\//.test(series)) return "celsius";
  if (/sensor\.memory\//.test(series)) return /pressure/.test(field) ? "ratio" : "bytes";
  for (const [pattern, unit] of table) if (pattern.test(field)) return unit;
  return "";
}

// What SERIES is in the legend of a plot whose title says the rest: "GPU 0", "CPU", "ollama local".
export function legendOf(series) {
  const [, group, more = "", field] = series.match(/(?:^|\/)(?:sensor|runtime)\.([^./]+)\.?([^/]*)\/(.*)$/) || [];
  if (!field) return series;
  if (group === "gpu") return `GPU ${more}`;
  if (more) return `${group} ${more.replace(/\.[^.]*$/, "")}`;
  return { cpu: "CPU", gpu: "GPU", max: "hottest", total: "whole machine", package: "processor package" }[field] || field.replaceAll("_", " ");
}

// What came over the bus is of any type: a text or "", a number or undefined, the objects of a list.
export const word = value => typeof value === "string" ? value : "";
export const number = value => typeof value === "number" && Number.isFinite(value) ? value : undefined;
export const maps = value => Array.isArray(value) ? value.filter(item => item && typeof item === "object" && !Array.isArray(item)) : [];

export const $ = selector => document.querySelector(selector);

// el("td", {class: "n"}, "text", node...): text is text, never markup.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  node.append(...children.filter(child => child !== undefined && child !== null));
  return node;
}

// TEXT with places to break a line at, so that paths and model names do not break inside a word.
export function soft(text) {
  return text.split(/(?<=[/:_-])/).flatMap((part, i) => i ? [document.createElement("wbr"), part] : [part]);
}

export const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export async function ask(path, signal) {
  const reply = await fetch(path, { signal });
  const body = await reply.json();
  if (!reply.ok) throw Object.assign(new Error(body.error.message), body.error);
  return body;
}

export function explain(problem) {
  return problem.hint ? `${problem.message}; ${problem.hint}` : problem.message;
}

// A moment in microseconds since 1970: the time, with its day unless it is today.
export function when(us) {
  const time = new Date(us / 1000), today = new Date().toDateString() === time.toDateString();
  return today ? time.toLocaleTimeString() : time.toLocaleString([], { dateStyle: "short", timeStyle: "medium" });
}

// Make the children of PARENT those of ITEMS, each with a key of its own. What has not changed stays the same
// node, so that nobody loses the focus, a choice or what is about to be clicked.
const seen = new WeakMap();
export function keep(parent, items, make) {
  const old = new Map([...parent.children].map(node => [node.dataset.key, node]));
  const focused = parent.contains(document.activeElement) && document.activeElement.dataset.act;
  const nodes = items.map(item => {
    const text = JSON.stringify(item), node = old.get(item.key);
    if (node && seen.get(node) === text) return node;
    const fresh = make(item);
    fresh.dataset.key = item.key;
    seen.set(fresh, text);
    return fresh;
  });
  nodes.forEach((node, i) => { if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] || null); });
  while (parent.children.length > nodes.length) parent.lastChild.remove();
  if (focused && !parent.contains(document.activeElement)) parent.querySelector(`[data-act="${CSS.escape(focused)}"]`)?.focus();
}
