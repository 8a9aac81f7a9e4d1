// Sends the pictures of this browser's webcam, up to three a second, while the page is open.
// With data-keeps-on it starts by itself and tries again after anything that stopped it: nobody stands by to press a button.

import { close, csrf, open, pause, picture, say } from "./capture.js";

const EVERY = 350; // ms
const AGAIN = 10_000; // ms

const page = document.querySelector("[data-webcam]");
const video = page.querySelector("video");
const [startButton, stopButton] = page.querySelectorAll("[data-start], [data-stop]");
const keepsOn = "keepsOn" in page.dataset;
let opening = false;

async function post(jpeg) {
  const headers = { "Content-Type": "image/jpeg", ...csrf() };
  const answer = await fetch(page.dataset.post, { method: "POST", headers, body: jpeg });
  const problem = answer.ok ? {} : await answer.json().catch(() => ({}));
  return { ok: answer.ok, status: answer.status, reason: problem.detail };
}

function tell({ ok, status, reason }) {
  if (ok) say(page, "sending");
  else if (status >= 500) say(page, "lost");
  else if (keepsOn && status === 401) location.reload(); // it says what to do
  else if (status !== 429) stop("stopped", reason);
}

/** What comes after Stop was pressed is not told: the page says how to start again. */
async function send() {
  const stream = video.srcObject;
  const running = () => stream && video.srcObject === stream;
  while (running()) {
    const next = pause(EVERY);
    try {
      const jpeg = await picture(video);
      const answer = jpeg && (await post(jpeg));
      if (answer && running()) tell(answer);
    } catch {
      if (running()) say(page, "lost");
    }
    await next;
  }
}

async function start() {
  if (opening || video.srcObject) return;
  opening = true;
  try {
    await open(video, () => stop("missing"));
    startButton.hidden = true;
    stopButton.hidden = keepsOn;
    send();
  } catch (error) {
    stop(error.message);
  } finally {
    opening = false;
  }
}

function stop(what = "ready", reason) {
  close(video);
  startButton.hidden = false;
  stopButton.hidden = true;
  say(page, what, reason);
  if (keepsOn) setTimeout(start, AGAIN);
}

startButton.addEventListener("click", start);
stopButton.addEventListener("click", () => stop());
if (keepsOn) start();
else if (!navigator.mediaDevices) say(page, "insecure");
