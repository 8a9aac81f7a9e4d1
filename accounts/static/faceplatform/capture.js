// Opens the webcam and takes JPEGs with it, for all pages that do.

const WANTED = { width: { ideal: 1280 }, height: { ideal: 720 } };
const LONGEST_SIDE = 1280;
const canvas = document.createElement("canvas");

/** Why there is no picture; its message is the name of the line that says so (templates/_webcam_words.html). */
export class NoWebcam extends Error {}

/** Shows the webcam in `video`; throws NoWebcam. `lost` is called when the camera goes away. */
export async function open(video, lost = () => {}) {
  if (!navigator.mediaDevices) throw new NoWebcam("insecure"); // browsers offer it on https and localhost alone
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: WANTED, audio: false });
  } catch (error) {
    throw new NoWebcam(error.name === "NotAllowedError" ? "refused" : "missing");
  }
  close(video);
  stream.getTracks().forEach((track) => track.addEventListener("ended", lost));
  video.srcObject = stream;
}

export function close(video) {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
}

/** What `video` shows now, as a JPEG; null as long as it shows nothing. */
export function picture(video, quality = 0.8) {
  if (!video.videoWidth) return Promise.resolve(null);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
}

/** Shows the one line of `root` that is for `what`; `reason` is put into it. */
export function say(root, what, reason = "") {
  for (const line of root.querySelectorAll("[data-when]")) {
    line.hidden = line.dataset.when !== what;
    if (!line.hidden) line.querySelector("[data-reason]")?.replaceChildren(reason);
  }
}

/** For posts that are no forms. */
export const csrf = () => ({ "X-CSRFToken": JSON.parse(document.body.getAttribute("hx-headers"))["x-csrftoken"] });
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
