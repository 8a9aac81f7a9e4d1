// Photos chosen, dropped or pasted into a form: shows previews, and the photo behind the boxes of the answer.
// Everything works without this file; it only saves sending the photo back from the server.
"use strict";

const addresses = []; // object URLs of the photos chosen last, in order

function remember(files) {
  addresses.splice(0).forEach((address) => URL.revokeObjectURL(address));
  addresses.push(...Array.from(files, (file) => URL.createObjectURL(file)));
}

const kept = new WeakMap(); // input → the files chosen so far, where a further choice adds to them

function preview(form, input) {
  const list = form.querySelector("[data-previews]");
  if (!list) return;
  list.replaceChildren(...addresses.map((address, number) => {
    const item = document.createElement("li");
    const image = document.createElement("img");
    image.src = address;
    image.alt = "";
    image.addEventListener("error", () => image.replaceWith(input.files[number]?.name ?? "")); // a format this browser cannot show
    const away = document.createElement("button");
    Object.assign(away, { type: "button", className: "quiet away", textContent: "×", ariaLabel: text("remove", { name: input.files[number].name }) });
    away.addEventListener("click", () => {
      kept.set(input, []);
      take(form, [...input.files].filter((_, other) => other !== number));
      input.focus();
    });
    item.append(image, away);
    return item;
  }));
}

const adds = (form, input) => input.multiple && !form.hasAttribute("data-submit-on-choice");
const same = (one, other) => one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;

function put(input, files) {
  const chosen = new DataTransfer();
  for (const file of files) chosen.items.add(file);
  input.files = chosen.files;
}

function take(form, files) {
  const input = form.querySelector("input[type=file]");
  put(input, Array.from(files).slice(0, input.multiple ? undefined : 1));
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("change", (event) => {
  const input = event.target;
  const form = input.closest("form[data-photos]");
  if (!form || input.type !== "file") return;
  if (adds(form, input)) {
    const before = kept.get(input) ?? [];
    const all = [...before, ...Array.from(input.files).filter((file) => !before.some((other) => same(file, other)))];
    kept.set(input, all);
    put(input, all);
  }
  remember(input.files);
  preview(form, input);
  if (form.hasAttribute("data-submit-on-choice") && input.files.length) form.requestSubmit();
});

// A photo may be dropped anywhere on a page that takes photos: beside the zone a browser would open it and leave the page.
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    const zone = event.target.closest?.(".drop") ?? document.querySelector("form[data-photos] .drop");
    if (!zone || !event.dataTransfer.types.includes("Files")) return;
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
