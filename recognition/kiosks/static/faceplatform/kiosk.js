// The kiosk's clock, and the greeting of whom its camera sees. The pictures are sent by webcam.js.

import { pause } from "./capture.js";

const EVERY = 1000; // ms
const AWAY = 5000; // ms without an answer until a greeting is no longer true

const part = (name) => document.querySelector(`[data-${name}]`);
const short = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });

function tick() {
  const now = new Date();
  part("clock").textContent = short.format(now);
  part("clock").dateTime = now.toISOString();
  setTimeout(tick, 1000 - (Date.now() % 1000));
}

/** Only what changes is written: it is read out. */
function greet(seen) {
  const known = Boolean(seen?.name);
  if (known && part("name").textContent !== seen.name) part("name").textContent = seen.name;
  const at = known ? short.format(new Date(seen.at)) : "";
  if (part("at").textContent !== at) part("at").textContent = at;
  part("known").hidden = !known;
  part("stranger").hidden = !seen || known;
  part("look").hidden = Boolean(seen);
}

async function ask() {
  const address = part("seen").dataset.seen;
  for (let last = Date.now(); ; await pause(EVERY)) {
    try {
      const answer = await fetch(address, { signal: AbortSignal.timeout(AWAY) });
      if (answer.status === 401) return location.reload();
      if (answer.ok) {
        greet((await answer.json()).seen);
        last = Date.now();
      }
    } catch {
      // the network is away for a moment
    }
    if (Date.now() - last > AWAY) greet(null);
  }
}

/** The screen stays on, where the browser can do that. */
async function stayAwake() {
  if (!document.hidden) await navigator.wakeLock?.request("screen").catch(() => {});
}

const full = part("full");
full.hidden = !document.fullscreenEnabled;
full.addEventListener("click", () => document.documentElement.requestFullscreen());
document.addEventListener("fullscreenchange", () => (full.hidden = Boolean(document.fullscreenElement)));
document.addEventListener("visibilitychange", stayAwake);
stayAwake();
tick();
ask();
