// Recognises who is before the webcam, picture after picture: the next one is sent once the last is answered, three a second
// at most, and none while the page is hidden.

import { close, csrf, open, pause, picture, say } from "./capture.js";

const EVERY = 340; // ms
const SVG = "http://www.w3.org/2000/svg";

const panel = document.querySelector("[data-live]");
const [video, boxes, names] = panel.querySelectorAll("video, svg, [data-names]");
const [startButton, stopButton] = panel.querySelectorAll("[data-start], [data-stop]");

function element(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

const clear = (face) => face.identity?.name ?? (face.decision === "unknown" ? text("unknown") : text("not-clear"));
const nameOf = (face) => clear(face) + (face.liveness?.decision === "spoof" ? ` – ${text("may-be-a-picture")}` : "");

/** A box and a name for each face, in the picture's own pixels. */
function draw({ faces, image }) {
  boxes.setAttribute("viewBox", `0 0 ${image.width} ${image.height}`);
  const size = image.height / 20;
  boxes.replaceChildren(
    ...faces.flatMap((face) => {
      const { x, y, width, height } = face.box.pixels;
      const above = y > size * 1.4;
      const label = { x, y: above ? y - size * 0.4 : y + height + size, "font-size": size, class: face.decision };
      return [element("rect", { x, y, width, height, class: face.decision }), element("text", label, nameOf(face))];
    }),
  );
  const told = faces.map(nameOf).sort().join(", ") || text("nobody");
  if (names.textContent !== told) names.textContent = told; // read out only when it changes
}

async function recognise(jpeg) {
  const body = new FormData();
  body.append("photo", jpeg, "live.jpg");
  body.append("gallery", panel.dataset.gallery);
  body.append("live", "true");
  body.append("top_k", "1");
  const answer = await fetch(panel.dataset.post, { method: "POST", headers: { ...csrf(), Prefer: "wait=10" }, body });
  const told = await answer.json().catch(() => ({}));
  return { status: answer.status, told, again: 1000 * (Number(answer.headers.get("Retry-After")) || 3) };
}

/** Returns how many ms to wait at least before the next picture. */
function tell({ status, told, again }) {
  if (status === 201) {
    say(panel, "sending");
    draw(told);
  } else if (status === 429 || status >= 500) {
    say(panel, "waiting", told.detail ?? "");
    return again;
  } else if (status !== 202) {
    stop("stopped", told.detail);
  }
  return 0;
}

const seen = () =>
  new Promise((resolve) => {
    if (!document.hidden) return resolve();
    document.addEventListener("visibilitychange", () => resolve(), { once: true });
  });

/** What comes after Stop was pressed is not told: the panel says how to start again. */
async function send() {
  const stream = video.srcObject;
  const running = () => stream && video.srcObject === stream;
  while (running()) {
    await seen();
    const next = pause(EVERY);
    try {
      const jpeg = await picture(video);
      const answer = jpeg && (await recognise(jpeg));
      if (answer && running()) await pause(tell(answer));
    } catch {
      if (running()) say(panel, "waiting");
      await pause(3000);
    }
    await next;
  }
}

async function start() {
  startButton.disabled = true;
  try {
    await open(video, () => stop("missing"));
    panel.classList.add("running");
    startButton.hidden = !(stopButton.hidden = false);
    stopButton.focus();
    say(panel, "asking");
    send();
  } catch (error) {
    stop(error.message);
  } finally {
    startButton.disabled = false;
  }
}

function stop(what = "ready", reason) {
  close(video);
  panel.classList.remove("running");
  boxes.replaceChildren();
  names.textContent = "";
  startButton.hidden = !(stopButton.hidden = true);
  say(panel, what, reason);
}

startButton.addEventListener("click", start);
stopButton.addEventListener("click", () => {
  stop();
  startButton.focus();
});
window.addEventListener("pagehide", () => stop());
panel.hidden = false;
