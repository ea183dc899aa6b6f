// What the models cost: energy above idle in the past days, of this machine's ledger.

import { $, ask, el, explain, figure, word } from "./format.js";

const AGAIN_MS = 60000, WEEK_US = 7 * 86400 * 1e6;

const count = value => typeof value === "number" ? value.toLocaleString() : "–";

// Joules as the power company counts them; an absent value is a dash, never 0.
export function energy(joules) {
  if (typeof joules !== "number" || !Number.isFinite(joules)) return "–";
  if (joules < 3600) return `${joules.toFixed(joules < 10 ? 2 : 0)} J`;
  return joules < 3.6e6 ? `${(joules / 3600).toFixed(1)} Wh` : `${(joules / 3.6e6).toFixed(2)} kWh`;
}

function row(d, name, reply) {
  const money = typeof d.cost === "number" ? `${d.cost.toFixed(d.cost < 10 ? 3 : 1)} ${word(reply.currency)}`.trim() : "–";
  return el("tr", {}, el("td", {}, name), el("td", { class: "n" }, count(d.requests)), el("td", { class: "n" }, count(d.tokens)),
    el("td", { class: "n" }, energy(d.joules)), el("td", { class: "n" }, energy(d.joules_per_request)), el("td", { class: "n" }, energy(d.joules_per_token)),
    el("td", { class: "n" }, money), el("td", { class: "n" }, typeof d.co2 === "number" ? `${d.co2.toFixed(1)} g` : "–"));
}

function note(reply) {
  const total = reply.total || {};
  const parts = typeof total.measured === "number" ? [`measured ${energy(total.measured)} in seven days`, `idle ${energy(total.base)}`, `other work ${energy(total.other)}`] : [];
  if (total.unknown >= 1) parts.push(`no power reading for ${figure(total.unknown, "seconds")}`);
  if (word(reply.reason)) parts.push(word(reply.reason));
  if (word(reply.method)) parts.push(word(reply.method));
  return parts.join("; ");
}

let total = { value: "–", note: "not settled yet" };

// What the tile says: {value, note}.
export const spent = () => total;

export async function load() {
  let text;
  try {
    const reply = await ask(`/api/energy?by=model&since=${Math.round(Date.now() * 1000 - WEEK_US)}`);
    const rows = (Array.isArray(reply.rows) ? reply.rows : []).filter(d => d && typeof d === "object");
    $("#spent tbody").replaceChildren(...rows.slice(0, 50).map(d => row(d, word(d.model) || "not known", reply)));
    $("#spent").parentNode.hidden = rows.length === 0;
    text = note(reply);
    const { measured, base } = reply.total || {};
    if (typeof measured === "number") total = { value: energy(measured), note: typeof base === "number" ? `of it idle ${energy(base)}` : "" };
    else total = { value: "–", note: word(reply.reason).split(":")[0] || "no power reading" };
  } catch (problem) {
    text = explain(problem);
    total = { value: "–", note: problem.message };
  }
  $("#spent-note").textContent = text;
}

export function start() {
  load();
  setInterval(load, AGAIN_MS);
}
