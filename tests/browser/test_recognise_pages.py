"""A photo is recognised, and a curator puts right what the answer says, in real Chromium."""

import re

import pytest
from chromium import fits
from platform_process import PASSWORD
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
LONG = "Grace Brewster Murray Hopper-Wolfeschlegelsteinhausenbergero"
SLOW = 60_000


@pytest.fixture
def gallery(page, platform, tmp_path, hopper, both) -> str:
    """The address of a gallery of Grace, whose name has 60 letters, and of somebody like nobody."""
    slug = f"faces-{page.viewport_size['width']}"
    if page.goto(f"/galleries/{slug}/").status == 404:
        (tmp_path / LONG).mkdir()
        (tmp_path / LONG / "portrait.jpg").write_bytes(hopper)
        done = platform.manage("import_faces", str(tmp_path), "--gallery", slug, "--create", "--quality", "off")
        assert "1 sample" in done.stdout, done.stderr
    return f"/galleries/{slug}/"


def recognise(page: Page, gallery: str, **photos: bytes) -> None:
    page.goto(f"{gallery}recognise")
    chosen = [{"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": data} for name, data in photos.items()]
    page.set_input_files("input[type=file]", chosen)
    expect(page.locator(".result").first).to_be_visible(timeout=SLOW)


def said(page: Page):
    return page.locator(".face .notice[role=status]")


def undo(page: Page) -> None:
    page.get_by_role("button", name="Undo").first.click()
    expect(page.locator(".notice").first).to_contain_text("Undone")


def test_an_unknown_face_is_enrolled_and_a_wrong_match_corrected_in_two_clicks(page, gallery, both):
    recognise(page, gallery, both=both)
    expect(page.locator("h2:focus")).to_have_text("1 known, 1 unknown")
    fits(page, "result")
    page.set_viewport_size({"width": 320, "height": 640})
    fits(page, "result")
    unknown = page.locator(".face.unknown")
    unknown.get_by_text("New person …").click()
    expect(unknown.get_by_label("Name of the new person")).to_be_focused()
    unknown.get_by_label("Name of the new person").fill("Eileen")
    fits(page, "result-new-person")
    unknown.get_by_label("Name of the new person").press("Enter")
    expect(said(page)).to_have_text(re.compile("Saved: this is Eileen. The face was enrolled."), timeout=SLOW)
    expect(said(page)).to_be_focused()
    expect(page.locator("h2[data-focus]")).to_have_text("2 known")

    recognise(page, gallery, both=both)
    expect(page.locator("h2:focus")).to_have_text("2 known")
    card = page.locator(".face", has_text="Eileen").filter(has=page.locator("h3", has_text="Eileen"))
    card.get_by_text("Somebody else …").click()  # the first click
    fits(page, "result-somebody-else")
    card.get_by_label("Find the person").press_sequentially("wolfe")
    card.locator(".found").get_by_role("button", name=LONG).click()  # the second
    expect(said(page)).to_contain_text(f"Saved: this is {LONG}.", timeout=SLOW)
    undo(page)
    expect(page.locator(".face h3", has_text="Eileen")).to_have_count(1)
    fits(page, "recognition")


def test_faces_and_cards_light_up_together_and_the_keyboard_is_enough(page, gallery, hopper_again):
    recognise(page, gallery, again=hopper_again)
    face = page.locator(".photo a[data-face]")
    face.focus()
    expect(page.locator(".face.lit")).to_have_count(1)
    if page.viewport_size["width"] > 1000:
        page.locator(".face h3").hover()
        expect(page.locator(".photo a.lit")).to_have_count(1)
    assert page.locator(".photo text").evaluate("e => e.getBBox().width") > 0
    face.press("Enter")
    expect(page).to_have_url(re.compile("#face-"))
    page.get_by_role("button", name="Right").focus()
    page.keyboard.press("Enter")
    expect(said(page)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".notice").first).to_contain_text("Undone")


def test_several_photos_a_double_click_and_a_lost_session(page, gallery, hopper, hopper_again, no_face):
    recognise(page, gallery, one=hopper_again, junk=b"junk", two=no_face)
    expect(page.locator(".result")).to_have_count(2, timeout=SLOW)
    expect(page.get_by_role("alert").first).to_contain_text("junk.jpg")
    expect(page.locator(".result image[data-local]").first).to_have_attribute("href", re.compile("^blob:"))
    fits(page, "results")
    page.reload()
    expect(page.locator(".result")).to_have_count(2)

    recognise(page, gallery, one=hopper_again)
    page.get_by_role("button", name="Right").dblclick()
    expect(said(page)).to_contain_text("Noted: this is", timeout=SLOW)
    undo(page)
    here = page.url
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name=re.compile("^Not ")).first.click()
    page.wait_for_url("**/sign-in?next=**", timeout=SLOW)
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.click("button:has-text('Sign in')")
    page.wait_for_url(here)
    expect(page.locator(".face h3")).to_contain_text("Grace")
    page.goto(f"{gallery}recognitions")
    fits(page, "recognitions")
    page.fill("[name=name]", "wolfe")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".recognitions > li").first).to_contain_text("Grace")
    page.goto(f"{gallery}recognitions?decision=unusable")
    expect(page.get_by_text("No recognition matches.")).to_be_visible()
