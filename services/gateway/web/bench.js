// Benchmarks: the stored results, comparing two, sweeps as plots, and running one.

import { $, ask, el, explain, figure, keep, maps, number, seconds, word } from "./format.js";
import { allowed, command, question, want } from "./actions.js";
import * as sweep from "./sweep.js";

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

const map = value => maps([value])[0] || {};

const SHOWN = 200, QUIET_MS = 30000;
const KINDS = { "": "Ten prompts", context: "Against the length of the context", parallel: "Against clients at once" };

let results = [], stored = [], loaded = false, running = null, mine = false; // the newest progress; this page started it
const live = []; // results that came over the bus
const ticked = new Set();

// What the bus says is of any type: RUN as the rest of this file takes it, or null.
export function clean(run) {
  if (typeof run?.id !== "string" || !run.id || number(run.t) === undefined) return null;
  const out = { ...run, prompts: maps(run.prompts), points: sweep.pointsOf(run), sweep: word(run.sweep), model: word(run.model) };
  for (const field of ["tokens_per_second", "prompt_tokens_per_second", "ttft"]) out[field] = map(run[field]);
  return out;
}

const isSweep = run => run.sweep !== "" || run.points.length > 0;
const day = t => new Date(t / 1000).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
const name = run => `${run.model || "?"} of ${day(run.t)}`;

// What can be said of the two that are ticked: [text, class].
function said(after, before) {
  if (!before) return [results.length > 1 ? "Tick two runs to compare them." : ""];
  if (before.prompt_set && after.prompt_set && before.prompt_set !== after.prompt_set) return ["These runs used different prompts: they cannot be compared."];
  if (before.model !== after.model) return ["These runs are of different models: they cannot be compared."];
  if (isSweep(after) || isSweep(before))
    return [after.sweep === before.sweep ? `${name(after)} and ${name(before)} are in the plots below.` : "These runs were measured against different things: they cannot be compared."];
  const r = ratio(before, after);
  if (!r) return ["These runs have no intervals, or too few replies of 32 tokens: they cannot be compared."];
  const verdict = r.low > 1 ? "faster" : r.high < 1 ? "slower" : "";
  return [`${name(after)} against ${name(before)}: ${verdict || "no evidence of a difference"}, ${r.ratio.toFixed(2)} times as fast (95 %: ${r.low.toFixed(2)} to ${r.high.toFixed(2)}).`, verdict];
}

function verdict() {
  const chosen = results.filter(run => ticked.has(run.id)), [text, kind] = said(...chosen.slice(0, 2));
  $("#compare").className = `verdict ${kind || ""}`;
  if ($("#compare").textContent !== text) $("#compare").textContent = text;
  // What is ticked, else the newest sweep: the plots of one kind only.
  const sweeps = (chosen.some(isSweep) ? chosen : results).filter(isSweep);
  sweep.draw($("#sweeps"), sweeps.filter(run => run.sweep === sweeps[0].sweep && run.model === sweeps[0].model)
    .slice(0, chosen.some(isSweep) ? 2 : 1).map(run => ({ name: name(run), sweep: run.sweep, points: run.points })));
}

// "47.0 (46.0 – 48.0)"; of a sweep from its first point to its last.
function speedText(run) {
  const value = x => number(x) === undefined ? "–" : x.toFixed(1);
  if (isSweep(run)) return `${sweep.rangeOf(run.points)}, against ${run.sweep === "parallel" ? "clients" : "context"}`;
  const speed = run.tokens_per_second;
  return value(speed.mean ?? speed.median) + (number(speed.low) === undefined ? "" : ` (${value(speed.low)} – ${value(speed.high)})`);
}

function notesOf(run) {
  const notes = Array.isArray(run.warnings) ? run.warnings.filter(note => typeof note === "string") : [];
  if (run.contention > 0 && !notes.some(note => /others? .*%/.test(note))) notes.push(`others busy ${figure(run.contention, "ratio")} of the time`);
  return notes.join("; ");
}

function row({ run, checked }) {
  const box = el("input", { type: "checkbox", "data-act": `compare ${run.id}`, "aria-label": `Compare ${run.model || "?"} of ${new Date(run.t / 1000).toLocaleString()}` });
  box.checked = checked;
  box.addEventListener("change", () => {
    if (box.checked) ticked.add(run.id); else ticked.delete(run.id);
    while (ticked.size > 2) ticked.delete(ticked.values().next().value);
    drawBench();
  });
  const value = (x, digits) => number(x) === undefined ? "–" : x.toFixed(digits);
  return el("tr", { "data-id": run.id }, el("td", {}, box), el("td", {}, day(run.t)),
    el("td", {}, [run.model || "?", word(run.quantization)].filter(Boolean).join(", ")),
    el("td", {}, [word(run.runtime) || "?", word(run.runtime_version)].filter(Boolean).join(" ")), el("td", { class: "n" }, speedText(run)),
    el("td", { class: "n" }, value(run.prompt_tokens_per_second.median, 0)), el("td", { class: "n" }, figure(run.ttft.median, "seconds")),
    el("td", { class: "n" }, value(run.joules_per_token, 2)), el("td", { class: "wrap" }, notesOf(run)));
}

