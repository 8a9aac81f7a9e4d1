"""Every page of a filled platform, found by the URL patterns: a page that somebody adds is walked without being named here.

An address that leads nowhere although its values exist is a fault; those that cannot be opened by an address alone are named
below, with the reason. Acts, parts of pages and files, which are no pages, are told by their answers.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from every_address import addresses
from platform_process import PASSWORD, Platform
from playwright.sync_api import APIResponse, Browser, BrowserContext, Page

TESTS = Path(__file__).resolve().parent
# The word of an address before `<uuid:pk>` → which of filled.fill()'s values it stands for, where that is not the word itself.
VALUES = {"corrections": "people", "health": "finding", "kiosks": "webcam", "sightings": "people", "undo": "people"}
# Address as a regular expression → why it is no page to be opened.
NO_PAGES = {
    r"/sign-in(/.*)?|/sign-out|/kiosk(/.*)?": "for who is not signed in; see SIGNED_OUT",
    r"/account/(confirm.*|app/remove|passkeys/.*|recovery-codes.*)": "asks for a factor, or wants one that was set up",
    r"/admin/(login|logout|password_change)/": "leads to a page of ours",
    r"/health/.*|/metrics|/favicon.ico": "for machines",
    r"/undo/.*|.*/cameras/[^/]*/live\.mjpeg": "an act; a film that does not end",
    r".*/enrolment": "a part of a page, of photos that were just sent",
}
SIGNED_OUT = ("/sign-in", "/sign-in/forgotten", "/sign-in/forgotten/sent", "/sign-in/failed", "/kiosk")
# States of pages that are worth a look of their own.
MORE = (
    "/galleries/{slug}/?q=nobody+is+called+so",
    "/galleries/{slug}/?state=all",
    "/evaluations/compare?id={evaluations}&id={other evaluation}",
    "/galleries/visitors-of-the-second-building/",
    "/galleries/visitors-of-the-second-building/cameras/",
    "/galleries/visitors-of-the-second-building/sightings",
    "/galleries/no-such-gallery/",
    "/api/v1/docs/",
    "/api/v1/docs/?open=cameras",
)
ADMIN = (
    "/admin/",
    "/admin/gallery/identity/",
    "/admin/gallery/gallery/",
    "/admin/accounts/user/",
    "/admin/accounts/user/add/",
)


@dataclass(frozen=True)
class Filled:
    """A running platform with something on every page. values: what filled.fill() made."""

    platform: Platform
    values: dict[str, str]

    @property
    def more(self) -> list[str]:
        return [address.format(**self.values) for address in MORE]


def filled(folder: Path) -> Filled:
    """Starts one in `folder`; the caller stops it."""
    films = folder / "films"
    platform = Platform(
        folder, FACEPLATFORM_CAMERA_FOLDER=str(films), PYTHONPATH=str(TESTS), FACEPLATFORM_REQUEST_RETENTION_DAYS="30"
    )
    films.mkdir(parents=True)
    platform.start()
    done = platform.manage("shell", "-v", "0", "-c", "import filled; filled.main()")
    assert done.returncode == 0, done.stderr
    return Filled(platform, json.loads(done.stdout.splitlines()[-1]))


def signed_in(browser: Browser, platform: Platform, **options) -> BrowserContext:
    context = browser.new_context(base_url=platform.address, **options)
    context.request.get("/sign-in")
    [token] = [cookie["value"] for cookie in context.cookies() if cookie["name"] == "csrftoken"]
    form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert context.request.post("/sign-in", form=form).ok
    return context


def pages(filled: Filled, context: BrowserContext) -> tuple[list[str], list[str]]:
    """(addresses of all pages for who is signed in, those that answer with a fault)."""
    found, faults = [*filled.more, *ADMIN], []
    for address in _read(filled):
        answer = context.request.get(address, max_redirects=0)
        if answer.status >= 400 and answer.status != 405:
            faults.append(f"{address}: {answer.status}")
        elif _is_page(answer):
            found.append(address)
    return found, faults


def _is_page(answer: APIResponse) -> bool:
    is_html = answer.headers.get("content-type", "").startswith("text/html")
    return answer.status == 200 and is_html and answer.body().lstrip().lower().startswith(b"<!doctype html>")


def _read(filled: Filled) -> Iterator[str]:
    """The addresses below none of the API and the admin site, with values that exist."""
    seen = set()
    for pattern, _ in addresses():
        if pattern.startswith(("/api/", "/admin/")) or any(re.fullmatch(form, pattern) for form in NO_PAGES):
            continue
        address = _with_values(pattern, filled.values)
        if address not in seen:
            seen.add(address)
            yield address


def _with_values(address: str, values: dict[str, str]) -> str:
    parts = address.replace("/staff/", f"/{values['slug']}/").split("/")
    for index, part in enumerate(parts):
        if re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", part):
            word = "webcam" if parts[index + 1 :] in (["webcam"], ["kiosks"]) else parts[index - 1]
            parts[index] = values.get(VALUES.get(word, word), part)
    return "/".join(parts).replace("/faces/1.jpg", "/faces/0.jpg")


def settle(page: Page, address: str) -> None:
    """Opens it, with what it loads by itself: pages of cameras never stop loading."""
    page.goto(address, wait_until="load")
    if address.startswith("/api/"):
        page.wait_for_selector(".opblock-tag")
        if "?open=" in address:
            page.click(f".opblock-tag[data-tag='{address.partition('=')[2]}']")
            page.wait_for_selector(".opblock")
    page.wait_for_timeout(100)
