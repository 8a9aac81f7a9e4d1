"""Cameras in real Chromium: a network camera that is tried, added and watched, and the browser's own webcam."""

import json
import re
import socket

import numpy as np
import pytest
from chromium import fits, go, held, launched
from mjpeg_server import MjpegServer, jpegs
from platform_process import Platform
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
SLOW = 60_000  # ms, for what a camera worker has to do first


@pytest.fixture(scope="module")
def platform(tmp_path_factory, pack_dir):
    running = Platform(tmp_path_factory.mktemp("cameras"), FACEPLATFORM_OUTGOING_NETWORKS="private,127.0.0.0/8")
    running.start()
    yield running
    assert running.interrupt() == 0, "".join(running.lines)


@pytest.fixture(scope="module")
def chromium():
    """With a webcam of its own, which it lets a page use without asking."""
    with launched("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as browser:
        yield browser


@pytest.fixture(scope="module")
def door():
    """A camera on the network that shows a wall becoming lighter."""
    pictures = jpegs(np.full((240, 320, 3), shade, "uint8") for shade in range(20, 240, 10))
    with MjpegServer(pictures, fps=5, auth=("ada", "right")) as camera:
        yield camera


@pytest.fixture
def cameras(page) -> Page:
    """The gallery's page of cameras; the first gallery is made on the welcome page."""
    page.goto("/")
    if page.get_by_role("heading", name="Welcome").is_visible():
        page.fill("[name=name]", "Staff")
        page.click("button:has-text('Create gallery')")
    go(page, "Cameras")
    expect(page.get_by_role("heading", name="Cameras")).to_be_visible()
    return page


def shade(image) -> int:
    """How light the picture's middle is now; -1 without a picture."""
    return image.evaluate(
        """image => {
            if (!image.naturalWidth) return -1;
            const canvas = new OffscreenCanvas(1, 1).getContext("2d");
            canvas.drawImage(image, image.naturalWidth / 2, image.naturalHeight / 2, 1, 1, 0, 0, 1, 1);
            return canvas.getImageData(0, 0, 1, 1).data[0];
        }"""
    )


def changes(page: Page, image) -> None:
    """Waits until the picture is another than now."""
    handle = image.element_handle()
    before = shade(image)
    page.wait_for_function(
        """([image, before]) => {
            if (!image.naturalWidth) return false;
            const canvas = new OffscreenCanvas(1, 1).getContext("2d");
            canvas.drawImage(image, image.naturalWidth / 2, image.naturalHeight / 2, 1, 1, 0, 0, 1, 1);
            return canvas.getImageData(0, 0, 1, 1).data[0] !== before;
        }""",
        arg=[handle, before],
        timeout=SLOW,
    )


def hide(page: Page, hidden: bool) -> None:
    """As if another tab came to the front."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_network_camera_is_tried_added_watched_and_deleted(cameras, door):
    page, name = cameras, f"Entrance {cameras.viewport_size['width']}"
    fits(page)
    page.get_by_role("link", name="Add a camera").first.click()
    fits(page)
    page.fill("[name=name]", name)
    page.select_option("[name=kind]", "mjpeg")
    page.fill("[name=address]", door.address.replace("http://", "http://ada:wrong@"))
    page.get_by_role("button", name="Try this camera").click()
    expect(page.get_by_role("alert")).to_contain_text("does not accept this user name and password", timeout=SLOW)
    page.fill("[name=address]", door.address)
    page.fill("[name=user]", "ada")
    page.fill("[name=password]", "right")
    page.get_by_role("button", name="Try this camera").click()
    expect(page.get_by_text("The camera answers.")).to_be_visible(timeout=SLOW)
    assert page.locator("img.tried").evaluate("async e => { await e.decode(); return e.naturalWidth }") == 320
    page.get_by_text("More settings").click()
    fits(page)
    page.get_by_role("button", name="Add camera").click()

    expect(page.get_by_text(f"{name} was added.")).to_be_visible()
    expect(page.locator(".state")).to_contain_text("analysing", timeout=SLOW)
    live = page.locator("img[data-live]")
    changes(page, live)
    changes(page, live)
    expect(page.get_by_text("Nobody was seen yet.")).to_be_visible()
    fits(page)
    hide(page, True)
    assert live.get_attribute("src") is None, "a hidden tab keeps a stream open"
    hide(page, False)
    changes(page, live)

    go(page, "Cameras")
    tile = page.locator(".cameras li").filter(has_text=name)
    expect(tile.locator(".state")).to_contain_text("Live")
    changes(page, tile.locator("img"))
    fits(page)

    tile.get_by_role("link", name=name).last.click()
    page.locator("main").get_by_role("link", name="Settings").click()
    fits(page)
    assert page.input_value("[name=user]") == "ada" and page.input_value("[name=password]") == ""
    page.get_by_text("More settings").click()
    drawing = page.locator(".drawn svg")
    size = drawing.bounding_box()
    for x, y in ((0.1, 0.1), (0.9, 0.1), (0.9, 0.5), (0.1, 0.1)):
        drawing.click(position={"x": x * size["width"], "y": y * size["height"]})
    expect(drawing.locator("polygon")).to_have_count(1)
    fits(page)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.locator("main").get_by_role("link", name="Settings").click()
    assert [len(shape) for shape in json.loads(page.input_value("[name=masks]"))] == [3]
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete the camera").click()
    expect(page.get_by_text(f"{name} was deleted.")).to_be_visible()


def test_a_page_is_loaded_while_its_camera_says_nothing(cameras):
    page, name = cameras, f"Silent {cameras.viewport_size['width']}"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        page.get_by_role("link", name="Add a camera").first.click()
        page.fill("[name=name]", name)
        page.select_option("[name=kind]", "mjpeg")
        page.fill("[name=address]", f"http://127.0.0.1:{silent.getsockname()[1]}/video")
        page.get_by_role("button", name="Add camera").click()
        expect(page.get_by_text(f"{name} was added.")).to_be_visible()
        page.reload(wait_until="load", timeout=10_000)
        expect(page.locator("img[data-live]")).to_have_attribute("src", re.compile("live"))


def test_the_browsers_webcam_is_a_camera(cameras):
    page, name = cameras, f"Kiosk {cameras.viewport_size['width']}"
    page.get_by_role("link", name="Add a camera").first.click()
    page.fill("[name=name]", name)
    page.select_option("[name=kind]", "webcam")
    page.get_by_role("button", name="Add camera").click()
    page.get_by_role("link", name="Use this browser’s webcam").click()
    fits(page)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("Sending.")).to_be_visible(timeout=SLOW)
    watching = page.context.new_page()
    watching.goto(page.url.removesuffix("webcam"))
    expect(watching.locator(".state")).to_contain_text("Live", timeout=SLOW)
    watching.wait_for_function("() => document.querySelector('img[data-live]').naturalWidth > 100", timeout=SLOW)
    fits(watching)
    with held(page, "**/frames"):
        page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("The browser then asks whether it may use the camera.")).to_be_visible()
