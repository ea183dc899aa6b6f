// Sweeps as plots: speed against the length of the context, or against clients at once.

import { el, figure, number, word } from "./format.js";

const WIDTH = 360, HEIGHT = 190, LEFT = 46, BOTTOM = 36, TOP = 10, RIGHT = 14;

function interval(value) {
  const mean = number(value?.mean) ?? number(value?.median);
  return mean === undefined ? undefined : { mean, low: number(value.low) ?? mean, high: number(value.high) ?? mean };
}

// The points of RUN that have a place: [{name, x, each, all}], in order.
export function pointsOf(run) {
  const list = Array.isArray(run.points) ? run.points.filter(point => point && typeof point === "object") : [];
  return list.map(point => ({ name: word(point.name), x: number(run.sweep === "parallel" ? point.clients : point.prompt_tokens) ?? number(parseFloat(point.name)),
    each: interval(point.tokens_per_second), all: interval(point.total_tokens_per_second), ttft: interval(point.ttft) }))
    .filter(point => point.x > 0).sort((a, b) => a.x - b.x);
}

// "41.0 – 12.3": the first speed and the last.
export function rangeOf(points) {
  const speeds = points.filter(point => point.each);
  return speeds.length ? [...new Set([speeds[0], speeds[speeds.length - 1]])].map(point => point.each.mean.toFixed(1)).join(" – ") : "–";
}

function svg(tag, attributes, text) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const short = value => value >= 1024 && value % 1024 < 1 ? `${value / 1024}k` : value >= 10000 ? `${Math.round(value / 1000)}k` : String(Math.round(value));

function step(most) {
  const size = 10 ** Math.floor(Math.log10(most / 4));
  return [1, 2, 5, 10].map(factor => factor * size).find(one => one * 4 >= most) || size * 10;
}

// One figure: RUNS [{name, points}] by the interval that OF gives of a point. NULL: there is nothing to draw.
function plot(title, unit, runs, of, axis) {
  const all = runs.flatMap(run => run.points.filter(of));
  if (!all.length) return null;
  const most = Math.max(...all.map(point => of(point).high)) || 1, lines = step(most), top = Math.ceil(most / lines) * lines;
  const xs = [...new Set(all.map(point => point.x))].sort((a, b) => a - b), [low, high] = [Math.log(xs[0]), Math.log(xs[xs.length - 1])];
  const x = value => LEFT + (high > low ? (Math.log(value) - low) / (high - low) : 0.5) * (WIDTH - LEFT - RIGHT), y = value => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const told = runs.map(run => `${run.name}: ${run.points.filter(of).map(point => `${point.name} ${figure(of(point).mean, unit)}`).join(", ")}`).join("; ");
  const node = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}. ${told}` });
  for (let value = 0; value <= top * 1.001; value += lines)
    node.append(svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: "grid" }), svg("text", { x: LEFT - 6, y: y(value) + 4, class: "end" }, String(+value.toPrecision(3))));
  let free = -Infinity;
  for (const value of xs) if (x(value) - free > 34) { node.append(svg("text", { x: x(value), y: HEIGHT - BOTTOM + 16, class: "mid" }, short(value))); free = x(value); }
  node.append(svg("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 4, class: "mid" }, axis));
  runs.forEach((run, i) => {
    const points = run.points.filter(of), group = svg("g", { class: `line${i % 8}` });
    group.append(svg("polyline", { points: points.map(point => `${x(point.x)},${y(of(point).mean)}`).join(" ") }));
    for (const point of points) {
      const dot = svg("circle", { cx: x(point.x), cy: y(of(point).mean), r: 3.5 }), { low: from, high: to, mean } = of(point);
      dot.append(svg("title", {}, `${run.name}, ${point.name}: ${figure(mean, unit)} (${figure(from, unit)} – ${figure(to, unit)})`));
      group.append(svg("line", { x1: x(point.x), x2: x(point.x), y1: y(from), y2: y(to) }), dot);
    }
    node.append(group);
  });
  return el("figure", { class: "plot" }, el("figcaption", {}, el("h3", {}, title)), node,
    el("ul", { class: "legend" }, ...runs.map((run, i) => el("li", {}, el("span", { class: `key${i % 8}` }), run.name))));
}

let drawn = "";

// RUNS: of one kind of sweep, at most two.
export function draw(parent, runs) {
  const text = JSON.stringify(runs), parallel = runs[0]?.sweep === "parallel", axis = parallel ? "clients at once" : "tokens of the prompt";
  if (text === drawn) return;
  drawn = text;
  parent.replaceChildren(...[
    plot(parallel ? "Speed of each client, tok/s" : "Generation speed, tok/s", "tokens per second", runs, point => point.each, axis),
    parallel && plot("All clients together, tok/s", "tokens per second", runs, point => point.all, axis),
    plot("Time to the first token, s", "seconds", runs, point => point.ttft, axis)].filter(Boolean));
}
