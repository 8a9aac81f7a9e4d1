// Toasts go by themselves: what was done after 10 seconds, what can be undone after 30, what is wrong when it is dismissed. They stay
// while somebody points at one or is inside one. Without this file they stay until the next page.
"use strict";

const SECONDS = { plain: 10, undo: 30 };

function later(toast) {
  if (!toast.matches(".success, .info")) return;
  const seconds = toast.querySelector("form") ? SECONDS.undo : SECONDS.plain;
  setTimeout(() => (toast.matches(":hover, :focus-within") ? later(toast) : toast.remove()), 1000 * seconds);
}

function show(root) {
  for (const toast of root.querySelectorAll("[data-toast]:has([data-dismiss][hidden])")) {
    toast.querySelector("[data-dismiss]").hidden = false;
    later(toast);
  }
}

document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest("[data-toast]").remove());
document.addEventListener("htmx:oobAfterSwap", () => show(document));
show(document);
