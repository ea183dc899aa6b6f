// The page: live values over server-sent events, and the theme.

import { $, color, el, figure, keep, maps, number, seconds, soft, when } from "./format.js";
import * as actions from "./actions.js";
import * as alarms from "./alarms.js";
import * as bench from "./bench.js";
import * as cache from "./cache.js";
import * as control from "./control.js";
import * as history from "./history.js";
import * as energy from "./energy.js";
import * as fleet from "./fleet.js";
import * as requests from "./requests.js";
import { tilesOf } from "./tiles.js";

const QUIET_MS = 3800; // a gateway that lives sends a beat every second
const SPARK_S = 120;
const machines = new Map(); // host -> (topic -> message)
let messages = new Map();   // those of the machine that is shown
const sparks = new Map();   // tile -> [[t, value]]
let headline = {}, host = "", connection = {};
let staleMs = 0; // the gateway says how old a value may be
let heard = null, arrived = false, skew = 0; // performance.now() of the last event; the gateway's clock against ours

const now = () => Date.now() + skew;

// Outside values are of any type: each is taken as what it should be, or is absent.
const text = value => typeof value === "string" && value ? value : undefined;

function tile(id, value, note, ratio) {
  const node = $(`#${id}`);
  const [valueNode, noteNode] = [node.querySelector(".value"), node.querySelector(".note")];
  if (valueNode.textContent !== value) valueNode.replaceChildren(...soft(value));
  if (noteNode.textContent !== note) noteNode.replaceChildren(...soft(note || "\u00a0"));
  if (ratio === undefined) return;
  if (!sparks.has(id)) sparks.set(id, []);
  const points = sparks.get(id), now = Date.now();
  if (typeof ratio === "number") points.push([now, ratio]);
  while (points.length && now - points[0][0] > SPARK_S * 1000) points.shift();
  spark(node.querySelector("canvas"), points, now);
}

function spark(canvas, points, now) {
  const ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
  canvas.width = w * ratio;
  canvas.height = h * ratio;
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  const values = points.map(point => point[1]);
  const high = Math.max(...values, 0) || 1;
  g.strokeStyle = g.fillStyle = color("--accent");
  g.lineWidth = 1.5;
  g.beginPath();
  points.forEach(([t, value], i) => {
    const x = w - (now - t) / 1000 / SPARK_S * w, y = h - 2 - value / high * (h - 5);
    if (i && t - points[i - 1][0] < 5000) g.lineTo(x, y); else g.moveTo(x, y);
  });
  g.stroke();
}

const fresh = topic => {
  const message = messages.get(topic);
  return message && now() - message.t / 1000 < staleMs ? message.d : null;
};

function share(used, total) {
  return typeof total === "number" ? `of ${figure(total, "bytes")} (${Math.round(used / total * 100)}\u00a0%)` : "";
}

function drawTiles() {
  const busy = headline.models_busy;
  tile("model", busy > 1 ? `${busy} models` : headline.model || "none", busy > 1 ? maps(headline.work).map(one => one.model).join(", ")
    : headline.model ? `${headline.models_loaded} loaded` : "no model loaded");
  drawFigures();
}

// "of 48.0 GB (30 %), swap 1.2 GB", and what belongs to it, or why there is no value.
function figureNote(one, inner) {
  const value = number(one.value), words = text(one.note)?.replace(/(\d)%/g, "$1\u00a0%");
  if (value === undefined) return text(one.why) || words || "not available";
  return [share(value, number(one.total)), words, ...inner.map(other => `${figure(number(other.value), other.unit)} ${share(number(other.value), number(other.total))}`)]
    .filter(Boolean).join(", ");
}

function drawRequestTiles() {
  const activities = [...messages.keys()].filter(topic => /^runtime\..*\.activity$/.test(topic)).map(fresh).filter(Boolean);
  for (const [id, value, note] of tilesOf(activities, headline, maps(headline.warnings))) tile(id, value, text(note));
}

function drawControl() {
  const all = [...messages.keys()].filter(topic => /^runtime\..*\.models$/.test(topic)).sort().map(topic => [topic, fresh(topic)]);
  const models = all.filter(([, d]) => d), own = host === newest?.host;
  control.draw(models, own);
  safely(() => bench.draw(models, own, now()));
  safely(() => cache.allow(own));
}

// What mlxctl status and the tray show as well: a tile for each figure that the machine has.
function drawFigures() {
  const all = maps(headline.figures).filter(one => text(one.id)), list = all.filter(one => !text(one.within));
  for (const old of document.querySelectorAll(".figure"))
    if (!list.some(one => one.id === old.id)) { sparks.delete(old.id); old.remove(); }
  for (const one of list) {
    if (!document.getElementById(one.id))
      $("#services").before(el("article", { class: `tile figure ${one.kind}`, id: one.id }, el("h3", {}, text(one.name)), el("p", { class: "value" }, "–"),
        el("p", { class: "note" }), el("canvas", { "aria-hidden": "true" })));
    const value = number(one.value);
    tile(one.id, value === undefined ? text(one.brief) || "–" : figure(value, one.unit), figureNote(one, all.filter(other => other.within === one.id)), value ?? null);
  }
}

