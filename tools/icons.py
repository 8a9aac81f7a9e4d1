"""Makes the sprite of icons from the npm package lucide-static (ISC): tools/icons.py FOLDER, the unpacked package's."""

import re
import sys
from pathlib import Path

ICONS = [
    "archive-restore",
    "arrow-left",
    "arrow-right",
    "ban",
    "bell",
    "calendar-days",
    "camera",
    "chart-line",
    "check",
    "chevron-down",
    "chevron-left",
    "chevron-right",
    "circle-alert",
    "circle-check",
    "circle-question-mark",
    "clock",
    "copy",
    "download",
    "ellipsis",
    "eye",
    "eye-off",
    "funnel",
    "grid-2x2",
    "heart-pulse",
    "history",
    "house",
    "image",
    "key-round",
    "languages",
    "layers",
    "list",
    "log-out",
    "menu",
    "merge",
    "monitor",
    "moon",
    "pencil",
    "plus",
    "refresh-cw",
    "scan-face",
    "scroll-text",
    "search",
    "settings",
    "shield-check",
    "sliders-horizontal",
    "sun",
    "trash-2",
    "triangle-alert",
    "undo-2",
    "upload",
    "user",
    "user-plus",
    "user-round-x",
    "users",
    "video",
    "x",
]
STATIC = Path(__file__).resolve().parents[1] / "accounts" / "static" / "faceplatform"
STROKES = 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
SYMBOL = f'<symbol id="{{}}" viewBox="0 0 24 24" {STROKES}>{{}}</symbol>'


def main(folder: Path) -> None:
    symbols = []
    for name in ICONS:
        svg = (folder / "icons" / f"{name}.svg").read_text()
        shapes = re.search(r"<svg.*?>(.*)</svg>", svg, re.S).group(1)
        symbols.append(SYMBOL.format(name, re.sub(r"\s*\n\s*", "", shapes)))
    version = re.search(r"lucide-static (v[\d.]+)", svg).group(1)
    head = f'<!-- Lucide {version}, ISC; see icons.txt --><svg xmlns="http://www.w3.org/2000/svg">'
    (STATIC / "icons.svg").write_text(head + "\n" + "\n".join(symbols) + "\n</svg>\n")
    (STATIC / "icons.txt").write_text((folder / "LICENSE").read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
