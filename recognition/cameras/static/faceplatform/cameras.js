// Live pictures of cameras: one as a stream, or many that are fetched one by one.
// Without this file a page shows each camera's picture of the moment when it was opened.

const STREAM_SECONDS = 60; // no browser tells that a stream has ended, so it is loaded again before anybody wonders
const RETRY_SECONDS = 3;
const EVERY = 2; // seconds between two pictures of a tile
const AT_ONCE = 4; // browsers open six connections to a server that speaks HTTP/1.1; some are left for everything else
const GONE = [401, 403, 404, 409];

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** A stream, as long as the page is looked at: a hidden tab keeps no connection open. */
function watch(image) {
  let timer;
  const stop = () => {
    clearTimeout(timer);
    image.removeAttribute("src");
  };
  const start = (after = 0) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      image.src = `${image.dataset.live}?at=${Date.now()}`;
      timer = setTimeout(start, STREAM_SECONDS * 1000);
    }, after * 1000);
  };
  image.addEventListener("error", () => {
    if (image.hasAttribute("src")) start(RETRY_SECONDS);
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => event.persisted && start());
  const begin = () => document.hidden || start();
  if (document.readyState === "complete") begin();
  else window.addEventListener("load", begin); // not before: a page would be loading until the camera's first picture
}

/** Fetches the picture after the one that is shown, if there is one by now. Returns whether to go on. */
async function renew(image, wait, signal) {
  const address = `${image.dataset.frames}?after=${image.dataset.seq}`;
  const answer = await fetch(address, { headers: { Prefer: `wait=${wait}` }, signal });
  if (answer.status === 200) {
    const before = image.src;
    image.src = URL.createObjectURL(await answer.blob());
    image.dataset.seq = answer.headers.get("X-Picture");
    image.hidden = false;
    if (before.startsWith("blob:")) URL.revokeObjectURL(before);
  }
  return !GONE.includes(answer.status);
}

/** Keeps the pictures of all tiles new, a few at a time, while the page is looked at. */
async function renewAll(tiles) {
  const left = new AbortController();
  window.addEventListener("pagehide", () => left.abort());
  while (tiles.length && !left.signal.aborted) {
    const round = pause(EVERY);
    if (!document.hidden) tiles = await renewRound(tiles, left.signal);
    await round;
  }
}

async function renewRound(tiles, signal) {
  const wait = tiles.length > AT_ONCE ? 0 : EVERY;
  const queue = [...tiles];
  const going = new Set(tiles);
  const work = async () => {
    for (let image = queue.shift(); image; image = queue.shift()) {
      try {
        if (!(await renew(image, wait, signal))) going.delete(image);
      } catch {
        // the network is away, or the page is left: the next round tries again
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return tiles.filter((image) => going.has(image));
}

document.querySelectorAll("img[data-live]").forEach(watch);
const start = () => renewAll([...document.querySelectorAll("img[data-frames]")]);
window.addEventListener("pageshow", (event) => event.persisted && start());
start();
