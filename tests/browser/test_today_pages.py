"""The page of the day, the search of the bar and a gallery's settings, in real Chromium."""

import itertools
import re
from pathlib import Path

import pytest
from chromium import fits, go, shot
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
TESTS = Path(__file__).resolve().parents[1]
LONG = "Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewis"  # 60 letters
NUMBERS = itertools.count()
SMALL = {"width": 320, "height": 700}
SCRIPT = """
import sys; sys.path.insert(0, {tests!r})
from datetime import timedelta
from django.utils import timezone
from factories import *
from seen import near, sight
from recognition.attendance.models import AttendanceDay
from recognition.today.reading import today_of
now = timezone.now()
gallery = Gallery.objects.filter(slug={slug!r}).first() or GalleryFactory(slug={slug!r}, name={slug!r} + " " + {long!r})
def seen(person):
    Identity.objects.filter(pk=person.pk).update(last_recognized_at=timezone.now())
{code}
"""
FIRST = """
camera = CameraFactory(gallery=gallery, name="Door " + {long!r})
for number, name in enumerate(["Ada Lovelace", "Ada Yonath", {long!r}, "Zoë"]):
    person = IdentityFactory(gallery=gallery, name=name, department="Research")
    if number < 2:
        seen(person)
for _ in range(2):
    sight(gallery, unit(9), at=now - timedelta(seconds=30), camera=camera)
""".replace("{long!r}", repr(LONG))
LATER = "seen(Identity.objects.get(gallery=gallery, name='Zoë'))"


@pytest.fixture
def write(page, platform):
    """Writes rows into a gallery of this test; returns how, and the gallery's address."""
    slug = f"day-{next(NUMBERS)}"

    def do(code: str) -> None:
        done = platform.manage("shell", "-c", SCRIPT.format(tests=str(TESTS), slug=slug, long=LONG, code=code))
        assert done.returncode == 0, done.stderr

    do(FIRST)
    return do, f"/galleries/{slug}"


def fits_everywhere(page, name: str) -> None:
    """Also on the smallest phone."""
    usual = page.viewport_size
    fits(page, name)
    page.set_viewport_size(SMALL)
    fits(page)
    page.set_viewport_size(usual)


def test_the_day_keeps_itself_up_to_date(page, write):
    do, home = write
    page.goto(f"{home}/")
    go(page, "Today")
    figures = page.get_by_role("navigation", name="Today in numbers")
    expect(figures).to_contain_text("2 / 4")
    expect(page.locator("#needs")).to_contain_text("1 stranger seen several times")
    expect(page.get_by_role("region", name="Not yet").get_by_role("link")).to_have_count(2)
    fits_everywhere(page, "today")
    figures.get_by_role("link", name="seen today").focus()
    do(LATER)
    expect(page.get_by_role("link", name="1 new – show")).to_be_visible(timeout=30_000)
    expect(figures).to_contain_text("3 / 4")
    expect(figures.get_by_role("link", name="seen today")).to_be_focused()
    page.get_by_role("link", name="1 new – show").click()
    expect(page.get_by_role("region", name="Seen").get_by_role("link")).to_have_count(3)
    page.get_by_role("link", name="Who is this?").click()
    expect(page.get_by_role("heading", name="Unknown 1")).to_be_visible()


def test_the_search_suggests_and_leads_there(page, write):
    _, home = write
    page.goto(f"{home}/today")
    page.keyboard.press("/")
    page.keyboard.type("ada")
    suggestions = page.locator("#suggestions")
    expect(suggestions.get_by_role("link")).to_have_count(3)
    shot(page, "suggestions")
    page.keyboard.press("ArrowDown")
    expect(suggestions.get_by_role("link", name="Ada Lovelace")).to_be_focused()
    page.keyboard.press("Escape")
    expect(suggestions).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Find", exact=True)).to_be_visible()
    expect(page.locator(".portraits li")).to_have_count(2)
    fits_everywhere(page, "find")
    page.get_by_role("combobox", name="Find people").fill("ada yonath")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ada Yonath")).to_be_visible()


def test_settings_and_members(page, write):
    _, home = write
    page.goto(f"{home}/")
    go(page, "Settings")
    expect(page.get_by_role("heading", name="General")).to_be_visible()
    fits_everywhere(page, "settings-general")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_have_text(re.compile("Saved"))
    page.get_by_role("link", name="Recognition", exact=True).click()
    page.get_by_label("How careful?").select_option("1 in 1,000 strangers")
    page.locator("form", has_text="How careful?").get_by_role("button", name="Save").click()
    expect(page.get_by_role("row", name="1 in 1,000 strangers")).to_contain_text("in force")
    fits_everywhere(page, "settings-recognition")
    go(page, "Members")
    name = f"grace-{page.viewport_size['width']}"
    page.get_by_label("User name").fill(name)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_label("The link")).to_have_value(re.compile("/sign-in/link/"))
    fits_everywhere(page, "settings-members")
    page.get_by_label(f"Role of {name}").select_option("Curator")
    expect(page.get_by_role("status").first).to_contain_text(f"{name} is curator now, and was viewer.")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=f"Remove {name}").click()
    expect(page.get_by_role("status").first).to_contain_text("is no member any more")
