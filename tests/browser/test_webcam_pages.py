"""Pages that take pictures with the browser's webcam, in real Chromium whose webcam shows a portrait."""

import io
import re

import pytest
from chromium import fits, go, held, launched, shot
from PIL import Image
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
SLOW = 60_000  # ms, for what a worker has to do first
SIZE = (1280, 720)
NOTE_SIZES = """
    const send = window.fetch;
    window.sizes = [];
    window.fetch = (to, how) => (how?.body && sizes.push(how.body.size), send(to, how));
"""
CANNOT = {
    "with https alone": "Object.defineProperty(navigator, 'mediaDevices', {value: undefined})",
    "Allow it": "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError') }",
    "No camera": "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotFoundError') }",
}


def film(portrait: bytes) -> bytes:
    """Motion JPEG of somebody who sways a little."""
    frames = []
    with Image.open(io.BytesIO(portrait)) as photo:
        person = photo.convert("RGB").resize((round(640 * photo.width / photo.height), 640))
    wall = Image.effect_noise(SIZE, 40).convert("RGB")  # a picture of a real wall is as large as one of noise
    for sway in [*range(-20, 20, 2), *range(20, -20, -2)]:
        scene, out = wall.copy(), io.BytesIO()
        scene.paste(person, ((SIZE[0] - person.width) // 2 + sway, 40))
        scene.save(out, "JPEG", quality=92)
        frames.append(out.getvalue())
    return b"".join(frames)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory, hopper):
    """Its webcam shows Grace Hopper, and it lets pages use it without asking."""
    video = tmp_path_factory.mktemp("webcam") / "hopper.mjpeg"
    video.write_bytes(film(hopper))
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with launched(*fake, f"--use-file-for-fake-video-capture={video}") as browser:
        yield browser


@pytest.fixture
def gallery(page) -> Page:
    page.goto("/")
    if page.get_by_role("heading", name="Welcome").is_visible():
        page.fill("[name=name]", "Staff")
        page.click("button:has-text('Create gallery')")
        expect(page.get_by_role("heading", name="Add people")).to_be_visible()
    go(page, "People")
    expect(page.get_by_role("link", name="Add faces", exact=True).last).to_be_visible()
    return page


def take(page: Page, pose: str) -> None:
    """One photo, by keyboard alone: the button that comes next has the focus."""
    expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text(pose)
    expect(page.get_by_role("button", name="Take photo", exact=True)).to_be_focused()
    page.wait_for_function("() => document.querySelector('dialog video').currentTime > 0.5")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Use this photo")).to_be_focused()


def enrolled(page: Page) -> None:
    """Enrols Grace Hopper with the webcam if nobody has."""
    go(page, "People")
    if page.locator(".portraits li").count():
        return
    go(page, "Add faces")
    page.get_by_role("button", name="Take photos").click()
    fits(page)
    take(page, "look straight")
    shot(page, "enrol-look")
    page.get_by_role("button", name="Take it again").click()
    take(page, "look straight")
    page.keyboard.press("Enter")
    take(page, "to the left")
    page.keyboard.press("Enter")
    take(page, "to the right")
    page.keyboard.press("Enter")
    expect(page.get_by_text("That is enough.")).to_be_visible()
    shot(page, "enrol-done")
    expect(page.get_by_role("button", name="Done")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Take photos")).to_be_focused()
    assert page.evaluate("document.querySelector('dialog video').srcObject") is None
    names = "[...document.querySelector('input[name=photos]').files].map((file) => file.name)"
    assert page.evaluate(names) == ["webcam-1.jpg", "webcam-2.jpg", "webcam-3.jpg"]
    expect(page.locator("[data-previews] img")).to_have_count(3)
    page.fill("[name=name]", "Grace Hopper")
    page.get_by_role("button", name="Add faces").click()
    expect(page.locator(".enrolment .notice")).to_contain_text("enrolled for Grace Hopper", timeout=SLOW)


def requests(page: Page) -> int:
    """How many are listed."""
    go(page, "Recognitions")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Recognitions")
    return page.locator("tbody tr").count()


def test_the_webcam_enrols_and_recognises(gallery):
    page = gallery
    enrolled(page)
    go(page, "People")
    page.locator(".portraits a").first.click()
    page.get_by_role("button", name="Take photos").click()
    take(page, "look straight")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("document.querySelector('input[name=photos]').files.length") == 0

    go(page, "Recognise")
    page.get_by_role("button", name="Take a photo").click()
    take(page, "straight into the camera")
    page.keyboard.press("Enter")
    expect(page.locator(".result .faces h3")).to_contain_text("Grace Hopper", timeout=SLOW)
    expect(page.locator(".result image[data-local]")).to_have_attribute("href", re.compile("^blob:"))


def test_live_recognition_names_who_is_there_and_fills_no_list(gallery):
    page = gallery
    enrolled(page)
    before = requests(page)
    go(page, "Recognise")
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    page.get_by_role("button", name="Recognise live").click()
    expect(page.locator("[data-names]")).to_have_text("Grace Hopper", timeout=SLOW)
    box = page.locator(".screen svg rect.known")
    expect(box).to_have_count(1)
    fits(page)
    shot(page, "live")
    middle = "rect => +rect.getAttribute('x') + rect.getAttribute('width') / 2"
    assert 500 < box.evaluate(middle) < 780
    with held(page, "**/recognitions"):
        page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("as long as you look")).to_be_visible()
    expect(page.locator(".screen svg rect")).to_have_count(0)
    expect(page.get_by_role("button", name="Recognise live")).to_be_focused()
    assert sent and requests(page) == before


def test_a_kiosk_greets_who_looks_and_sees_nothing_else(gallery, chromium, platform):
    page, name = gallery, f"Door {gallery.viewport_size['width']}"
    enrolled(page)
    go(page, "Cameras")
    page.get_by_role("link", name="Add a camera").first.click()
    page.fill("[name=name]", name)
    page.select_option("[name=kind]", "webcam")
    page.get_by_role("button", name="Add camera").click()
    page.get_by_role("link", name="Kiosks").click()
    fits(page)
    page.fill("[name=name]", "Tablet")
    page.get_by_role("button", name="Make a kiosk").click()
    link = page.get_by_role("status").get_by_role("link").get_attribute("href")
    fits(page)
    shot(page, "kiosks")

    context = chromium.new_context(viewport=page.viewport_size, base_url=platform.address)
    context.add_init_script(NOTE_SIZES)
    kiosk, complaints = context.new_page(), []
    kiosk.on("pageerror", lambda error: complaints.append(str(error)))
    kiosk.on("console", lambda said: complaints.append(said.text) if "Security Policy" in said.text else None)
    kiosk.goto(link)
    fits(kiosk)
    kiosk.get_by_role("button", name="Start").click()
    expect(kiosk.get_by_text("Look here")).to_be_visible()
    fits(kiosk)
    shot(kiosk, "kiosk-waits")
    expect(kiosk.locator("[data-known]")).to_have_text(re.compile(r"Grace Hopper \d\d:\d\d"), timeout=SLOW)
    fits(kiosk)
    shot(kiosk, "kiosk-greets")
    assert kiosk.evaluate("Math.max(...sizes)") > 64 * 1024, "larger than what is received from just anybody"
    elsewhere = context.new_page()
    elsewhere.goto("/")
    expect(elsewhere.get_by_role("button", name="Sign in", exact=True)).to_be_visible()

    page.reload()
    page.get_by_role("link", name=name).click()
    expect(page.locator("#sightings")).to_contain_text("Grace Hopper")
    page.get_by_role("link", name="Kiosks").click()
    expect(page.get_by_role("row", name="Tablet")).to_contain_text("running")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="End Tablet").click()
    expect(kiosk.get_by_role("heading", name="Make this browser a kiosk")).to_be_visible(timeout=SLOW)
    context.close()
    assert complaints == []


def test_without_a_webcam_the_page_says_why_and_without_script_there_is_no_button(gallery, chromium, platform):
    for sentence, cannot in CANNOT.items():
        page = gallery.context.new_page()
        page.add_init_script(cannot)
        page.goto("/galleries/staff/recognise")
        page.get_by_role("button", name="Take a photo").click()
        expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text(sentence)
        expect(page.get_by_role("button", name="Take photo", exact=True)).to_be_disabled()
        fits(page)
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Recognise live").click()
        expect(page.locator("[data-live]").get_by_role("status").first).to_contain_text(sentence)
    signed_in = gallery.context.storage_state()
    context = chromium.new_context(java_script_enabled=False, base_url=platform.address, storage_state=signed_in)
    page = context.new_page()
    page.goto("/galleries/staff/recognise")
    expect(page.get_by_role("heading", name="Who is in this photo?")).to_be_visible()
    expect(page.get_by_role("button", name="Take a photo")).to_be_hidden()
    expect(page.locator("[data-live]")).to_be_hidden()
    context.close()
