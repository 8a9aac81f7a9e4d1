// Swagger's own dark colours, when the user or the device asks for dark.
"use strict";

const root = document.documentElement;
const device = matchMedia("(prefers-color-scheme: dark)");
const follow = () => root.classList.toggle("dark-mode", root.dataset.theme ? root.dataset.theme === "dark" : device.matches);
device.addEventListener("change", follow);
follow();
