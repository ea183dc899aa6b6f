// Several machines: one card each, a list to choose from, and what they do together. One machine: nothing.

import { $, el, figure, maps, number, word } from "./format.js";

const cards = new Map(); // host -> {node, seen}
let choose = () => {};

export const isLost = one => ["lost", "none"].includes(one.connection?.state);

function work(one) {
  const speed = number(one.tokens_per_second);
  if (speed === undefined) return one.busy === true ? "working" : "idle";
  return figure(speed, "tokens per second");
}

// What a card says: texts, and the shares that it shows as bars.
export function cardOf(one) {
  const share = (used, total) => number(used) !== undefined && total > 0 ? Math.min(1, used / total) : undefined;
  const lost = isLost(one), warnings = maps(one.warnings).filter(other => other.kind !== "silent");
  return {
    lost, said: lost ? word(one.connection?.text) || "no data" : [work(one), one.models_busy > 1 ? `${one.models_busy} models` : word(one.model)].filter(Boolean).join(", "),
    bars: [["GPU", number(one.gpu_utilization)], ["Memory", share(one.memory_used, one.memory_total)]].filter(([, value]) => value !== undefined),
    warning: warnings.length ? (word(warnings[0].text) || word(warnings[0].name) || "?") + (warnings.length > 1 ? `, ${warnings.length - 1} more` : "") : "",
  };
}

// "3 machines, 1 silent, 65.0 tok/s together"
export function sumOf(all) {
  const list = Object.values(all), lost = list.filter(isLost).length;
  const speeds = list.filter(one => !isLost(one)).map(one => number(one.tokens_per_second)).filter(speed => speed !== undefined);
  return [`${list.length} machines`, lost && `${lost} silent`, speeds.length && `${figure(speeds.reduce((a, b) => a + b), "tokens per second")} together`].filter(Boolean).join(", ");
}

function bar([name, value]) {
  return el("span", { class: "share" }, el("i", {}, name), el("progress", { max: "1", value: String(value) }), el("i", {}, figure(value, "ratio")));
}

function fill(node, name, card) {
  node.classList.toggle("lost", card.lost);
  node.replaceChildren(el("b", {}, name), el("span", {}, card.said), ...card.lost ? [] : card.bars.map(bar),
    card.warning ? el("span", { class: "warning" }, card.warning) : "");
}

// A card stays the same node: who is about to click it, or has it focused, keeps it.
function cardNode(name) {
  if (!cards.has(name)) {
    const node = el("button", { type: "button", "data-host": name });
    node.addEventListener("click", () => choose(name));
    cards.set(name, { node, seen: "" });
  }
  return cards.get(name);
}

function drawList(names, host) {
  const list = $("#machine"), same = [...list.options].map(option => option.value).join("\n") === names.join("\n");
  if (!same) list.replaceChildren(...names.map(name => el("option", { value: name }, name)));
  list.value = host;
}

// ALL: host -> headline; HOST: the one that is shown.
export function draw(all, host) {
  const names = Object.keys(all).sort(), several = names.length > 1, group = $("#machines");
  for (const id of ["machines", "machines-sum", "machine"]) $(`#${id}`).hidden = !several;
  $("#host").hidden = several;
  if (!several) return;
  $("#machines-sum").textContent = sumOf(all);
  drawList(names, host);
  for (const name of [...cards.keys()]) if (!all[name]) { cards.get(name).node.remove(); cards.delete(name); }
  names.forEach((name, i) => {
    const entry = cardNode(name), card = cardOf(all[name] || {}), seen = JSON.stringify(card);
    if (entry.seen !== seen) fill(entry.node, name, card);
    entry.seen = seen;
    entry.node.setAttribute("aria-pressed", String(name === host));
    if (group.children[i] !== entry.node) group.insertBefore(entry.node, group.children[i] || null);
  });
}

// CHOSEN(host): somebody chose a machine.
export function start(chosen) {
  choose = chosen;
  $("#machine").addEventListener("change", event => choose(event.target.value));
}