function drawServices() {
  const list = el("ul", { class: "dots" });
  for (const [topic, message] of [...messages].sort())
    if (/^service\..*\.health$/.test(topic)) {
      const silent = now() - message.t / 1000 > staleMs;
      const up = message.d.state === "up" && !silent;
      const state = silent ? "silent" : text(message.d.state) || "in an unknown state";
      list.append(el("li", { class: up ? "up" : "down", title: text(message.d.reason) || state }, topic.split(".")[1], up ? "" : ` ${state}`));
    }
  $("#services .value").textContent = `${headline.services_up ?? 0} up${headline.services_down ? `, ${headline.services_down} not` : ""}`;
  $("#services .note").replaceChildren(list);
}

const speedText = (requests, speed) => !requests ? "idle"
  : (speed === undefined ? "working" : figure(speed, "tokens per second")) + (requests > 1 ? `, ${requests} requests` : "");

// What one model does: its requests, and the sum of their speeds.
function workOf(activity, name) {
  const own = maps(activity.running).filter(one => (text(one.model) || text(activity.model)) === name);
  const speeds = own.map(one => number(one.tokens_per_second)).filter(speed => speed !== undefined);
  if (own.length) return { own, requests: own.length, speed: speeds.length ? speeds.reduce((a, b) => a + b) : undefined };
  const busy = activity.busy === true && !maps(activity.running).length && (text(activity.model) ?? name) === name;
  return { own, requests: busy ? number(activity.requests) || 1 : 0, speed: busy ? number(activity.tokens_per_second) : undefined };
}

const promptOf = model => maps(headline.work).find(one => one.model === text(model.name))?.prompt;

function modelRow(server, model, work) {
  const size = number(model.size), vram = number(model.vram);
  const part = size && vram !== undefined ? figure(vram / size, "ratio") : "–";
  return el("tr", {}, el("td", {}, server), el("td", {}, text(model.name) || "?"), el("td", {}, text(model.quantization) || "–"),
    el("td", { class: "n" }, figure(size, "bytes")), el("td", { class: "n" }, part), el("td", { class: "n" }, String(number(model.context) ?? "–")),
    el("td", { class: "n" }, work.speed === undefined && promptOf(model) || speedText(work.requests, work.speed)));
}

function requestRow(request) {
  const said = [request.tokens !== 0 && number(request.tokens) !== undefined && `${request.tokens} tokens`, number(request.age) !== undefined && `for ${seconds(request.age)}`];
  return el("tr", { class: "request" }, el("td"), el("td", { colspan: "5" }, [text(request.client) || "request", ...said].filter(Boolean).join(", ")),
    el("td", { class: "n" }, speedText(1, number(request.tokens_per_second))));
}

function serverRows(topic) {
  const d = fresh(topic), activity = fresh(topic.replace(/models$/, "activity")) || {};
  const server = [text(d.kind), text(d.version), (text(d.url) || "").replace(/^https?:\/\//, "")].filter(Boolean).join(" ");
  const models = maps(d.models);
  if (!models.length)
    return [el("tr", {}, el("td", {}, server), el("td", { colspan: "6", class: "wrap" },
      d.reachable === true ? "no model loaded" : `not reachable: ${text(d.reason) || "no reason given"}`))];
  return models.flatMap(model => {
    const work = workOf(activity, text(model.name));
    return [modelRow(server, model, work), ...(work.own.length > 1 || text(work.own[0]?.client) ? work.own.map(requestRow) : [])];
  });
}

function drawRuntimes() {
  const rows = [];
  for (const [topic] of [...messages].sort())
    if (/^runtime\..*\.models$/.test(topic) && fresh(topic)) safely(() => rows.push(...serverRows(topic)));
  if (!rows.length) rows.push(el("tr", {}, el("td", { colspan: "7" }, "no model server found")));
  $("#runtimes tbody").replaceChildren(...rows);
}

// What else there is to say of the machine, in the words of mlxctl status.
function drawDetails() {
  const list = maps(headline.details);
  $("#details").hidden = list.length === 0;
  $("#details").replaceChildren(...list.flatMap(one => [el("dt", {}, text(one.name) || "?"), el("dd", {}, text(one.text) || "")]));
}

// What is wrong, in words; the section of alerts has more of it.
function drawAlerts() {
  const list = maps(headline.warnings).filter(one => one.kind !== "silent");
  $("#alerts").hidden = list.length === 0;
  keep($("#alerts ul"), list.map((one, i) => {
    const since = one.kind === "alert" ? number(messages.get(`alert.${one.name}`)?.d.since) : undefined;
    return { key: String(i), text: (text(one.text) || text(one.name) || "?") + (since === undefined ? "" : `, since ${when(since)}`) };
  }), one => el("li", {}, one.text));
}

function drawAlarms() {
  alarms.draw(messages, host === newest?.host, ["live", "partly"].includes(connection.state), now());
}

// Is what is shown live? The page's own clock counts what the gateway does not say.
function drawLink() {
  const quiet = heard === null ? 0 : performance.now() - heard;
  const state = quiet > QUIET_MS ? "lost" : connection.state || "none";
  const said = quiet > QUIET_MS ? `no data for ${Math.floor(quiet / 1000)} s: the gateway does not answer` : text(connection.text);
  const words = heard === null ? "connecting" : state === "live" ? "live" : said || "nothing was heard yet";
  const link = $("#link");
  link.className = state === "live" ? "on" : "off";
  if (link.textContent !== words) link.textContent = words;
  document.body.classList.toggle("past", heard !== null && state === "lost");
  document.body.classList.toggle("past-sensors", headline.sensors_late === true);
  document.body.classList.toggle("past-runtimes", headline.runtimes_late === true);
  return state;
}

// A part that cannot be drawn leaves the others alone.
function safely(part) {
  try { return part(); } catch (problem) { console.warn(problem); return undefined; }
}

let pending = false;
function draw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    for (const part of [drawTiles, drawRequestTiles, drawServices, drawRuntimes, drawControl, drawDetails, drawAlerts, drawAlarms]) safely(part);
    const state = safely(drawLink), speed = headline.tokens_per_second;
    document.title = state === "lost" ? `no data – MLX ${host}` : speed === undefined ? `MLX ${host}` : `${figure(speed, "tokens per second")} MLX ${host}`;
  });
}

