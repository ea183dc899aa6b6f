// Benchmarks with their comparison, and the cache.

import { $, ask, el, explain, figure } from "./format.js";

// Two-sided 95 % quantile of Student's t for 1, 2, ... degrees of freedom; then the normal one.
const T95 = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.1, 2.09, 2.09];

// Ratio new/old of the speeds with its 95 % interval: by pairs of prompts where both runs have the
// same ones and replies are long enough, else from the two intervals. null: there is no telling.
export function ratio(before, after) {
  const speed = run => new Map((run.prompts || []).filter(p => p.tokens_per_second > 0 && !(p.tokens < 32)).map(p => [p.name, p.tokens_per_second]));
  const old = speed(before), fresh = speed(after);
  const logs = [...fresh].filter(([name]) => old.has(name)).map(([name, value]) => Math.log(value / old.get(name)));
  let mean, half;
  if (logs.length >= 3) {
    mean = logs.reduce((a, b) => a + b) / logs.length;
    const spread = Math.sqrt(logs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (logs.length - 1));
    half = (T95[logs.length - 2] || 1.96) * spread / Math.sqrt(logs.length);
  } else if (before.prompts?.length && after.prompts?.length) {
    return null; // too few replies that are long enough
  } else {
    const a = before.tokens_per_second || {}, b = after.tokens_per_second || {};
    if (![a, b].every(i => !i.range && i.low > 0 && i.high >= i.low && i.mean > 0)) return null;
    mean = Math.log(b.mean / a.mean);
    half = Math.hypot((a.high - a.low) / 2 / a.mean, (b.high - b.low) / 2 / b.mean);
  }
  return { ratio: Math.exp(mean), low: Math.exp(mean - half), high: Math.exp(mean + half) };
}

let results = [], loaded = false;
const live = []; // results that came over the bus
const ticked = new Set();

function verdict() {
  const [after, before] = results.filter(run => ticked.has(run.id)).slice(0, 2);
  const node = $("#compare");
  node.className = "verdict";
  if (!before) { node.textContent = results.length > 1 ? "Tick two runs to compare them." : ""; return; }
  if (before.prompt_set && after.prompt_set && before.prompt_set !== after.prompt_set) {
    node.textContent = "These runs used different prompts: they cannot be compared.";
    return;
  }
  if (before.model !== after.model) { node.textContent = "These runs are of different models: they cannot be compared."; return; }
  const r = ratio(before, after);
  const name = run => `${run.model || "?"} of ${new Date(run.t / 1000).toLocaleString([], { dateStyle: "short", timeStyle: "short" })}`;
  if (!r) { node.textContent = "These runs have no intervals, or too few replies of 32 tokens: they cannot be compared."; return; }
  const span = `${r.ratio.toFixed(2)} times as fast (95 %: ${r.low.toFixed(2)} to ${r.high.toFixed(2)})`;
  const word = r.low > 1 ? "faster" : r.high < 1 ? "slower" : "no evidence of a difference";
  if (word !== "no evidence of a difference") node.classList.add(word);
  node.textContent = `${name(after)} against ${name(before)}: ${word}, ${span}.`;
}

