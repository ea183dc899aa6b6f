// The cache: what it holds and who uses it.

import { $, el, figure } from "./format.js";

// Another machine is shown, of which no cache is known.
export function noCache() {
  $("#cache-note").textContent = "The cache has not reported.";
  $("#models").parentNode.hidden = true;
}

export function onCache(message) {
  const d = message.d, models = (Array.isArray(d.models) ? d.models : []).filter(model => model && typeof model === "object");
  const count = typeof d.models_count === "number" ? d.models_count : models.length;
  const parts = [`${count} model${count === 1 ? "" : "s"}`, figure(d.bytes, "bytes")];
  if (typeof d.saved === "number") parts.push(`${figure(d.saved, "bytes")} saved by sharing`);
  if (typeof d.dir === "string") parts.push(d.dir);
  $("#cache-note").textContent = parts.join(", ");
  const table = $("#models");
  table.parentNode.hidden = models.length === 0;
  table.tBodies[0].replaceChildren(...models.slice(0, 500).map(model => el("tr", {}, el("td", {}, typeof model.name === "string" ? model.name : "?"),
    el("td", { class: "n" }, figure(model.size, "bytes")), el("td", { class: "wrap" }, (Array.isArray(model.used_by) ? model.used_by : []).join(", ") || "nobody"))));
}
