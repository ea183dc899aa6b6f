// The page: live values over server-sent events, and the theme.

import { $, color, el, figure, seconds } from "./format.js";
import * as history from "./history.js";
import * as tables from "./tables.js";

const STALE_MS = 20000;
const SPARK_S = 120;
const messages = new Map(); // topic -> message, of this host
const sparks = new Map();   // tile -> [[t, value]]
let headline = {}, host = "";

function tile(id, value, note, ratio) {
  const node = $(`#${id}`);
  const [valueNode, noteNode] = [node.querySelector(".value"), node.querySelector(".note")];
  if (valueNode.textContent !== value) valueNode.textContent = value;
  if (noteNode.textContent !== note) noteNode.textContent = note || "\u00a0";
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
  return message && Date.now() - message.t / 1000 < STALE_MS ? message.d : null;
};

const why = (d, field) => d?.missing?.find(entry => entry.field === field)?.why;

function share(used, total) {
  return typeof total === "number" ? `of ${figure(total, "bytes")} (${Math.round(used / total * 100)} %)` : "";
}

function drawSpeed() {
  const speed = headline.tokens_per_second;
  const idle = headline.busy ? "working" : headline.models_loaded || headline.model ? "idle" : "–";
  const note = headline.busy ? headline.source && `from ${headline.source}`
    : headline.last_tokens_per_second !== undefined ? `last request ${figure(headline.last_tokens_per_second, "tokens per second")}` : "no request seen";
  tile("speed", speed === undefined ? idle : figure(speed, "tokens per second"), note, speed ?? null);
}

function drawTiles() {
  const gpus = [...messages.values()].filter(m => m.topic.startsWith("sensor.gpu.") && fresh(m.topic));
  const gpu = gpus[0]?.d, cpu = fresh("sensor.cpu"), heat = fresh("sensor.temperature"), power = fresh("sensor.power");
  const memory = fresh("sensor.memory");
  drawSpeed();
  tile("model", headline.model || "none", headline.model ? `${headline.models_loaded} loaded` : "no model loaded");
  tile("memory", figure(headline.memory_used, "bytes"),
    headline.memory_used === undefined ? why(memory, "used") || "not available" : share(headline.memory_used, headline.memory_total), headline.memory_used ?? null);
  tile("gpu", figure(headline.gpu_utilization, "ratio"), gpu ? [gpus.length > 1 ? `${gpus.length} GPUs` : gpu.name,
    headline.gpu_memory_used !== undefined && `${figure(headline.gpu_memory_used, "bytes")} ${share(headline.gpu_memory_used, headline.gpu_memory_total)}`]
    .filter(Boolean).join(", ") : "no GPU with sensors", headline.gpu_utilization ?? null);
  tile("cpu", figure(headline.cpu_utilization, "ratio"), cpu ? [cpu.name, cpu.cores && `${cpu.cores} cores`].filter(Boolean).join(", ") : "not available",
    headline.cpu_utilization ?? null);
  tile("temperature", figure(headline.temperature, "celsius"),
    headline.temperature === undefined ? why(heat, "cpu") || "not available" : heat?.thermal_state || "", headline.temperature ?? null);
  tile("power", figure(headline.power, "watts"), headline.power === undefined ? why(power, "package") || "not available" : power?.source || "",
    headline.power ?? null);
}

function drawServices() {
  const list = el("ul", { class: "dots" });
  for (const [topic, message] of [...messages].sort())
    if (/^service\..*\.health$/.test(topic)) {
      const silent = Date.now() - message.t / 1000 > STALE_MS;
      const up = message.d.state === "up" && !silent;
      const state = silent ? "silent" : message.d.state;
      list.append(el("li", { class: up ? "up" : "down", title: message.d.reason || state }, topic.split(".")[1], up ? "" : ` ${state}`));
    }
  $("#services .value").textContent = `${headline.services_up ?? 0} up${headline.services_down ? `, ${headline.services_down} not` : ""}`;
  $("#services .note").replaceChildren(list);
}