function onMessage(message) {
  if (!message.d || typeof message.d !== "object") return;
  if (!machines.has(message.host)) machines.set(message.host, new Map());
  machines.get(message.host).set(message.topic, message);
  if (message.host !== host) return;
  safely(() => history.onLive(message));
  if (/^runtime\..*\.request$/.test(message.topic)) requests.onRequest();
  if (message.topic === "cache.status") safely(() => cache.onCache(message));
  if (message.topic === "cache.progress") safely(() => cache.onProgress(message));
  if (message.topic === "bench.result") safely(() => bench.onBenchResult(message));
  if (message.topic === "bench.progress") safely(() => bench.onBenchProgress(message));
}

// What the gateway said last; the machine that somebody chose, which the address keeps.
let newest = null, chosen = new URLSearchParams(location.search).get("host");

function choose(name) {
  chosen = name;
  window.history.replaceState(null, "", `?host=${encodeURIComponent(name)}${location.hash}`);
  if (newest) onHeadline(newest);
  draw();
}

function onHeadline(said) {
  newest = said;
  staleMs = number(said.stale_ms) ?? 0;
  const all = { ...said.others, [said.host]: said.headline };
  const before = host;
  host = chosen !== null && Object.hasOwn(all, chosen) ? chosen : said.host;
  headline = all[host];
  connection = headline.connection || {};
  if (!machines.has(host)) machines.set(host, new Map());
  messages = machines.get(host);
  if (host !== before) { sparks.clear(); alarms.forget(); }
  $("#host").textContent = host;
  safely(() => fleet.draw(all, host));
  history.setHost(host);
  safely(() => requests.setHost(host));
  if (host !== before && messages.has("cache.status")) safely(() => cache.onCache(messages.get("cache.status")));
  else if (host !== before && before) cache.noCache();
  // The browser went to the section of the address before there was anything above it.
  if (!arrived && location.hash) requestAnimationFrame(() => document.getElementById(location.hash.slice(1))?.scrollIntoView());
  arrived = true;
}

function connect() {
  const source = new EventSource("/api/events");
  const on = (name, take) => source.addEventListener(name, event => {
    heard = performance.now();
    take(JSON.parse(event.data));
    draw();
  });
  on("headline", onHeadline);
  on("message", onMessage);
  on("beat", beat => { skew = beat.t / 1000 - Date.now(); });
  // A server that refused is not tried again by the browser itself.
  source.addEventListener("error", () => { if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000); });
}

function startTheme() {
  const order = ["auto", "dark", "light", "contrast"], button = $("#theme"), root = document.documentElement;
  const show = () => { button.textContent = `Theme: ${root.dataset.theme || "auto"}`; };
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(root.dataset.theme || "auto") + 1) % order.length];
    if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
    try { localStorage.setItem("theme", next); } catch { /* it holds for this page only */ }
    show();
    draw();
  });
  show();
}

startTheme();
actions.start();
document.addEventListener("allowed", draw);
fleet.start(choose);
bench.listen();
cache.listen();
history.start();
requests.load();
energy.start();
bench.loadBenchmarks();
setInterval(bench.loadBenchmarks, 60000);
setInterval(draw, 1000);
connect();
