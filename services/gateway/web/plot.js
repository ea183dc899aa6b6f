// One plot on a canvas: lines with a band from min to max, decimated to one column per pixel.

import { color, el, figure, legendOf } from "./format.js";

const MARGIN = { left: 58, right: 8, top: 8, bottom: 20 };
const SPANS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
  1209600, 2592000, 7776000, 15552000, 31536000];

// Points are [t in ms, min, max, mean, count], in order of t.

// One entry per pixel column that has points: {x, min, max, mean, gap}: gap: no line leads to it.
export function decimate(points, from, to, width, gapMs) {
  const columns = [];
  const perMs = width / (to - from);
  let last = null, lastT = -Infinity;
  for (const [t, min, max, mean, count] of points) {
    if (t < from - gapMs || t > to + gapMs) continue;
    const x = Math.floor((t - from) * perMs);
    if (last && last.x === x) {
      last.min = Math.min(last.min, min);
      last.max = Math.max(last.max, max);
      last.mean = (last.mean * last.count + mean * count) / (last.count + count);
      last.count += count;
    } else {
      last = { x, min, max, mean, count, gap: t - lastT > gapMs };
      columns.push(last);
    }
    lastT = t;
  }
  return columns;
}

function niceStep(range, ticks, base) {
  const raw = range / ticks, size = base ** Math.floor(Math.log(raw) / Math.log(base));
  for (const factor of base === 10 ? [1, 2, 5, 10] : [1, 2, 4, 8]) if (factor * size >= raw) return factor * size;
  return base * size;
}

function timeLabel(t, step) {
  const date = new Date(t);
  if (step >= 86400) return date.toLocaleDateString([], step >= 2592000 ? { year: "2-digit", month: "short" } : { month: "short", day: "numeric" });
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: step < 60 ? "2-digit" : undefined });
}

const SUFFIX = { bytes: "B", ratio: " %", seconds: " s", watts: " W", joules: "J", celsius: " °C", hertz: "Hz" };

// VALUE as a label of an axis whose lines are STEP apart and whose largest value is MOST.
export function axisText(value, step, most, unit) {
  const scaled = unit === "bytes" || unit === "joules" || unit === "hertz" || (!(unit in SUFFIX) && most >= 1e4);
  const [size, prefix] = (scaled && [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([limit]) => most >= limit)) || [1, ""];
  const factor = unit === "ratio" ? 100 : 1 / size;
  const digits = Math.min(9, Math.max(0, Math.ceil(-Math.log10(step * factor) - 1e-9)));
  return (value * factor).toFixed(digits) + (scaled ? ` ${prefix}${SUFFIX[unit] || ""}`.trimEnd() : SUFFIX[unit] || "");
}

// Points farther apart than this have nothing between them: a runtime that was idle, a machine that
// was off. By the distance that most of them have.
export function gapOf(points) {
  const distances = points.slice(-300).map((point, i, all) => i ? point[0] - all[i - 1][0] : Infinity).sort((a, b) => a - b);
  const usual = distances[Math.floor((distances.length - 1) / 2)];
  return Math.min(12000, Math.max(2500, 2.5 * (Number.isFinite(usual) ? usual : 12000)));
}

export class Plot {
  // SHARED: {from, to, cursor, onZoom(from, to), onCursor(t), onReset()}; from, to in ms.
  constructor(title, unit, names, shared, onClose) {
    Object.assign(this, { title, unit, shared, names });
    this.data = new Map(names.map(name => [name, { points: [], live: [], step: 0 }]));
    this.read = el("span", { class: "read" });
    this.canvas = el("canvas", { tabindex: "0", role: "img", "aria-label": title });
    const head = el("header", {}, el("h3", {}, title), this.read);
    if (onClose) {
      const close = el("button", { type: "button", class: "close", "aria-label": `Remove ${title}` }, "✕");
      close.addEventListener("click", onClose);
      head.append(close);
    }
    this.legend = el("ul", { class: "legend" });
    this.node = el("article", { class: "plot" }, head, this.canvas, this.legend);
    if (names.length > 1)
      names.forEach((name, i) => {
        const key = el("span");
        key.style.background = `var(--s${i % 8})`;
        this.legend.append(el("li", { title: name }, key, legendOf(name)));
      });
    this.listen();
  }

  width() { return Math.max(50, this.canvas.clientWidth - MARGIN.left - MARGIN.right); }
  timeAt(x) { return this.shared.from + (x - MARGIN.left) / this.width() * (this.shared.to - this.shared.from); }
  xOf(t) { return MARGIN.left + (t - this.shared.from) / (this.shared.to - this.shared.from) * this.width(); }