function modelRow(server, model, speed) {
  const part = model.size && model.vram !== undefined ? figure(model.vram / model.size, "ratio") : "–";
  return el("tr", {}, el("td", {}, server), el("td", {}, model.name || "?"), el("td", {}, model.quantization || "–"),
    el("td", { class: "n" }, figure(model.size, "bytes")), el("td", { class: "n" }, part), el("td", { class: "n" }, model.context ?? "–"),
    el("td", { class: "n" }, speed));
}

function drawRuntimes() {
  const rows = [];
  for (const [topic] of [...messages].sort()) {
    if (!/^runtime\..*\.models$/.test(topic) || !fresh(topic)) continue;
    const d = fresh(topic), activity = fresh(topic.replace(/models$/, "activity")) || {};
    const server = [d.kind, d.version, (d.url || "").replace(/^https?:\/\//, "")].filter(Boolean).join(" ");
    const speed = activity.busy ? figure(activity.tokens_per_second, "tokens per second") : "idle";
    const models = d.models || [];
    models.forEach(model => rows.push(modelRow(server, model, activity.model && activity.model !== model.name ? "idle" : speed)));
    if (!models.length)
      rows.push(el("tr", {}, el("td", {}, server), el("td", { colspan: "6", class: "wrap" }, d.reachable ? "no model loaded" : `not reachable: ${d.reason || "no reason given"}`)));
  }
  if (!rows.length) rows.push(el("tr", {}, el("td", { colspan: "7" }, "no model server found")));
  $("#runtimes tbody").replaceChildren(...rows);
}

function drawAlerts() {
  const firing = [...messages.values()].filter(m => m.topic.startsWith("alert.") && m.d.state === "firing");
  $("#alerts").hidden = firing.length === 0;
  $("#alerts ul").replaceChildren(...firing.map(m => el("li", {}, m.d.summary || m.topic.slice(6),
    m.d.since ? `, for ${seconds(Math.max(0, Date.now() / 1000 - m.d.since / 1e6))}` : "")));
}

let pending = false;
function draw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    drawTiles();
    drawServices();
    drawRuntimes();
    drawAlerts();
    document.title = headline.tokens_per_second === undefined ? `MLX ${host}` : `${figure(headline.tokens_per_second, "tokens per second")} MLX ${host}`;
  });
}

function onMessage(message) {
  if (!host || message.host !== host) return;
  messages.set(message.topic, message);
  history.onLive(message);
  if (message.topic === "cache.status") tables.onCache(message);
  if (message.topic === "bench.result") tables.onBenchResult(message);
  if (message.topic === "bench.progress") tables.onBenchProgress(message);
}

function link(on, text) {
  $("#link").className = on ? "on" : "off";
  $("#link").textContent = text;
}

function connect() {
  const source = new EventSource("/api/events");
  source.addEventListener("open", () => link(true, "live"));
  source.addEventListener("error", () => {
    link(false, "not connected, trying again");
    // A server that refused is not tried again by the browser itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  });
  source.addEventListener("headline", event => {
    const said = JSON.parse(event.data);
    host = said.host;
    headline = said.headline;
    $("#host").textContent = host;
    history.setHost(host);
    draw();
  });
  source.addEventListener("message", event => { onMessage(JSON.parse(event.data)); draw(); });
}

function startTheme() {
  const order = ["auto", "dark", "light"], button = $("#theme"), root = document.documentElement;
  const show = () => { button.textContent = `Theme: ${root.dataset.theme || "auto"}`; };
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(root.dataset.theme || "auto") + 1) % 3];
    if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
    try { localStorage.setItem("theme", next); } catch { /* it holds for this page only */ }
    show();
    draw();
  });
  show();
}

startTheme();
history.start();
tables.loadBenchmarks();
setInterval(tables.loadBenchmarks, 60000);
setInterval(draw, 1000);
connect();
