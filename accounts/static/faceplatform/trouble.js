// What a page does when its session, its connection or the server is lost: says so in words, puts nothing into itself that is
// not meant to be there, and keeps what was typed until somebody has signed in again.
"use strict";

const KEPT = "typed"; // in sessionStorage, until the next page
const WORDS = { 413: "too-large", 429: "too-often", 502: "no-server", 503: "no-server", 504: "slow-server" };

const stillHere = (id, values) => `${text(id, values)} ${text("still-here")}`;

function tell(words) {
  const notice = document.getElementById("trouble");
  notice.hidden = !words;
  if (notice.textContent !== words) notice.textContent = words; // else a page that asks every second would be read out again and again
}

// The server's own words, from its page for errors or its JSON; none from whoever else has answered.
function wordsFrom(xhr) {
  if (!xhr.getResponseHeader("X-Request-ID")) return "";
  if (!/json/.test(xhr.getResponseHeader("Content-Type"))) {
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
    return page.querySelector(".error[role=alert]:not([hidden])")?.textContent.trim() ?? "";
  }
  try {
    return JSON.parse(xhr.responseText).detail ?? "";
  } catch {
    return "";
  }
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  event.detail.shouldSwap &&= xhr.getResponseHeader("X-Fragment") === "true";
  if (xhr.getResponseHeader("X-Fragment") || xhr.status === 204) return tell("");
  tell(wordsFrom(xhr) || stillHere(WORDS[xhr.status] ?? "failed", { status: xhr.status }));
});

for (const type of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(type, () => tell(stillHere("no-connection")));
}

const typed = (field) => field.name && /^(text|search|email|url|number|date|time|textarea|select-one)$/.test(field.type)
  && field.autocomplete !== "one-time-code";
const place = (field) => `${field.form?.getAttribute("action") ?? ""} ${field.name}`;
const thisPage = () => location.pathname + location.search;

function keep() {
  const fields = [...document.querySelectorAll("form[method=post] :is(input, textarea, select)")].filter(typed);
  const values = fields.map((field) => [place(field), field.value]);
  const user = document.body.dataset.user;
  if (user) sessionStorage.setItem(KEPT, JSON.stringify({ page: thisPage(), user, values }));
}

// A page of signing in passes it on; on any other page it is restored if it belongs there, and forgotten.
function restore() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT));
  if (!kept) return;
  if (!document.body.dataset.user) return sessionStorage.setItem(KEPT, JSON.stringify({ ...kept, signedOut: true }));
  sessionStorage.removeItem(KEPT);
  if (!kept.signedOut || kept.page !== thisPage() || kept.user !== document.body.dataset.user) return;
  const values = new Map(kept.values);
  for (const field of [...document.querySelectorAll("form[method=post] :is(input, textarea, select)")].filter(typed)) {
    if (values.has(place(field))) field.value = values.get(place(field));
  }
}

document.addEventListener("htmx:beforeOnLoad", (event) => {
  if (event.detail.xhr.status === 401) keep();
});
document.addEventListener("submit", keep);
restore();
