// A form is sent once: the second press of a double click would do it again, and show the answer to that one. While the answer is
// on its way the page says so, and afterwards going back, forward or loading anew does not send the form again.
"use strict";

const SAID_AFTER = 400; // ms: what is quicker needs no words
const RELEASED_AFTER = 20_000; // ms: a file was saved, or somebody has stopped the browser, and the page is still here

const busy = new Set(); // forms on their way

function release(form) {
  busy.delete(form);
  document.querySelector("[data-sending]")?.remove();
}

function say() {
  if (!busy.size || document.querySelector("[data-sending]")) return;
  const words = document.createElement("p");
  Object.assign(words, { className: "notice", role: "status", textContent: text("sending") });
  words.dataset.sending = "";
  document.getElementById("toasts").append(words);
}

// Not where a script sends a photo as soon as it is chosen: the next one is htmx's to keep until then.
const asks = ({ target, submitter }) => target.method === "post" && submitter?.formMethod !== "dialog"
  && (submitter || !target.matches("[hx-post]"));

document.addEventListener("submit", (event) => {
  if (!asks(event)) return;
  if (busy.has(event.target)) event.preventDefault(), event.stopImmediatePropagation();
  else busy.add(event.target);
}, true);

// After all others had their say: htmx sends it itself, some with words of their own, and a question may be answered with no.
addEventListener("submit", (event) => {
  const form = event.target;
  if (!asks(event) || form.matches("[hx-post][hx-indicator]")) return;
  if (form.matches("[hx-post]")) return setTimeout(say, SAID_AFTER);
  if (event.defaultPrevented) return release(form);
  const saves = form.matches("[data-saves-a-file]") || event.submitter?.matches("[data-saves-a-file]");
  setTimeout(say, SAID_AFTER);
  setTimeout(() => release(form), saves ? SAID_AFTER : RELEASED_AFTER);
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const form = detail.elt.closest("form"); // which the answer may have replaced
  if (busy.has(form)) release(form);
});
addEventListener("pageshow", () => [...busy].forEach(release)); // by the button back

// A page that answers a form takes the place of the one with the form: to that one the browser can return without asking.
const { referrer, body } = document;
if ("posted" in body.dataset) history.replaceState(history.state, "", referrer.startsWith(location.origin) ? referrer : "");
