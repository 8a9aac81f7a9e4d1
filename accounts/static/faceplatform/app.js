// Photos chosen, dropped or pasted into a form: shows previews, and the photo behind the boxes of the answer.
// Everything works without this file; it only saves sending the photo back from the server.
"use strict";

const addresses = []; // object URLs of the photos chosen last, in order

function remember(files) {
  addresses.splice(0).forEach((address) => URL.revokeObjectURL(address));
  addresses.push(...Array.from(files, (file) => URL.createObjectURL(file)));
}

function preview(form) {
  const list = form.querySelector("[data-previews]");
  if (!list) return;
  list.replaceChildren(...addresses.map((address) => {
    const item = document.createElement("li");
    const image = document.createElement("img");
    image.src = address;
    image.alt = "";
    image.addEventListener("error", () => item.remove()); // a format this browser cannot show
    item.append(image);
    return item;
  }));
}

function take(form, files) {
  const input = form.querySelector("input[type=file]");
  const chosen = new DataTransfer();
  Array.from(files).slice(0, input.multiple ? undefined : 1).forEach((file) => chosen.items.add(file));
  input.files = chosen.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-photos]");
  if (!form || event.target.type !== "file") return;
  remember(event.target.files);
  preview(form);
  if (form.hasAttribute("data-submit-on-choice") && event.target.files.length) form.requestSubmit();
});

for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    const zone = event.target.closest?.(".drop");
    if (!zone) return;
    event.preventDefault();
    zone.classList.toggle("over", type === "dragover");
    if (type === "drop" && event.dataTransfer.files.length) take(zone.closest("form"), event.dataTransfer.files);
  });
}

document.addEventListener("paste", (event) => {
  const form = document.querySelector("form[data-photos]");
  if (form && event.clipboardData.files.length) take(form, event.clipboardData.files);
});

document.addEventListener("htmx:afterSettle", () => {
  for (const image of document.querySelectorAll("image[data-local]")) {
    const address = addresses[image.dataset.local];
    if (address && !image.hasAttribute("href")) {
      image.addEventListener("error", () => image.remove()); // then the faces below it are shown instead
      image.setAttribute("href", address);
    }
  }
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// "/" leads to the search of the bar.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  const field = document.querySelector("[data-key='/']");
  if (!field) return;
  event.preventDefault();
  field.select();
});
