// Ticking people: a range with Shift, all that match, and how many. Without this file the boxes and buttons work, one by one.

const form = () => document.getElementById("many");
const boxes = () => [...document.querySelectorAll("#many [name=people]")];
const number = new Intl.NumberFormat(`${document.documentElement.lang}-u-nu-latn`);
let last = null;
let order = []; // ids in the order in which they were ticked: the first is the one that a merge keeps

function range(box) {
  const all = boxes();
  const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
  if (from >= 0) all.slice(from, to + 1).forEach((each) => (each.checked = box.checked));
}

function say() {
  const every = form().elements.all;
  const ticked = boxes().filter((box) => box.checked);
  const known = new Map(ticked.map((box) => [box.value, box]));
  order = [...order.filter((id) => known.has(id)), ...ticked.map((box) => box.value).filter((id) => !order.includes(id))];
  const count = every.checked ? Number(every.dataset.count) : ticked.length;
  const texts = form().querySelector(".many").dataset;
  const told = (one, several) => (count === 1 ? one : several.replace("{count}", number.format(count)));
  const words = told(texts.one, texts.several);
  form().querySelectorAll("[data-ticked]").forEach((place) => (place.textContent = told(texts.oneTicked, texts.severalTicked)));
  form().querySelectorAll("[data-ticked-words]").forEach((place) => (place.textContent = words));
  const first = known.get(order[0]);
  form().elements.into.value = every.checked || !first ? "" : first.value;
  const into = form().querySelector("[data-into]");
  into.dataset.nobody ??= into.textContent;
  into.textContent = first && !every.checked ? texts.first.replace("{name}", () => first.dataset.name) : into.dataset.nobody;
}

document.addEventListener("click", (event) => {
  const box = event.target.closest("#many [name=people]");
  if (!box) return;
  if (event.shiftKey) range(box);
  last = box;
  if (!box.checked) form().elements.all.checked = false;
  say();
});

document.addEventListener("change", (event) => {
  if (!event.target.matches("#many [name=all]")) return;
  boxes().forEach((box) => (box.checked = event.target.checked));
  say();
});

document.addEventListener("htmx:afterSwap", () => ([last, order] = [null, []]));
if (form()) say(); // boxes that the browser kept ticked
