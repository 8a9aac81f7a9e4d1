"""A curator looks at sightings and names an unknown person, in real Chromium."""

from pathlib import Path

import pytest
from chromium import fits, go, shot
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
TESTS = Path(__file__).resolve().parents[1]
SEEN = """
import itertools, sys; sys.path.insert(0, {tests!r})
from factories import GalleryFactory, IdentityFactory, SampleFactory, unit
from seen import near, sight
from gallery.models import FaceCrop, Gallery
from recognition.sightings.models import Suggestion
gallery = Gallery.objects.filter(slug={slug!r}).first() or GalleryFactory(
    slug={slug!r}, name="Front", threshold_source="manual", threshold_distance=0.6)
pictures = [open(path, "rb").read() for path in {pictures!r}]
def crops(number, made=itertools.count()):
    landmarks = [[130, 120], [190, 120], [160, 160], [135, 200], [185, 200]]
    return [(pictures[number] + str(next(made)).encode(), landmarks) for _ in range(3)]
{code}
"""
FIRST = """
ada = SampleFactory(identity__gallery=gallery, identity__name="Ada Lovelace", vector=unit(0)).identity
FaceCrop.objects.update(jpeg=pictures[0])
sight(gallery, near(unit(0), .3), identity=ada, crops=crops(0))
strangers = [sight(gallery, near(unit(0), .63 + .005 * n, axis=5), later=600 * n, crops=crops(1)) for n in range(4)]
sight(gallery, unit(9), later=60, crops=crops(0))
Suggestion.objects.create(gallery=gallery, unknown=strangers[0].unknown, identity=ada, distance=.63)
"""
LATER = "sight(gallery, unit(20), later=9000)"


@pytest.fixture
def see(page, platform, tmp_path, hopper, collins):
    """Writes sightings as a camera worker does; returns how, and the gallery's slug."""
    from recognition.engine.image import decode, encode_jpeg

    slug = f"seen-{page.viewport_size['width']}"
    pictures = []
    for number, photo in enumerate((hopper, collins)):
        pictures.append(str(tmp_path / f"{number}.jpg"))
        Path(pictures[-1]).write_bytes(encode_jpeg(decode(photo)[:320, 120:440]))

    def write(code: str) -> None:
        script = SEEN.format(tests=str(TESTS), slug=slug, pictures=pictures, code=code)
        done = platform.manage("shell", "-c", script)
        assert done.returncode == 0, done.stderr

    write(FIRST)
    return write, slug


def looks_well(page: Page, name: str) -> None:
    """Nothing sticks out at the side, and all pictures are there."""
    fits(page)
    for image in page.locator("main img").all():
        if image.is_visible():
            image.scroll_into_view_if_needed()
            assert image.evaluate("async e => { await e.decode(); return e.naturalWidth }") > 20
    shot(page, name)


def test_sightings_are_corrected_and_an_unknown_person_named_and_that_undone(page, see):
    write, slug = see
    page.goto(f"/galleries/{slug}/")
    go(page, "Sightings")
    rows = page.locator(".sighting")
    expect(rows).to_have_count(6)
    looks_well(page, "sightings")
    known = rows.filter(has_text="Ada Lovelace")
    known.get_by_role("button", name="Not Ada Lovelace").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved: this is not Ada Lovelace.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".sighting").filter(has_text="Ada Lovelace")).to_have_count(1)
    write(LATER)
    expect(page.get_by_role("link", name="1 new – show")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="1 new – show").click()
    expect(rows).to_have_count(7)

    latest = rows.first
    latest.get_by_text("Is …").click()
    latest.get_by_placeholder("Name of a person …").press_sequentially("ada")
    latest.get_by_label("Ada Lovelace").check()
    looks_well(page, "sighting-is")
    latest.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved: this is Ada Lovelace.")
    page.get_by_role("link", name="Ada Lovelace").first.click()
    page.locator(".person-tabs").get_by_role("link", name="Seen").click()
    expect(page.locator(".sighting")).to_have_count(2)
    looks_well(page, "seen")

    go(page, "Unknown people")
    expect(page.get_by_text("may be Ada Lovelace")).to_be_visible()
    expect(page.get_by_text("seen 4 times")).to_be_visible()
    page.get_by_text("Seen once (").click()
    looks_well(page, "unknown-people")
    page.get_by_role("link", name="Unknown 1", exact=True).click()
    looks_well(page, "unknown-person")
    page.locator("[name=sightings]").first.uncheck()
    page.get_by_placeholder("Name of a new person").fill("Eileen Collins")
    page.get_by_role("button", name="Save the name").click()
    expect(page.get_by_role("status").first).to_contain_text("Unknown 1 is Eileen Collins: 3 sightings named")
    looks_well(page, "unknown-named")
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_role("button", name="Save the name")).to_be_visible()
    expect(page.locator("[name=sightings]")).to_have_count(4)
