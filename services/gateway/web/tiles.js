// The tiles beside the machine's: how requests fare, what they cost, what was found.

import { figure, number } from "./format.js";
import { spent } from "./energy.js";
import { newest } from "./requests.js";

const sum = list => list.length ? list.reduce((a, b) => a + b) : undefined;

// Of the activities of the machine's servers: the one whose newest request ended last.
function latest(activities) {
  return activities.filter(d => number(d.last?.t) !== undefined).sort((a, b) => b.last.t - a.last.t)[0]?.last || {};
}

// [id, value, note] of each tile. ACTIVITIES: of the servers; WARNINGS: of the headline.
export function tilesOf(activities, headline, warnings) {
  const all = field => activities.map(d => number(d[field])).filter(value => value !== undefined);
  const last = latest(activities), request = newest(), prompt = sum(all("prompt_tokens_per_second"));
  const ttft = number(last.ttft) ?? number(request?.ttft) ?? all("ttft")[0], before = number(last.prompt_tokens_per_second);
  const ended = sum(all("requests_total")), errors = sum(all("errors_total"));
  const running = activities.length ? headline.requests ?? 0 : undefined;
  const known = headline.connection?.state === "live" || headline.connection?.state === "partly";
  const found = warnings.filter(one => one.kind === "finding"), cost = spent(), queue = number(request?.queue);
  return [
    ["ttft", figure(ttft, "seconds"), ttft === undefined ? "no request seen" : "to the first token, newest request"],
    ["prompt", figure(prompt ?? before, "tokens per second"), prompt !== undefined ? "reading prompts now" : before !== undefined ? "newest request" : "no prompt seen"],
    ["running", running === undefined ? "–" : String(running), running === undefined ? "no model server reports" : ended === undefined ? "under way" : `${ended} ended${errors ? `, ${errors} failed` : ""}`],
    ["queue", figure(queue, "seconds"), queue === undefined ? "no server tells" : "wait of the newest request"],
    ["spent-tile", cost.value, cost.note],
    found.length ? ["findings", String(found.length), found[0].text]
      : ["findings", known ? "0" : "–", known ? "nothing slows the machine down" : "not known: there is no data"],
  ];
}
