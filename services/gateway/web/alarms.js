// Alerts and findings of the machine that is shown: what fires, since when, what helps, and silence for a time.

import { $, el, explain, keep, number, when, word } from "./format.js";
import { allowed, command, question, want } from "./actions.js";

const TIMES = [[600, "10 minutes"], [3600, "1 hour"], [28800, "8 hours"], [86400, "1 day"], [604800, "1 week"]];
const SHOWN = 100;

let fired = null; // key -> text of what fires; null: nothing was drawn yet

// What the bus says as rows: what fires first, then what has ended, the newest first.
export function rowsOf(messages, nowMs) {
  const rows = [];
  for (const [topic, message] of messages) {
    const [, kind, rule] = topic.match(/^(alert|finding)\.(.+)$/) || [];
    if (!kind || !message.d || typeof message.d !== "object") continue;
    const d = message.d, firing = d.state === "firing", until = number(d.silenced_until);
    if (!firing && d.state !== "resolved") continue;
    rows.push({ key: topic, kind, rule, firing, text: word(d.summary) || rule, remedy: firing ? word(d.remedy) : "",
      at: firing ? number(d.since) ?? message.t : message.t, until: until !== undefined && until / 1000 > nowMs ? until : undefined });
  }
  return rows.sort((a, b) => b.firing - a.firing || b.at - a.at).slice(0, SHOWN);
}

// "keep it loaded: mlxctl pin x", with the command as such.
export function withCommand(text) {
  const [, words, program] = text.match(/^(.*: )((?:mlxctl|mlx-cache|ollama|llama-server|vllm|[A-Z_]+=\S).*)$/) || [];
  return program ? [words, el("code", {}, program)] : [text];
}

function say(text, bad) {
  $("#alarms-note").textContent = text;
  $("#alarms-note").classList.toggle("slower", bad === true);
}

async function silence(row) {
  const list = el("select", { "aria-label": "For how long" }, ...TIMES.map(([s, name]) => el("option", { value: String(s), selected: s === 3600 }, name)));
  if (!row.until && !await question(`Tell nobody of "${row.text}"? For how long?`, "Silence", list)) return;
  try {
    await command("alert.silence", { rule: row.rule, seconds: row.until ? 0 : Number(list.value) });
    say(row.until ? `${row.rule} is told again.` : `${row.rule} is silent for ${list.selectedOptions[0].textContent}.`);
  } catch (problem) {
    say(`${row.rule}: ${explain(problem)}`, true);
  }
}

function line(row) {
  const verb = row.until ? "Tell again" : "Silence";
  const button = row.can && el("button", { type: "button", "data-act": `silence ${row.key}`, "aria-label": `${verb} ${row.rule}` }, verb);
  if (button) button.addEventListener("click", () => silence(row));
  const state = (row.firing ? row.kind === "alert" ? "firing" : "found" : "ended") + (row.until ? `, silent until ${when(row.until)}` : "");
  return el("tr", { class: row.firing ? "firing" : "ended" }, el("td", {}, el("span", { class: row.firing ? "down" : false }, state)),
    el("td", {}, row.kind), el("td", { class: "wrap" }, row.text), el("td", {}, when(row.at)), el("td", { class: "wrap" }, ...withCommand(row.remedy || "–")),
    el("td", { class: "act" }, button || ""));
}

// What began and what ended since the last time, for who does not see the page.
function tell(rows) {
  const now = new Map(rows.filter(row => row.firing && !row.until).map(row => [row.key, row.text]));
  const said = [...[...now].filter(([key]) => !fired?.has(key)).map(([, text]) => text),
    ...[...fired || []].filter(([key]) => !now.has(key)).map(([, text]) => `ended: ${text}`)];
  fired = now;
  if (said.length) $("#alarms-told").textContent = said.join("; ");
}

// MESSAGES: topic -> message of the machine that is shown; OWN: it is the gateway's; KNOWN: it is heard.
export function draw(messages, own, known, nowMs) {
  const rows = rowsOf(messages, nowMs), can = own && allowed();
  if (own && rows.some(row => row.kind === "alert")) want();
  keep($("#alarms tbody"), rows.map(row => ({ ...row, can: can && row.kind === "alert" && (row.firing || row.until !== undefined) })), line);
  $("#alarms").parentNode.hidden = rows.length === 0;
  $("#alarms-none").hidden = rows.length > 0;
  $("#alarms-none").textContent = known ? "No alert has fired and nothing was found." : "Not known: there is no data.";
  tell(rows);
}

// Another machine is shown: what fires there did not begin now.
export function forget() {
  fired = null;
  say("");
}
