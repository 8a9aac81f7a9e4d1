"""Many people at once and one person's pages, in real Chromium, wide and on a phone."""

import pytest
from chromium import fits, shot
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
LONG = "Wolfeschlegelsteinhausenbergerdorff the Younger of Somewhere Far"
FILL = """
from gallery.models import Gallery, Identity
gallery, made = Gallery.objects.get_or_create(slug="{slug}", defaults=dict(name="Crew", pack="sface"))
if made:
    rows = [Identity(gallery=gallery, name=f"Sailor {{n:02}}", department="Navy") for n in range(50)]
    rows += [Identity(gallery=gallery, name=f"Clerk {{n:02}}", department="Office") for n in range(41)]
    rows += [Identity(gallery=gallery, name="{long}", position="{long}", department="{long}")]
    Identity.objects.bulk_create(rows)
"""


@pytest.fixture
def crew(page, platform) -> str:
    """50 sailors, 41 clerks, and somebody with a long name; the gallery's address."""
    slug = f"crew-{page.viewport_size['width']}"
    done = platform.manage("shell", "-c", FILL.format(slug=slug, long=LONG))
    assert done.returncode == 0, done.stderr
    return f"/galleries/{slug}/"


class Clicks:
    """Counts what a user presses."""

    def __init__(self, page: Page) -> None:
        self.count = 0
        self.page = page

    def __call__(self, locator) -> None:
        self.count += 1
        locator.click()


def test_fifty_people_are_set_inactive_and_back_in_three_clicks(page, crew):
    page.goto(f"{crew}?department=Navy")
    fits(page, "people")
    click = Clicks(page)
    click(page.get_by_role("checkbox", name="Select all 50 that match"))
    expect(page.get_by_text("50 people ticked")).to_be_visible()
    fits(page, "people-ticked")
    click(page.get_by_role("button", name="Set inactive"))
    expect(page.get_by_text("50 people are not active now.")).to_be_visible()
    expect(page.locator("#people-count")).to_contain_text("0 of 92 people")
    click(page.get_by_role("button", name="Undo"))
    expect(page.locator("#people-count")).to_contain_text("50 of 92 people")
    assert click.count == 3


def test_consent_of_41_people_in_three_clicks(page, crew):
    page.goto(f"{crew}?department=Office&view=table")
    click = Clicks(page)
    click(page.get_by_role("checkbox", name="Select all 41 that match"))
    click(page.get_by_role("button", name="Consent …"))
    fits(page, "people-consent")
    page.get_by_label("Stated by").fill("works council, 3 May")
    click(page.get_by_role("button", name="Note consent"))
    expect(page.get_by_text("41 people are noted with the consent “given”.")).to_be_visible()
    expect(page.locator(".people-table .decision.known")).to_have_count(41)
    fits(page, "people-table")
    assert click.count == 3
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".people-table .decision.known")).to_have_count(0)


def test_a_range_by_shift_and_a_merge_into_the_one_ticked_first(page, crew):
    page.goto(f"{crew}?q=Sailor")
    boxes = page.locator("[name=people]")
    boxes.nth(3).click()
    boxes.nth(1).click(modifiers=["Shift"])
    expect(page.get_by_text("3 people ticked")).to_be_visible()
    page.get_by_role("button", name="More acts").click()
    page.get_by_role("button", name="Merge …").click()
    expect(page.locator("#many-merge")).to_contain_text("Sailor 03, who was ticked first")
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_text("2 people are merged into Sailor 03.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#people-count")).to_contain_text("50 of 92 people")


def test_by_keyboard_alone_somebody_is_found_ticked_and_opened(page, crew):
    page.goto(crew)
    page.get_by_label("Search people").focus()
    page.keyboard.type("sailor 07")
    expect(page.locator("#people-count")).to_contain_text("1 of 92 people")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "people":
            break
    page.keyboard.press("Space")
    expect(page.get_by_text("1 person ticked")).to_be_visible()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Set inactive":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_text("Sailor 07 is not active now.")).to_be_visible()
    page.get_by_role("button", name="Undo").press("Enter")
    page.locator(".portraits a").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Sailor 07")


def test_a_persons_pages_fit_with_a_long_name_at_every_width(page, crew):
    page.goto(f"{crew}?q=Wolfe")
    page.locator(".portraits a").click()
    expect(page.locator("h1")).to_have_text(LONG)
    width = page.viewport_size["width"]
    for tab in ("Faces", "Seen", "Details & consent", "History"):
        page.locator(".person-tabs").get_by_role("link", name=tab).click()
        expect(page.locator(".person-tabs [aria-current=page]")).to_have_text(tab)
        for each in {width, 390 if width == 1280 else 320}:
            page.set_viewport_size({"width": each, "height": 800})
            fits(page, f"person-{tab.split()[0].lower()}")
        page.set_viewport_size({"width": width, "height": 800})
    page.get_by_role("button", name="More acts").click()
    shot(page, "person-acts")
    page.get_by_role("button", name="Delete …").click()
    fits(page, "person-delete")
    page.locator("#delete-person").get_by_role("button").click()
    expect(page.get_by_text("was deleted.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#people-count")).to_contain_text("92 people")
