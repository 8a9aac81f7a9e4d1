"""An owner makes a rule and a webhook, and watches alerts come, in real Chromium."""

import re
from pathlib import Path

import pytest
from chromium import fits, go
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
TESTS = Path(__file__).resolve().parents[1]
PEOPLE = """
import sys; sys.path.insert(0, {tests!r})
from factories import GalleryFactory, IdentityFactory, unit
from seen import CameraFactory, sight
from gallery.models import Gallery
from recognition.alerts.services import raise_for
gallery = Gallery.objects.filter(slug={slug!r}).first() or GalleryFactory(slug={slug!r}, name="Hall")
landmarks = [[130, 120], [190, 120], [160, 160], [135, 200], [185, 200]]
def see(name, axis):
    person = gallery.identities.filter(name=name).first() or IdentityFactory(gallery=gallery, name=name)
    jpeg = open({picture!r}, "rb").read() + bytes([axis])
    raise_for(sight(gallery, unit(axis), identity=person, faces=1, crops=[(jpeg, landmarks)]))
{code}
"""


@pytest.fixture
def hall(page, platform, tmp_path, hopper):
    """The gallery's slug, and how cameras see somebody in it."""
    from recognition.engine.image import decode, encode_jpeg

    slug = f"hall-{page.viewport_size['width']}"
    picture = tmp_path / "face.jpg"
    picture.write_bytes(encode_jpeg(decode(hopper)[:320, 120:440]))

    def run(code: str) -> None:
        script = PEOPLE.format(tests=str(TESTS), slug=slug, picture=str(picture), code=code)
        done = platform.manage("shell", "-c", script)
        assert done.returncode == 0, done.stderr

    run('CameraFactory(gallery=gallery, name="Door", slug="door"); see("Ada Lovelace", 1)')
    return slug, run


def test_a_rule_tells_and_a_webhook_is_added(page, hall):
    slug, run = hall
    page.goto(f"/galleries/{slug}/")
    go(page, "Alerts")
    expect(page.get_by_text("Nothing was told yet.")).to_be_visible()
    expect(page.get_by_role("button", name="Mark all as seen")).to_be_hidden()
    page.get_by_role("link", name="Rules").first.click()
    fits(page, "rules-none")
    page.get_by_role("link", name="Add a rule").first.click()
    page.fill("[name=name]", "Visitors at the door")
    page.select_option("[name=kind]", "watch_list")
    page.get_by_label("About: find a person", exact=True).press_sequentially("ada")
    page.get_by_role("button", name="Add Ada Lovelace").click()
    expect(page.locator("#chosen-people input")).to_be_checked()
    page.get_by_label("Minutes of silence").fill("0")
    fits(page, "rule")
    page.get_by_role("button", name="Add rule").click()
    expect(page.get_by_role("status")).to_contain_text("Visitors at the door")
    fits(page, "rules")

    page.get_by_role("navigation", name="Alerts").get_by_role("link", name="Alerts").click()
    run('see("Ada Lovelace", 2)')
    rows = page.locator(".alert")
    expect(rows).to_have_count(1, timeout=20_000)  # it comes by itself
    expect(rows).to_contain_text("Ada Lovelace was seen at")
    picture = rows.locator("img")
    assert picture.evaluate("async e => { await e.decode(); return e.naturalWidth }") > 20
    fits(page, "alerts")
    reloaded = page.context.new_page()
    reloaded.goto(page.url)
    expect(reloaded.get_by_role("link", name="1 new alert")).to_be_visible()
    reloaded.close()
    rows.get_by_role("button", name="Mark as seen").click()
    expect(rows).to_contain_text("Seen by admin")
    run('see("Ada Lovelace", 3)')
    expect(rows).to_have_count(2, timeout=20_000)
    page.get_by_role("button", name="Mark all as seen").click()  # also what came after the page
    expect(page.get_by_role("status")).to_contain_text("All alerts are marked as seen.")
    expect(page.get_by_role("link", name="1 new alert")).to_have_count(0)

    page.get_by_role("link", name="Webhooks").click()
    page.fill("[name=url]", "http://10.255.255.1:9/hook")
    page.get_by_role("button", name="Add webhook").click()
    expect(page.get_by_label("The secret")).to_have_value(re.compile("whsec_.+"))
    fits(page, "webhooks")
    page.get_by_role("link", name="http://10.255.255.1:9").click()
    page.get_by_role("button", name="Switch off").click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("webhook.test")).to_be_visible()
    fits(page, "webhook")
