"""Chromium for the browser tests, and what every page is asked."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect, sync_playwright

FLAGS = ("--disable-background-networking", "--disable-component-update", "--no-first-run")
STICKS_OUT = """() => [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > innerWidth)
    .map((one) => one.cloneNode().outerHTML).slice(0, 9).concat(document.documentElement.scrollWidth, innerWidth)"""
WITHIN = "() => document.documentElement && document.documentElement.scrollWidth <= innerWidth"


@contextmanager
def launched(*flags: str) -> Iterator[Browser]:
    """Chromium with more flags than the usual; skips the test where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no Chromium here; on Debian: apt install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags, *sandbox])
        yield browser
        browser.close()


def go(page: Page, name: str) -> None:
    """To a page by the menu; on a phone it is behind "More"."""
    more = page.get_by_role("button", name="More", exact=True)
    if more.is_visible():
        more.click()
    link = page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True)
    with page.expect_navigation():  # what follows is for the next page
        link.click()


@contextmanager
def held(page: Page, address: str) -> Iterator[None]:
    """Within, a request to the address is under way; at the end it is answered, and the page has had time to take that."""
    waiting = []
    page.route(address, lambda route: waiting.append(route))
    try:
        while not waiting:
            page.wait_for_timeout(20)
        yield
    finally:
        for route in waiting:
            route.continue_()
            if answer := route.request.response():  # none where the page gave it up
                answer.finished()
        page.unroute(address)
        page.wait_for_timeout(300)


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Account menu").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def fits(page: Page, name: str = "") -> None:
    """Nothing sticks out at the side, also of a page that is only being loaded; takes a picture of it if it has a name."""
    page.wait_for_load_state()
    try:
        page.wait_for_function(WITHIN, timeout=5000)
    except TimeoutError:
        raise AssertionError(f"{page.url}: {page.evaluate(STICKS_OUT)}") from None
    finally:
        shot(page, name)


def shot(page: Page, name: str) -> None:
    """A picture of the page for whoever wants to look, if FACEPLATFORM_SHOTS names a folder."""
    folder = os.environ.get("FACEPLATFORM_SHOTS")
    if folder and name:
        page.screenshot(path=f"{folder}/{name}-{page.viewport_size['width']}.png", full_page=True)