function row(run) {
  const box = el("input", { type: "checkbox", "aria-label": `Compare ${run.model} of ${new Date(run.t / 1000).toLocaleString()}` });
  box.checked = ticked.has(run.id);
  box.addEventListener("change", () => {
    if (box.checked) ticked.add(run.id); else ticked.delete(run.id);
    while (ticked.size > 2) ticked.delete(ticked.values().next().value);
    drawBench();
    $(`#bench tr[data-id="${CSS.escape(run.id)}"] input`)?.focus();
  });
  const speed = run.tokens_per_second || {}, said = (x, other) => typeof x === "string" && x ? x : other, value = (x, digits) => typeof x === "number" ? x.toFixed(digits) : "–";
  const interval = typeof speed.low === "number" ? ` (${value(speed.low, 1)} – ${value(speed.high, 1)})` : "";
  const notes = Array.isArray(run.warnings) ? run.warnings.filter(note => typeof note === "string") : [];
  const told = notes.some(note => /others? .*%/.test(note));
  if (run.contention > 0 && !told) notes.push(`others busy ${figure(run.contention, "ratio")} of the time`);
  return el("tr", { "data-id": run.id }, el("td", {}, box), el("td", {}, new Date(run.t / 1000).toLocaleString([], { dateStyle: "short", timeStyle: "short" })),
    el("td", {}, [said(run.model, "?"), said(run.quantization)].filter(Boolean).join(", ")),
    el("td", {}, [said(run.runtime, "?"), said(run.runtime_version)].filter(Boolean).join(" ")), el("td", { class: "n" }, value(speed.mean ?? speed.median, 1) + interval),
    el("td", { class: "n" }, value(run.prompt_tokens_per_second?.median, 0)), el("td", { class: "n" }, figure(run.ttft?.median, "seconds")),
    el("td", { class: "n" }, value(run.joules_per_token, 2)), el("td", { class: "wrap" }, notes.join("; ")));
}

function drawBench() {
  $("#bench tbody").replaceChildren(...results.slice(0, 200).map(row));
  if (results.length && loaded) benchNote("");
  verdict();
}

function benchNote(text) {
  $("#bench-note").hidden = !text;
  $("#bench-note").textContent = text;
}

export async function loadBenchmarks() {
  try {
    const reply = await ask("/api/benchmarks");
    results = (reply.results || []).filter(run => typeof run.id === "string" && typeof run.t === "number").sort((a, b) => b.t - a.t);
    // What came over the bus and is not in the record (there may be none) stays.
    for (const run of live) if (!results.some(other => other.id === run.id)) results.push(run);
    results.sort((a, b) => b.t - a.t);
    loaded = true;
    benchNote(results.length ? "" : "No benchmark has been run yet: mlxctl bench.");
  } catch (problem) {
    benchNote(explain(problem));
  }
  drawBench();
}

// The newest result also comes over the bus: it is shown even when no recorder keeps it.
export function onBenchResult(message) {
  const run = { t: message.t, ...message.d };
  if (typeof run.id !== "string" || typeof run.t !== "number" || results.some(other => other.id === run.id)) return;
  live.push(run);
  results = [run, ...results].sort((a, b) => b.t - a.t);
  drawBench();
}

export function onBenchProgress(message) {
  const d = message.d, node = $("#progress"), word = value => typeof value === "string" || typeof value === "number" ? String(value) : "";
  node.hidden = d.phase === "done" || Date.now() - message.t / 1000 > 30000;
  node.querySelector("span").textContent = `${word(d.model)}: ${word(d.phase)} ${d.prompt > 0 ? `${word(d.prompt)} of ${word(d.prompts)}` : ""}`;
  node.querySelector("progress").value = d.prompts > 0 && d.prompt > 0 ? Math.min(1, d.prompt / d.prompts) : 0;
}

// Another machine is shown, of which no cache is known.
export function noCache() {
  $("#cache-note").textContent = "The cache has not reported.";
  $("#models").parentNode.hidden = true;
}

export function onCache(message) {
  const d = message.d, models = (Array.isArray(d.models) ? d.models : []).filter(model => model && typeof model === "object");
  const count = typeof d.models_count === "number" ? d.models_count : models.length;
  const parts = [`${count} model${count === 1 ? "" : "s"}`, figure(d.bytes, "bytes")];
  if (typeof d.saved === "number") parts.push(`${figure(d.saved, "bytes")} saved by sharing`);
  if (typeof d.dir === "string") parts.push(d.dir);
  $("#cache-note").textContent = parts.join(", ");
  const table = $("#models");
  table.parentNode.hidden = models.length === 0;
  table.tBodies[0].replaceChildren(...models.slice(0, 500).map(model => el("tr", {}, el("td", {}, typeof model.name === "string" ? model.name : "?"),
    el("td", { class: "n" }, figure(model.size, "bytes")), el("td", { class: "wrap" }, (Array.isArray(model.used_by) ? model.used_by : []).join(", ") || "nobody"))));
}
