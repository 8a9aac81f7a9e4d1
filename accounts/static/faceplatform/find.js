// Suggestions below the search of the bar: arrow keys go through them, Escape closes them. Without this file Enter leads to the page.
const field = document.querySelector(".find [name=q]");
const list = document.getElementById("suggestions");

function show(open) {
  list.hidden = !open;
  field.setAttribute("aria-expanded", String(open));
}

function move(step) {
  const stops = [field, ...list.querySelectorAll("a")];
  const here = stops.indexOf(document.activeElement);
  stops[(here + step + stops.length) % stops.length].focus();
}

if (field && list) {
  const form = field.form;
  list.addEventListener("htmx:afterSwap", () => show(list.childElementCount > 0 && form.contains(document.activeElement)));
  field.addEventListener("focus", () => list.childElementCount && field.value && show(true));
  form.addEventListener("focusout", (event) => form.contains(event.relatedTarget) || show(false));
  form.addEventListener("mousedown", (event) => event.target.closest("#suggestions") && event.preventDefault()); // keeps the focus
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      field.focus();
      show(false);
    }
    if (list.hidden || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    event.preventDefault();
    move(event.key === "ArrowDown" ? 1 : -1);
  });
}
