// “Take photos”: a dialog with the webcam, whose pictures join the files of the form that the button is in.

import { close, open, picture, say } from "./capture.js";

const POSES = ["straight", "left", "right"];
const QUALITY = 0.92;

function prepare(button) {
  const form = button.closest("form");
  const input = form.querySelector("input[type=file]");
  const dialog = form.querySelector("dialog[data-capture]");
  const several = input.multiple && !dialog.hasAttribute("data-one");
  const [video, still] = dialog.querySelectorAll("video, img[data-still]");
  const part = (name) => dialog.querySelector(`[data-${name}]`);
  let photos = [];
  let taken = null; // the one that is looked at

  const pose = () => say(dialog, several ? (POSES[photos.length] ?? "enough") : POSES[0]);

  function look(blob) {
    URL.revokeObjectURL(still.src);
    taken = blob;
    still.hidden = !blob;
    if (blob) still.src = URL.createObjectURL(blob);
    else still.removeAttribute("src");
    for (const name of ["use", "again"]) part(name).hidden = !blob;
    part("take").hidden = Boolean(blob);
    part("done").hidden = Boolean(blob) || !photos.length;
    const enough = several && photos.length >= POSES.length;
    part(blob ? "use" : enough ? "done" : "take").focus();
  }

  async function begin() {
    photos = [];
    part("taken").replaceChildren();
    say(dialog, "asking");
    dialog.showModal();
    look(null);
    await restart();
  }

  async function restart() {
    try {
      part("take").disabled = true;
      await open(video, () => say(dialog, "missing"));
      if (!dialog.open) return close(video); // closed while the browser asked
      part("take").disabled = false;
      part("take").focus();
      pose();
    } catch (error) {
      say(dialog, error.message);
    }
  }

  function keep() {
    photos.push(taken);
    const item = document.createElement("li");
    const image = document.createElement("img");
    image.src = URL.createObjectURL(taken);
    image.alt = text("photo", { number: photos.length });
    image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    item.append(image);
    part("taken").append(item);
    if (!several) return hand();
    look(null);
    pose();
  }

  function hand() {
    const files = new DataTransfer();
    if (several) for (const file of input.files) files.items.add(file);
    const first = files.items.length + 1;
    photos.forEach((photo, n) => files.items.add(new File([photo], `webcam-${first + n}.jpg`, { type: "image/jpeg" })));
    input.files = files.files;
    dialog.close();
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  button.addEventListener("click", begin);
  part("take").addEventListener("click", async () => {
    const jpeg = await picture(video, QUALITY);
    if (jpeg) look(jpeg);
  });
  part("use").addEventListener("click", keep);
  part("again").addEventListener("click", () => look(null));
  part("done").addEventListener("click", hand);
  part("cancel").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    close(video);
    button.focus();
  });
  button.hidden = false;
}

document.querySelectorAll("[data-take-photos]").forEach(prepare);
