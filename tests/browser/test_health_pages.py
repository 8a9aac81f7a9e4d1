"""A curator keeps a gallery clean, and asks for its calibration, in real Chromium with the real jobs."""

import re

import pytest
from chromium import fits, go
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture
def gallery(page, platform, tmp_path, hopper, hopper_again, collins) -> str:
    """Grace under two names, and Eileen; the slug."""
    slug = f"care-{page.viewport_size['width']}"
    for name, photo in (("Grace", hopper), ("Admiral Hopper", hopper_again), ("Eileen", collins)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "portrait.jpg").write_bytes(photo)
    done = platform.manage("import_faces", str(tmp_path), "--gallery", slug, "--create", "--quality", "off")
    assert "3 samples of 3 people enrolled" in done.stdout, done.stderr
    return slug


def test_the_same_person_twice_is_settled_and_a_calibration_that_would_say_nothing_refused(page, gallery):
    page.goto(f"/galleries/{gallery}/")
    fits(page)
    go(page, "Health")
    fits(page)
    page.get_by_role("button", name="Check the gallery").click()
    twice = page.get_by_role("link", name="The same person twice (1)")
    expect(twice).to_be_visible(timeout=30_000)  # the page looks again by itself until the job is done
    twice.click()
    fits(page)
    found = page.locator(".findings li")
    expect(found).to_contain_text("2 of the 2 faces of")
    for image in found.locator("img").all():
        assert image.evaluate("async e => { await e.decode(); return e.naturalWidth }") > 20
    found.get_by_role("button", name="Merge into Grace").click()
    expect(page.get_by_role("status")).to_contain_text("Admiral Hopper was merged into Grace.")
    expect(page.get_by_role("link", name="The same person twice (0)")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="The same person twice (1)")).to_be_visible()
    page.get_by_role("link", name="The same person twice (1)").click()
    page.get_by_role("button", name="They are two people").click()
    page.get_by_role("link", name="Fine (1)").click()
    expect(page.get_by_role("button", name="Show again")).to_be_visible()
    fits(page)

    go(page, "Settings")
    page.get_by_role("link", name="Calibration", exact=True).click()
    fits(page)
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_text(re.compile("No threshold is advised: 3 people are too few"))).to_be_visible(timeout=30_000)
    expect(page.locator("svg.chart")).to_have_count(2)
    page.get_by_text("The numbers").click()
    fits(page)
