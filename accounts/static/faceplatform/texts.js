// What scripts say, in the page's language: text("remove", { name }) is the text "remove" of templates/_texts.html.
"use strict";

const TEXTS = JSON.parse(document.getElementById("texts").textContent);

function text(id, values = {}) {
  return TEXTS[id].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
