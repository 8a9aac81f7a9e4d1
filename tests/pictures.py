"""Pictures of every page of a platform with the demo's people, wide and light, and on a phone and dark: `make pictures`, or
`make pictures LANGUAGE=es` as a browser that prefers Spanish."""

import html
import os
import re
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import django  # noqa: E402

django.setup()

from chromium import launched  # noqa: E402
from every_page import Filled, filled, pages, settle, signed_in  # noqa: E402
from playwright.sync_api import Browser  # noqa: E402

VIEWS = (("light", 1280, 800), ("dark", 390, 844))
FRAME = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Pages</title>"
    "<style>body{{font:16px system-ui;margin:2rem}}img{{vertical-align:top;border:1px solid #999;margin-right:1rem}}</style>"
    "<h1>Pages</h1>{}</html>"
)


def main(folder: Path, language: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="faceplatform-pictures-") as home:
        made = filled(Path(home))
        try:
            with launched() as browser:
                addresses = photographed(made, browser, folder, language)
        finally:
            made.platform.interrupt()
    (folder / "index.html").write_text(FRAME.format("".join(_row(address) for address in addresses)))
    print(f"{len(addresses)} pages: {folder}/index.html")


def photographed(made: Filled, browser: Browser, folder: Path, language: str) -> list[str]:
    """Writes the pictures; returns the addresses of the pages."""
    addresses: list[str] = []
    for theme, width, height in VIEWS:
        view = {"viewport": {"width": width, "height": height}, "color_scheme": theme, "locale": language}
        context = signed_in(browser, made.platform, **view)
        page = context.new_page()
        addresses, _ = pages(made, context)
        for address in addresses:
            settle(page, address)
            page.screenshot(path=folder / f"{name_of(address)}-{width}.png", full_page=True)
        context.close()
    return addresses


def name_of(address: str) -> str:
    """A file's name; ids, which are others each time, are left out."""
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"[0-9a-f-]{36}", "one", address)).strip("-") or "start"


def _row(address: str) -> str:
    pictures = "".join(
        f'<img src="{name_of(address)}-{width}.png" width="{width // 2}" alt="">' for _, width, _ in VIEWS
    )
    return f"<h2>{html.escape(address)}</h2>{pictures}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "en-GB")
