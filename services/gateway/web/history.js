// The history section: which plots, which range, and when to ask again.

import { $, ask, el, explain, unitOf } from "./format.js";
import { Plot } from "./plot.js";

const LIVE_MAX = 1200; // points kept of each series while the page is open
const DEFAULTS = [
  ["Generation", /\/runtime\.[^/]*\.activity\/tokens_per_second$/],
  ["GPU utilization", /\/sensor\.gpu\.\d+\/utilization$/],
  ["GPU memory", /\/sensor\.gpu\.\d+\/memory_used$/],
  ["Memory used", /\/sensor\.memory\/used$/],
  ["CPU utilization", /\/sensor\.cpu\/utilization$/],
  ["Temperature", /\/sensor\.(gpu\.\d+\/temperature|temperature\/(cpu|max))$/],
  ["Power", /\/sensor\.(gpu\.\d+\/power|power\/(total|package))$/],
  ["Time to first token", /\/runtime\.[^/]*\.activity\/ttft$/],
];

let range = 3600, zoomed = false, host = "", known = new Set(), plots = [], request = null, away = false;
const live = new Map(); // series -> points

const shared = {
  from: Date.now() - 3600e3, to: Date.now(), cursor: null, events: [],
  onCursor(t) { shared.cursor = t; redraw(); },
  onReset() { zoomed = false; follow(); refresh(); },
  onZoom(from, to) {
    const span = Math.min(Math.max(to - from, 5000), 10 * 366 * 86400e3);
    const middle = (from + to) / 2;
    shared.to = Math.min(middle + span / 2, Date.now());
    shared.from = shared.to - span;
    zoomed = true;
    follow();
    refreshSoon();
  },
};

let drawing = false;
function redraw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; for (const plot of plots) plot.draw(); });
}

// Keep the right edge at now, unless the view was zoomed.
function follow() {
  if (!zoomed) { shared.to = Date.now(); shared.from = shared.to - range * 1000; }
  $("#unzoom").hidden = !zoomed;
  const text = t => new Date(t).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  $("#span").textContent = `${text(shared.from)} – ${text(shared.to)}`;
  redraw();
}

let soon = 0;
function refreshSoon() { clearTimeout(soon); soon = setTimeout(refresh, 150); }

async function refresh() {
  clearTimeout(soon);
  request?.abort();
  request = new AbortController();
  const { signal } = request;
  const margin = (shared.to - shared.from) * 0.02;
  for (const plot of plots)
    for (const name of plot.names) {
      if (away || !known.has(name)) continue;
      const query = new URLSearchParams({
        series: name, since: ((shared.from - margin) / 1000).toFixed(3), until: ((shared.to + margin) / 1000).toFixed(3),
        points: Math.min(2000, Math.max(100, Math.round(plot.width()))),
      });
      try {
        const reply = await ask(`/api/history?${query}`, signal);
        const series = plot.data.get(name);
        series.points = reply.points.map(([t, ...rest]) => [t / 1000, ...rest]);
        series.step = (reply.step || 0) * 1000;
        if (reply.unit) plot.unit = reply.unit;
        shared.events = (reply.events || []).map(({ t, kind, text }) => ({ t: t / 1000, kind, text }));
        plot.node.dataset.points = series.points.length;
        redraw();
      } catch (problem) {
        if (problem.name === "AbortError") return;
        if (problem.code === "unavailable") { note(problem); return; }
      }
    }
}

function note(problem) {
  away = Boolean(problem);
  const node = $("#history-note");
  node.hidden = !problem;
  node.textContent = problem ? `Only values since this page was opened: ${explain(problem)}` : "";
}

function shortName(series) {
  return series.startsWith(`${host}/`) ? series.slice(host.length + 1) : series;
}

function add(title, names, closable) {
  const plot = new Plot(title, unitOf(names[0]), names, shared, closable && (() => {
    plots = plots.filter(other => other !== plot);
    plot.node.remove();
  }));
  names.forEach(name => { plot.data.get(name).live = live.get(name) || []; });
  plots.push(plot);
  $("#plots").append(plot.node);
  return plot;
}

// Plots for what is known now; those that are there stay.
function arrange(names) {
  let changed = false;
  for (const [title, pattern] of DEFAULTS) {
    const wanted = names.filter(name => name.startsWith(`${host}/`) && pattern.test(name)).slice(0, 8);
    const plot = plots.find(other => other.title === title && other.standard);
    if (!wanted.length || (plot && plot.names.length >= wanted.length)) continue;
    if (plot) { plots = plots.filter(other => other !== plot); plot.node.remove(); }
    add(title, wanted).standard = true;
    changed = true;
  }
  if (!changed) return;
  const order = plot => plot.standard ? DEFAULTS.findIndex(([title]) => title === plot.title) : DEFAULTS.length;
  plots.sort((a, b) => order(a) - order(b));
  $("#plots").append(...plots.map(plot => plot.node));
  refreshSoon();
}

async function learn() {
  try {
    const { series } = await ask("/api/series");
    const more = away || series.some(name => !known.has(name));
    known = new Set(series);
    note(null);
    if (more) refreshSoon(); // plots of live values may be there already
    $("#names").replaceChildren(...series.map(name => el("option", { value: shortName(name) })));
    arrange([...new Set([...series, ...live.keys()])]);
  } catch (problem) {
    note(problem);
    arrange([...live.keys()]);
  }
}

// A message of the bus: its numbers continue the plots.
export function onLive(message) {
  if (!host || message.host !== host || !/^(sensor|runtime)\./.test(message.topic)) return;
  for (const [key, value] of Object.entries(message.d)) {
    if (typeof value !== "number") continue;
    const name = `${host}/${message.topic}/${key}`;
    let points = live.get(name);
    if (!points) {
      live.set(name, points = []);
      for (const plot of plots) if (plot.data.has(name)) plot.data.get(name).live = points;
      if (DEFAULTS.some(([, pattern]) => pattern.test(name))) queueMicrotask(() => arrange([...new Set([...known, ...live.keys()])]));
    }
    points.push([message.t / 1000, value, value, value, 1]);
    if (points.length > LIVE_MAX) points.shift();
  }
  if (!zoomed && range <= 3600) { shared.to = Date.now(); shared.from = shared.to - range * 1000; redraw(); }
}

export function setHost(name) {
  if (host === name) return;
  host = name;
  for (const plot of plots) plot.node.remove();
  plots = [];
  live.clear();
  learn();
}

export function start() {
  for (const button of document.querySelectorAll("#ranges button"))
    button.addEventListener("click", () => {
      for (const other of document.querySelectorAll("#ranges button")) other.setAttribute("aria-pressed", String(other === button));
      range = Number(button.dataset.range);
      zoomed = false;
      follow();
      refresh();
    });
  $("#unzoom").addEventListener("click", () => shared.onReset());
  $("#more").addEventListener("change", event => {
    const name = [event.target.value, `${host}/${event.target.value}`].find(text => known.has(text) || live.has(text));
    if (!name) return;
    event.target.value = "";
    add(shortName(name), [name], true).node.scrollIntoView({ block: "nearest" });
    refresh();
  });
  new ResizeObserver(redraw).observe($("#plots"));
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  follow();
  setInterval(() => { if (!document.hidden) { follow(); if (!zoomed) refresh(); } }, 10000);
  setInterval(learn, 30000);
}

// What is shown, in ms since 1970.
export const view = () => ({ from: shared.from, to: shared.to });