function drawBench() {
  keep($("#bench tbody"), results.slice(0, SHOWN).map(run => ({ key: run.id, run, checked: ticked.has(run.id) })), row);
  if (results.length && loaded) benchNote("");
  verdict();
}

function benchNote(text) {
  $("#bench-note").hidden = !text;
  $("#bench-note").textContent = text;
}

// Of each id one, the newest first. What came over the bus and is not in the record (there may be none) stays.
function take() {
  const seen = new Set();
  results = [...stored, ...live].map(clean).filter(run => run && !seen.has(run.id) && seen.add(run.id)).sort((a, b) => b.t - a.t);
}

export async function loadBenchmarks() {
  try {
    stored = maps((await ask("/api/benchmarks")).results);
    take();
    loaded = true;
    benchNote(results.length ? "" : "No benchmark has been run yet: run one here, or with mlxctl bench.");
  } catch (problem) {
    benchNote(explain(problem));
  }
  drawBench();
}

// The newest result also comes over the bus: it is shown even when no recorder keeps it.
export function onBenchResult(message) {
  live.push({ t: message.t, ...message.d });
  take();
  drawBench();
}

/* ---- running one ---- */

function stepOf(d) {
  const text = value => typeof value === "number" ? String(value) : word(value);
  const of = d.prompt > 0 && d.prompts > 0 ? `${text(d.prompt)} of ${text(d.prompts)}` : "";
  return [`${text(d.model)}: ${text(d.phase)}`, of, word(d.point), number(d.round) !== undefined && `round ${d.round}`, number(d.tokens_per_second) !== undefined && figure(d.tokens_per_second, "tokens per second"),
    d.remaining > 0 && `about ${seconds(d.remaining)} left`].filter(Boolean).join(", ");
}

export function onBenchProgress(message) {
  running = message.d.phase === "done" ? null : message;
  drawProgress(Date.now());
}

function drawProgress(nowMs) {
  const shown = running && nowMs - running.t / 1000 < QUIET_MS, d = running?.d || {}, node = $("#progress");
  node.hidden = !shown && !mine;
  $("#bench-run").disabled = Boolean(shown) || mine;
  node.querySelector("span").textContent = shown ? stepOf(d) : "asked the bencher";
  const [done, all] = number(d.elapsed) !== undefined && number(d.remaining) !== undefined ? [d.elapsed, d.elapsed + d.remaining] : [d.prompt, d.prompts];
  node.querySelector("progress").value = shown && done > 0 && all > 0 ? Math.min(1, done / all) : 0;
}

function say(text, bad) {
  $("#bench-said").textContent = text;
  $("#bench-said").classList.toggle("slower", bad === true);
}

async function start() {
  const [url, model] = JSON.parse($("#bench-model").value), kind = $("#bench-kind").value;
  const long = kind ? "some minutes" : "about a minute";
  if (!await question(`Measure ${model}${kind ? ` ${KINDS[kind].toLowerCase()}` : ""}? Its server works on it for ${long}; others wait.`, "Measure")) return;
  mine = true;
  say("");
  drawProgress(Date.now());
  try {
    const result = await command("bench.run", { model, ...url && { url }, ...kind && { sweep: kind } });
    say(`${model} is measured${number(result.tokens_per_second?.mean) === undefined ? "." : `: ${figure(result.tokens_per_second.mean, "tokens per second")}.`}`);
    onBenchResult({ t: Date.now() * 1000, d: result });
  } catch (problem) {
    say(problem.code === "interrupted" ? `${model}: cancelled, nothing was stored.` : `${model}: ${explain(problem)}`, problem.code !== "interrupted");
  }
  mine = false;
  running = null;
  drawProgress(Date.now());
}

async function cancel() {
  try {
    const { cancelled } = await command("cancel", { what: "bench.run" });
    say(cancelled ? "The measurement is being ended." : "It was not started here: end it where it was started.", !cancelled);
  } catch (problem) {
    say(explain(problem), true);
  }
}

// What could be measured: (topic, data) of this machine's servers.
function choices(models) {
  const out = [];
  for (const [, d] of models) if (d.reachable === true)
    for (const model of [...maps(d.models), ...maps(d.available)])
      if (word(model.name) && !out.some(one => one.url === word(d.url) && one.model === model.name)) out.push({ url: word(d.url), model: model.name });
  return out.slice(0, SHOWN);
}

// OWN: the machine that is shown is the gateway's.
export function draw(models, own, nowMs) {
  const list = own ? choices(models) : [];
  if (list.length) want();
  $("#bench-form").hidden = !list.length || !allowed();
  const chosen = $("#bench-model").value;
  keep($("#bench-model"), list.map(({ url, model }) => ({ key: JSON.stringify([url, model]), model })), one => el("option", { value: one.key }, one.model));
  if (list.some(({ url, model }) => JSON.stringify([url, model]) === chosen)) $("#bench-model").value = chosen;
  $("#bench-cancel").hidden = !own || !allowed();
  drawProgress(nowMs);
}

export function listen() {
  $("#bench-kind").append(...Object.entries(KINDS).map(([kind, text]) => el("option", { value: kind }, text)));
  $("#bench-form").addEventListener("submit", event => { event.preventDefault(); start(); });
  $("#bench-cancel").addEventListener("click", cancel);
}
