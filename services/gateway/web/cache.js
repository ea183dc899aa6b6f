// The cache: what it holds, who uses it, what is on the disk twice, and whether a model would fit in memory.

import { $, el, explain, figure, keep, maps, number, word } from "./format.js";
import { allowed, command, question, want } from "./actions.js";

const APPS = { huggingface: "Hugging Face", ollama: "Ollama", lmstudio: "LM Studio", llamacpp: "llama.cpp" };
const SHOWN = 500, STEPS = 100;

const words = value => Array.isArray(value) ? value.filter(word) : [];
const title = app => Object.hasOwn(APPS, app) ? APPS[app] : app;

let status = null, working = false, can = false;

function say(text, bad) {
  $("#cache-said").textContent = text;
  $("#cache-said").classList.toggle("slower", bad === true);
}

// Send one command at a time; DONE takes its result.
async function run(text, name, args, done) {
  if (working) { say("The cache is still at work."); return; }
  working = true;
  say(text);
  try {
    done(await command(name, args));
  } catch (problem) {
    say(explain(problem), true);
  }
  working = false;
  draw();
}

/* ---- what is there twice ---- */

const files = count => `${count} file${count === 1 ? "" : "s"}`;

function showPlan(plan) {
  const steps = maps(plan.steps).filter(step => word(step.path)), share = $("#dedup-share");
  share.hidden = steps.length === 0;
  share.onclick = () => shareAll(steps.length, plan.would_free);
  $("#twice").hidden = steps.length === 0;
  $("#twice tbody").replaceChildren(...steps.slice(0, STEPS).map(step => el("tr", {}, el("td", { class: "wrap" }, step.path),
    el("td", { class: "wrap" }, word(step.source) || "–"), el("td", { class: "n" }, figure(step.size, "bytes")), el("td", {}, word(step.method) || word(step.action) || "–"))));
  say(steps.length ? `${files(steps.length)} could share the bytes of others: ${figure(plan.would_free, "bytes")} would be free. Nothing was changed.` : "Nothing is there twice.");
}

async function shareAll(count, bytes) {
  if (!await question(`Let ${files(count)} share the bytes of others? That frees ${figure(bytes, "bytes")}; each file is compared before, and stays where it is.`, "Share")) return;
  run("Comparing and sharing.", "cache.dedup", { yes: true }, report => {
    showPlan({});
    say(`${figure(report.freed, "bytes")} are free now.`);
  });
}

/* ---- one model ---- */

function showFit(d) {
  const parts = [["weights", d.weights], ["KV cache", d.cache], ["recurrent layers", d.state], ["while it computes", d.compute]]
    .filter(([, bytes]) => bytes > 0).map(([name, bytes]) => `${name} ${figure(bytes, "bytes")}`);
  const free = number(d.gpu_available) ?? number(d.available);
  say([`${word(d.model)} ${d.fits === true ? "fits" : d.fits === false ? "does not fit now" : "may fit: how much is free is not known"}: it needs ${figure(d.total, "bytes")}`
    + (parts.length ? ` (${parts.join(", ")})` : "") + (number(d.context) === undefined ? "" : ` for ${d.context} tokens`), free !== undefined && `${figure(free, "bytes")} are free`,
    words(d.fits_without).length && `it would without ${words(d.fits_without).join(", ")}`, number(d.tokens_per_second) !== undefined && `about ${figure(d.tokens_per_second, "tokens per second")} can be expected`]
    .filter(Boolean).join("; ") + ".", d.fits === false);
}

function showPlaces(d) {
  const places = maps(d.models).flatMap(model => maps(model.places));
  say(places.length ? places.map(place => `${title(word(place.app))}: ${word(maps(place.files)[0]?.path) || word(place.store)}${place.files_count > 1 ? ` and ${place.files_count - 1} more` : ""}`
    + `${place.complete === false ? ", not complete" : ""}`).join("\n") : "No store has it.");
}

async function link(model, used, verb) {
  const apps = verb === "link" ? Object.keys(APPS).filter(app => !used.includes(app)) : used;
  const list = el("select", { "aria-label": "App" }, ...apps.map(app => el("option", { value: app }, title(app))));
  const text = verb === "link" ? `Make ${model} appear in which app? It takes no more space.` : `Take ${model} out of which app? The cache keeps its bytes.`;
  if (!await question(text, verb === "link" ? "Link" : "Unlink", list)) return;
  const app = list.value;
  run(`${model}: at work.`, `cache.${verb}`, { app, model }, () => say(`${model} ${verb === "link" ? "is in" : "is no longer in"} ${title(app)}.`));
}

function button(text, label, act) {
  const node = el("button", { type: "button", "aria-label": label, "data-act": label }, text);
  node.addEventListener("click", act);
  return node;
}

function row({ name, size, used, able }) {
  const buttons = able ? [button("Where", `Where is ${name}`, () => run(`Looking for ${name}.`, "cache.where", { model: name }, showPlaces)),
    button("Link…", `Link ${name}`, () => link(name, used, "link")), ...used.length ? [button("Unlink…", `Unlink ${name}`, () => link(name, used, "unlink"))] : []] : [];
  return el("tr", {}, el("td", {}, name || "?"), el("td", { class: "n" }, figure(size, "bytes")), el("td", { class: "wrap" }, used.map(title).join(", ") || "nobody"), el("td", { class: "act" }, ...buttons));
}

/* ---- all of it ---- */

function draw() {
  const d = status || {}, models = maps(d.models), able = can && allowed();
  const count = number(d.models_count) ?? models.length;
  $("#cache-note").textContent = !status ? "The cache has not reported." : [`${count} model${count === 1 ? "" : "s"}`, figure(d.bytes, "bytes"), number(d.saved) !== undefined && `${figure(d.saved, "bytes")} saved by sharing`,
    d.duplicate_bytes > 0 && `${figure(d.duplicate_bytes, "bytes")} are there twice`, d.lookalike_bytes > 0 && `${figure(d.lookalike_bytes, "bytes")} may be and were not read yet`, word(d.dir)].filter(Boolean).join(", ");
  $("#models").parentNode.hidden = models.length === 0;
  keep($("#models tbody"), models.slice(0, SHOWN).map((model, i) => ({ key: `${i} ${word(model.name)}`, name: word(model.name), size: model.size, used: words(model.used_by), able: able && word(model.name) !== "" })), row);
  $("#cache-bar").hidden = !able;
}

// OWN: the machine that is shown is the gateway's.
export function allow(own) {
  if (own && status) want();
  if (can === (own && allowed())) return;
  can = own && allowed();
  draw();
}

// Another machine is shown, of which no cache is known.
export function noCache() {
  status = null;
  showPlan({});
  say("");
  draw();
}

export function onCache(message) {
  status = message.d;
  draw();
}

// What takes long says how far it is.
export function onProgress(message) {
  const d = message.d;
  if (working && word(d.phase)) say([`${word(d.operation)}: ${d.phase}`, word(d.model), d.total > 0 && `${figure(d.done, "bytes")} of ${figure(d.total, "bytes")}`].filter(Boolean).join(", "));
}

export function listen() {
  $("#dedup").addEventListener("click", () => run("Reading what may be there twice.", "cache.dedup", {}, showPlan));
  $("#fits").addEventListener("submit", event => {
    event.preventDefault();
    const model = $("#fits-model").value.trim(), context = Number($("#fits-context").value);
    if (model) run(`Reckoning what ${model} needs.`, "cache.fits", { model, ...context > 0 && { context } }, showFit);
  });
}
