// Which models there are, and loading, freeing and keeping them: after a question, with the gateway's token.

import { $, el, explain, figure, maps, word } from "./format.js";
import { allowed, question, refusal, send, want } from "./actions.js";

const VERBS = {
  load: { button: "Load", question: name => `Load ${name} into memory?`, done: "is loaded" },
  unload: { button: "Unload", question: name => `Free the memory of ${name}?`, done: "is unloaded" },
  pin: { button: "Keep", question: name => `Load ${name} and keep it until it is unloaded?`, done: "stays loaded" },
};
const SHOWN = 200;
const EMPTY = ["No model is loaded.", "No model server answers."];

let drawn = "", busy = "";

// One row a model: those that are loaded, then those that could be.
export function rowsOf(messages) {
  const rows = [];
  for (const [topic, d] of messages) {
    const [, endpoint] = topic.match(/^runtime\.[^.]+\.(.+)\.models$/) || [];
    if (!endpoint || d.reachable !== true) continue;
    const can = Array.isArray(d.can) ? d.can.filter(verb => Object.hasOwn(VERBS, verb)) : [];
    const server = [word(d.kind), word(d.url).replace(/^https?:\/\//, "")].filter(Boolean).join(" ");
    const loaded = maps(d.models).filter(model => word(model.name));
    const others = maps(d.available).filter(model => word(model.name) && !loaded.some(one => one.name === model.name));
    for (const [models, isLoaded] of [[loaded, true], [others, false]])
      for (const model of models)
        rows.push({ endpoint, server, name: model.name, state: isLoaded ? model.loading === true ? "loading" : "loaded" : word(model.state) || "available",
          size: model.size, stays: isLoaded && model.expires_at === undefined, verbs: can.filter(verb => verb === "load" ? !isLoaded : verb === "unload" ? isLoaded : true) });
  }
  return rows.slice(0, SHOWN);
}

function say(text, bad) {
  const node = $("#control-note");
  node.textContent = text;
  node.classList.toggle("slower", bad === true);
}

async function act(verb, row) {
  if (busy || !await question(VERBS[verb].question(row.name), VERBS[verb].button)) return;
  const body = { do: verb, model: row.name, runtime: row.endpoint };
  busy = row.name;
  say(`${row.name}: asked the model server`);
  try {
    const said = await send("/api/models", body).catch(async problem => {
      if (problem.code !== "busy" || verb !== "unload" || !await question(`${problem.message}. Free its memory all the same?`, "Unload")) throw problem;
      return send("/api/models", { ...body, force: true });
    });
    const memory = typeof said.memory_after === "number" && typeof said.memory_before === "number"
      ? `; memory in use: ${figure(said.memory_before, "bytes")} before, ${figure(said.memory_after, "bytes")} now` : "";
    say(`${row.name} ${VERBS[verb].done}${memory}`);
  } catch (problem) {
    say(`${row.name}: ${explain(problem)}`, true);
  }
  busy = "";
}

function button(verb, row) {
  const node = el("button", { type: "button", "aria-label": `${VERBS[verb].button} ${row.name}`, "data-key": `${verb} ${row.endpoint} ${row.name}` }, VERBS[verb].button);
  node.addEventListener("click", () => act(verb, row));
  return node;
}

function line(row, own) {
  const verbs = own && allowed() ? row.verbs.map(verb => button(verb, row)) : [];
  return el("tr", {}, el("td", {}, row.name), el("td", {}, row.server), el("td", {}, row.state + (row.stays ? ", stays" : "")),
    el("td", { class: "n" }, figure(row.size, "bytes")), el("td", { class: "act" }, ...verbs));
}

// MESSAGES: (topic, data) of the machine that is shown; OWN: it is the gateway's.
export function draw(messages, own) {
  const rows = rowsOf(messages), seen = JSON.stringify([rows, own, allowed(), refusal()]);
  if (own && rows.some(row => row.verbs.length)) want();
  if (seen === drawn) return; // a row that is replaced loses its focus
  drawn = seen;
  const focused = document.activeElement?.dataset?.key;
  $("#control tbody").replaceChildren(...rows.map(row => line(row, own)));
  $("#control").parentNode.hidden = rows.length === 0;
  if (focused) document.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  if (!busy && refusal()) say(`Models cannot be changed here: ${refusal()}`);
  else if (!busy && ["", ...EMPTY].includes($("#control-note").textContent)) // what came of a change stays
    say(rows.length ? "" : EMPTY[messages.some(([, d]) => d.reachable === true) ? 0 : 1]);
}
