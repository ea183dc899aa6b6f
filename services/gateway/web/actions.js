// Changing something: the gateway's token, the question before it, and what came of it.

import { $, ask, explain } from "./format.js";

let token = "", asked = false, refused = "";

export const allowed = () => token !== "";
export const refusal = () => refused;

// The token is asked for once something can be done with it.
export async function want() {
  if (asked) return;
  asked = true;
  try {
    const said = (await ask("/api/token")).token;
    token = typeof said === "string" ? said : "";
  } catch (problem) {
    refused = explain(problem);
  }
  document.dispatchEvent(new Event("allowed"));
}

// The person's answer: true or false. MORE: a node with what else there is to choose. The button that
// asked has the focus again afterwards.
export function question(text, verb, more) {
  const dialog = $("#question");
  if (dialog.open) return Promise.resolve(false);
  $("#question-text").textContent = text;
  $("#question-yes").textContent = verb;
  $("#question-more").replaceChildren(...more ? [more] : []);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise(resolve => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

export async function send(path, body) {
  for (let again = 0; ; again++) {
    const reply = await fetch(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", "X-MLX-Token": token } });
    const said = await reply.json();
    if (reply.ok) return said;
    if (reply.status !== 403 || again) throw Object.assign(new Error(said.error.message), said.error);
    token = (await ask("/api/token")).token; // the gateway was started anew
  }
}

// A command of the bus.
export const command = (name, more) => send("/api/actions", { do: name, ...more });

export function start() {
  for (const answer of ["yes", "no"])
    $(`#question-${answer}`).addEventListener("click", () => $("#question").close(answer));
}
