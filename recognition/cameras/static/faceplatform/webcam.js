// Sends the pictures of this browser's webcam, up to three a second, while the page is open.

const EVERY = 350; // ms
const LONGEST_SIDE = 1280;
const QUALITY = 0.8;

const page = document.querySelector("[data-webcam]");
const video = page.querySelector("video");
const canvas = document.createElement("canvas");
const token = JSON.parse(document.body.getAttribute("hx-headers"))["x-csrftoken"];
const [startButton, stopButton] = page.querySelectorAll("[data-start], [data-stop]");
let stream = null;

function say(what, reason = "") {
  for (const line of page.querySelectorAll("[data-when]")) line.hidden = line.dataset.when !== what;
  page.querySelector("[data-reason]").textContent = reason;
}

function picture() {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

async function post(jpeg) {
  const headers = { "Content-Type": "image/jpeg", "X-CSRFToken": token };
  const answer = await fetch(page.dataset.post, { method: "POST", headers, body: jpeg });
  if (answer.ok) say("sending");
  else if (answer.status >= 500) say("lost");
  else if (answer.status !== 429) {
    const problem = await answer.json().catch(() => ({}));
    stop("stopped", problem.detail);
  }
}

async function send() {
  while (stream) {
    const next = new Promise((resolve) => setTimeout(resolve, EVERY));
    try {
      if (video.videoWidth) await post(await picture());
    } catch {
      say("lost");
    }
    await next;
  }
}

async function start() {
  if (!navigator.mediaDevices) return say("insecure");
  try {
    const wanted = { width: { ideal: 1280 }, height: { ideal: 720 } };
    stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  } catch (error) {
    return say(error.name === "NotAllowedError" ? "refused" : "missing");
  }
  stream.getTracks().forEach((track) => track.addEventListener("ended", () => stop("missing")));
  video.srcObject = stream;
  startButton.hidden = !(stopButton.hidden = false);
  send();
}

function stop(what = "ready", reason) {
  stream?.getTracks().forEach((track) => track.stop());
  stream = video.srcObject = null;
  startButton.hidden = !(stopButton.hidden = true);
  say(what, reason);
}

startButton.addEventListener("click", start);
stopButton.addEventListener("click", () => stop());
if (!navigator.mediaDevices) say("insecure");
