// A result: a face and its card light up together, and what was answered gets the focus.

function light(event) {
  const key = event.type === "focusout" ? null : event.target.closest?.("[data-face]")?.dataset.face;
  for (const part of document.querySelectorAll("[data-face]")) part.classList.toggle("lit", part.dataset.face === key);
}
for (const type of ["mouseover", "focusin", "focusout"]) document.addEventListener(type, light);

// What was said in a card, or else the first of the new answers; not where somebody is typing.
document.addEventListener("htmx:afterSwap", ({ target }) => {
  const busy = document.activeElement;
  if (busy?.matches("[data-focus], input[type=search], input[name=name]")) return;
  const part = target.querySelector?.(".notice[data-focus]") ?? target.querySelector?.("[data-focus]");
  part?.focus({ preventScroll: part.matches(".notice") });
});

document.addEventListener("toggle", (event) => {
  if (event.newState === "open" || event.target.open) event.target.querySelector?.("[data-first]")?.focus();
}, true);
