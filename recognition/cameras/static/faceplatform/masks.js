// Shapes drawn on a camera's picture, kept as JSON in the form's text field, which is all there is without this file.

const CLOSE = 0.03; // of the picture: so near to its first corner, a shape is closed
const MOST_CORNERS = 50;

const page = document.querySelector("[data-masks]");
const field = document.getElementById(page.dataset.masks);
const drawing = page.querySelector("svg");
let open = []; // corners of the shape that is being drawn

function shapes() {
  try {
    const found = JSON.parse(field.value || "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return [];
  }
}

function keep(found) {
  field.value = JSON.stringify(found);
  draw();
}

function shape(kind, corners) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  made.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
  return made;
}

function draw() {
  const begun = open.length === 1 ? [open[0], open[0].map((share) => share + 0.005)] : open;
  drawing.replaceChildren(...shapes().map((corners) => shape("polygon", corners)), shape("polyline", begun));
}

function cornerOf(event) {
  const { left, top, width, height } = drawing.getBoundingClientRect();
  const share = (part, whole) => Math.min(1, Math.max(0, Math.round((part / whole) * 1000) / 1000));
  return [share(event.clientX - left, width), share(event.clientY - top, height)];
}

drawing.addEventListener("click", (event) => {
  const corner = cornerOf(event);
  const closes = open.length > 2 && Math.hypot(corner[0] - open[0][0], corner[1] - open[0][1]) < CLOSE;
  if (!closes) open.push(corner);
  if (closes || open.length === MOST_CORNERS) {
    const closed = open;
    open = [];
    keep([...shapes(), closed]);
  } else draw();
});

page.querySelector("[data-undo]").addEventListener("click", () => {
  if (open.length) {
    open.pop();
    draw();
  } else keep(shapes().slice(0, -1));
});

field.addEventListener("input", draw);
page.hidden = false;
draw();