  // History first, then what came live after its end.
  pointsOf(series) {
    const end = series.points.length ? series.points[series.points.length - 1][0] : -Infinity;
    const tail = series.live.filter(point => point[0] > end);
    return tail.length ? series.points.concat(tail) : series.points;
  }

  draw() {
    const { canvas, shared } = this;
    const ratio = window.devicePixelRatio || 1;
    const w = canvas.clientWidth, h = canvas.clientHeight;
    if (!w) return;
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
      canvas.width = Math.round(w * ratio);
      canvas.height = Math.round(h * ratio);
    }
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, w, h);
    g.font = "11px system-ui, sans-serif";
    let low = Infinity, high = -Infinity;
    this.columns = this.names.map(name => {
      const series = this.data.get(name);
      const points = this.pointsOf(series);
      const gap = Math.max(3 * series.step, gapOf(points));
      const columns = decimate(points, shared.from, shared.to, this.width(), gap);
      for (const c of columns) { low = Math.min(low, c.min); high = Math.max(high, c.max); }
      return columns;
    });
    this.empty = low > high;
    this.setScale(low, high, h);
    this.drawGrid(g, w, h);
    if (this.empty) {
      g.fillStyle = color("--soft");
      g.textAlign = "center";
      g.fillText("no values in this range", MARGIN.left + this.width() / 2, h / 2);
    }
    g.save();
    g.beginPath();
    g.rect(MARGIN.left, 0, this.width(), h);
    g.clip();
    this.columns.forEach((columns, i) => this.drawSeries(g, columns, color(`--s${i % 8}`)));
    this.drawEvents(g, h);
    this.drawSelection(g, h);
    g.restore();
    this.describe();
  }

  setScale(low, high, h) {
    if (low > high) [low, high] = [0, 1];
    if (low >= 0 && low < high * 0.6) low = 0;
    if (this.unit === "ratio" && low >= 0 && high <= 1) [low, high] = [0, 1];
    if (high - low < Math.abs(high) * 0.02) [low, high] = [Math.min(low, 0), Math.max(high * 1.2, 0)];
    if (low === high) high = low + 1;
    this.tick = niceStep(high - low, 4, 10);
    this.low = Math.floor(low / this.tick) * this.tick;
    this.high = Math.ceil(high / this.tick) * this.tick;
    this.y = value => MARGIN.top + (this.high - value) / (this.high - this.low) * (h - MARGIN.top - MARGIN.bottom);
  }

  drawGrid(g, w, h) {
    const { from, to } = this.shared;
    g.strokeStyle = color("--line");
    g.fillStyle = color("--soft");
    g.lineWidth = 1;
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (let value = this.low; value <= this.high + this.tick / 2; value += this.tick) {
      const y = Math.round(this.y(value)) + 0.5;
      g.beginPath(); g.moveTo(MARGIN.left, y); g.lineTo(w - MARGIN.right, y); g.stroke();
      g.fillText(this.axisLabel(Math.abs(value) < this.tick / 1e6 ? 0 : value), MARGIN.left - 6, y);
    }
    const step = SPANS.find(span => (to - from) / 1000 / span <= this.width() / 75) || SPANS[SPANS.length - 1];
    const offset = new Date(from).getTimezoneOffset() * 60000;
    g.textAlign = "center";
    for (let t = Math.ceil((from - offset) / (step * 1000)) * step * 1000 + offset; t < to; t += step * 1000)
      if (this.xOf(t) < w - 26) g.fillText(timeLabel(t, step), this.xOf(t), h - 9);
  }

  // Only as many digits as tell one line from the next, and the same prefix on all.
  axisLabel(value) {
    return axisText(value, this.tick, Math.max(Math.abs(this.low), Math.abs(this.high)), this.unit);
  }

  drawSeries(g, columns, stroke) {
    g.strokeStyle = g.fillStyle = stroke;
    g.lineWidth = 1.5;
    g.globalAlpha = 0.22;
    for (const c of columns)
      if (c.max > c.min) g.fillRect(MARGIN.left + c.x, this.y(c.max), 1, Math.max(1, this.y(c.min) - this.y(c.max)));
    g.globalAlpha = 1;
    g.beginPath();
    columns.forEach((c, i) => {
      const x = MARGIN.left + c.x + 0.5, y = this.y(c.mean);
      if (c.gap) g.moveTo(x, y); else g.lineTo(x, y);
      const next = columns[i + 1];
      if (c.gap && (!next || next.gap)) g.rect(x - 0.5, y - 0.5, 1, 1);
    });
    g.stroke();
  }

  // What happened meanwhile: dashed lines; the one near the cursor is told beside its values.
  drawEvents(g, h) {
    g.strokeStyle = color("--soft");
    g.lineWidth = 1;
    g.setLineDash([2, 3]);
    for (const { t } of this.shared.events) {
      const x = Math.round(this.xOf(t)) + 0.5;
      g.beginPath(); g.moveTo(x, 0); g.lineTo(x, h - MARGIN.bottom); g.stroke();
    }
    g.setLineDash([]);
  }

  eventText(at) {
    const near = this.shared.events.filter(({ t }) => at !== null && Math.abs(this.xOf(t) - this.xOf(at)) <= 6);
    return near.length ? `  ${near.map(({ kind, text }) => `${kind}: ${text}`).join(", ")}` : "";
  }

  drawSelection(g, h) {
    if (this.drag && this.drag.moved) {
      g.fillStyle = color("--accent");
      g.globalAlpha = 0.18;
      g.fillRect(Math.min(this.drag.x0, this.drag.x1), 0, Math.abs(this.drag.x1 - this.drag.x0), h);
      g.globalAlpha = 1;
    }
    const { cursor } = this.shared;
    if (cursor === null || cursor < this.shared.from || cursor > this.shared.to) return;
    const x = Math.round(this.xOf(cursor)) + 0.5;
    g.strokeStyle = color("--soft");
    g.lineWidth = 1;
    g.beginPath(); g.moveTo(x, 0); g.lineTo(x, h - MARGIN.bottom); g.stroke();
  }

  // The columns nearest to the cursor, or the newest.
  describe() {
    const at = this.shared.cursor;
    const x = at === null ? Infinity : this.xOf(at) - MARGIN.left;
    const near = this.columns.map(columns => {
      if (!columns.length) return null;
      if (x === Infinity) return columns[columns.length - 1];
      const best = columns.reduce((a, b) => Math.abs(b.x - x) < Math.abs(a.x - x) ? b : a);
      return Math.abs(best.x - x) <= 12 ? best : null;
    });
    const texts = near.map(c => c ? figure(c.mean, this.unit) + (near.length === 1 && c.max > c.min
      ? ` (${figure(c.min, this.unit)} – ${figure(c.max, this.unit)})` : "") : "–");
    const when = at === null ? "" : `${new Date(at).toLocaleString([], { dateStyle: "short", timeStyle: "medium" })}  `;
    this.read.textContent = this.empty ? "" : when + texts.join(" · ") + this.eventText(at);
    this.canvas.setAttribute("aria-label", this.empty ? `${this.title}: no values in this range`
      : `${this.title}: ${at === null ? "newest" : when} ${texts.join(", ")}`);
  }

  zoom(factor, t) {
    const { from, to } = this.shared;
    const center = t ?? (from + to) / 2;
    this.shared.onZoom(center - (center - from) * factor, center + (to - center) * factor);
  }

  listen() {
    const { canvas, shared } = this;
    // The wheel alone scrolls the page; with Ctrl, as a pinch on a touchpad sends it, it zooms.
    canvas.addEventListener("wheel", event => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 0.7 : 1 / 0.7, this.timeAt(event.offsetX));
    }, { passive: false });
    canvas.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      this.drag = { x0: event.offsetX, x1: event.offsetX, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", event => {
      if (this.drag) {
        this.drag.x1 = event.offsetX;
        this.drag.moved ||= Math.abs(this.drag.x1 - this.drag.x0) > 4;
      }
      shared.onCursor(this.timeAt(event.offsetX));
    });
    canvas.addEventListener("pointerup", () => {
      const drag = this.drag;
      this.drag = null;
      if (drag && drag.moved) shared.onZoom(...[this.timeAt(drag.x0), this.timeAt(drag.x1)].sort((a, b) => a - b));
    });
    canvas.addEventListener("pointercancel", () => { this.drag = null; });
    canvas.addEventListener("pointerleave", () => shared.onCursor(null));
    canvas.addEventListener("blur", () => shared.onCursor(null));
    canvas.addEventListener("dblclick", () => shared.onReset());
    canvas.addEventListener("keydown", event => this.onKey(event));
  }

  onKey(event) {
    const { shared } = this;
    const span = shared.to - shared.from, step = span / this.width() * 4;
    const move = by => event.shiftKey ? shared.onZoom(shared.from + by * span / 8, shared.to + by * span / 8)
      : shared.onCursor(Math.min(shared.to, Math.max(shared.from, (shared.cursor ?? shared.to) + by * step)));
    const keys = {
      "+": () => this.zoom(0.5, shared.cursor), "=": () => this.zoom(0.5, shared.cursor), "-": () => this.zoom(2, shared.cursor),
      ArrowLeft: () => move(-1), ArrowRight: () => move(1), Escape: () => shared.onReset(), Home: () => shared.onReset(),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  }
}
