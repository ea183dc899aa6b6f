// Who asked which model for what: the requests that ended last, of the machine that is shown.

import { $, ask, el, explain, figure, when, word } from "./format.js";

const SHOWN = 25, AGAIN_MS = 1000;
let found = [], host = "", waiting = null;

const count = value => typeof value === "number" ? value.toLocaleString() : "–";

// Everything known of the client, for those who point at its name.
function asker(d) {
  return [word(d.process) && typeof d.pid === "number" ? `${word(d.process)}, process ${d.pid}` : "", word(d.agent),
    word(d.key) && `key ${word(d.key)}`, word(d.address)].filter(Boolean).join("\n");
}

function row(d) {
  const cached = d.cached_tokens > 0 ? ` (${count(d.cached_tokens)} cached)` : "";
  const took = typeof d.start === "number" ? figure((d.end - d.start) / 1e6, "seconds") : "–";
  const outcome = word(d.outcome) || (d.requests > 1 ? `at least ${count(d.requests)} requests` : "–");
  return el("tr", {}, el("td", {}, when(d.end)), el("td", { title: asker(d) || false }, word(d.client) || "–"), el("td", {}, word(d.model) || "–"),
    el("td", { class: "n" }, count(d.prompt_tokens) + cached), el("td", { class: "n" }, count(d.tokens)),
    el("td", { class: "n" }, figure(d.tokens_per_second, "tokens per second")), el("td", { class: "n" }, figure(d.ttft, "seconds")),
    el("td", { class: "n" }, took), el("td", { class: "n" }, figure(d.joules, "joules")), el("td", { class: !["ok", "–"].includes(outcome) && "slower" }, outcome));
}

function draw(problem) {
  const shown = found.filter(d => !host || d.host === host).slice(0, SHOWN);
  $("#asked tbody").replaceChildren(...shown.map(row));
  $("#asked").parentNode.hidden = shown.length === 0;
  $("#asked-note").textContent = problem || (shown.length ? "" : "No request has ended yet.");
}

export async function load() {
  waiting = null;
  let problem = "";
  try {
    const reply = await ask("/api/requests?limit=200");
    found = (Array.isArray(reply.requests) ? reply.requests : []).filter(d => d && typeof d.end === "number");
  } catch (error) {
    problem = explain(error);
  }
  draw(problem);
}

// The newest request of the machine that is shown, or undefined.
export const newest = () => found.find(d => !host || d.host === host);

export function setHost(name) {
  if (name === host) return;
  host = name;
  draw();
}

// One has ended: it, and what else ended in this moment, is with the recorder now.
export function onRequest() {
  waiting ??= setTimeout(load, AGAIN_MS);
}
