"""The ten main jobs in real Chromium: wide and on a phone, without script, and in every trouble that meets a user.

Each test has a gallery and an owner of its own. What a job makes is counted in the database: done once is once.
"""

import io
import itertools
import re

import pytest
from chromium import fits
from hand import SLOW, Hand
from inside import Inside
from main_jobs import CHANGING, JOBS, Job, home
from PIL import Image, ImageEnhance
from playwright.sync_api import expect

pytestmark = pytest.mark.browser
SIZES = {"wide": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
NUMBERS = itertools.count()
# Remembers that the page has said that something is on its way: Playwright looks at no page that is about to be left.
TOLD = """new MutationObserver(() => {
    if (document.querySelector("[data-sending], .busy.htmx-request")) sessionStorage.setItem("told", "yes");
}).observe(document, {subtree: true, childList: true, attributes: true, attributeFilter: ["class"]})"""
every_size = pytest.mark.parametrize("size", SIZES)
every_job = pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
every_change = pytest.mark.parametrize(
    ("job", "size"),
    [pytest.param(job, size, id=f"{job.name}-{size}") for job, size in zip(CHANGING, itertools.cycle(SIZES))],
)


@pytest.fixture(scope="module")
def inside(platform, sface_dir):
    process = Inside(platform, "job_world")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def photos(hopper_again, collins) -> dict[str, bytes]:
    return {
        "hopper again": hopper_again,
        "collins": collins,
        "collins lighter": shaded(collins, 1.15),
        "collins darker": shaded(collins, 0.85),
    }


def shaded(photo: bytes, factor: float) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(photo)) as image:
        ImageEnhance.Brightness(image.convert("RGB")).enhance(factor).save(out, "JPEG")
    return out.getvalue()


class Desk:
    """A gallery, its owner's browser, and what the job has made so far."""

    def __init__(self, chromium, platform, inside, *, size: str, **options) -> None:
        self.inside, self.platform = inside, platform
        self.world = inside.make(f"job-{next(NUMBERS)}")
        self.context = chromium.new_context(viewport=SIZES[size], base_url=platform.address, **options)
        self.context.add_cookies([{"name": "sessionid", "value": self.world["session"], "url": platform.address}])
        self.complaints: list[str] = []
        self.before = inside.count(self.world["slug"])

    def hand(self, **how) -> Hand:
        """One of the owner's, at a tab that shows the page of the day."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        hand = Hand(page, **how)
        home(hand, self.world)
        return hand

    def made(self) -> dict[str, int]:
        now = self.inside.count(self.world["slug"])
        return {name: more for name, count in now.items() if (more := count - self.before.get(name, 0))}

    def sign_in(self, page) -> None:
        page.wait_for_url("**/sign-in?next=**", timeout=SLOW)
        page.fill("[name=username]", self.world["username"])
        page.fill("[name=password]", self.world["password"])
        page.get_by_role("button", name="Sign in", exact=True).click()


@pytest.fixture
def desk(chromium, platform, inside):
    desks = []

    def make(**how) -> Desk:
        desks.append(Desk(chromium, platform, inside, **how))
        return desks[-1]

    yield make
    for each in desks:
        each.context.close()
        inside.close(each.world["slug"])
        assert each.complaints == []


def do(job: Job, hand: Hand, desk: Desk, photos) -> None:
    job.begin(hand, desk.world, photos)
    job.decide(hand, desk.world)
    hand.sees(job.done(hand.page))


@every_size
@every_job
def test_a_job_is_done(job, size, desk, photos):
    at = desk(size=size)
    hand = at.hand()
    do(job, hand, at, photos)
    fits(hand.page, f"job-{job.name.replace(' ', '-')}")
    assert at.made() == job.makes


@every_size
@every_job
def test_without_script(job, size, desk, photos):
    at = desk(size=size, java_script_enabled=False)
    do(job, at.hand(script=False), at, photos)
    assert at.made() == job.makes


@every_change
def test_a_double_click_does_it_once(job, size, desk, photos):
    at = desk(size=size)
    hand = at.hand(twice=True)
    job.begin(hand, at.world, photos)
    sent: list[str] = []
    hand.page.on("request", lambda request: request.method == "POST" and sent.append(request.url))
    job.decide(hand, at.world)
    hand.sees(job.done(hand.page))
    hand.page.wait_for_timeout(500)  # the time that a second sending would need to be answered
    assert len(sent) == 1, sent
    expect(job.done(hand.page)).to_be_visible()
    expect(hand.page.get_by_role("alert").and_(hand.page.locator(":visible"))).to_have_count(0)
    assert at.made() == job.makes


@pytest.mark.parametrize("job", [job for job in CHANGING if job.stale], ids=lambda job: job.name)
def test_a_second_tab_is_told_that_it_was_done_already(job, desk, photos):
    at = desk(size="wide")
    first, second = at.hand(), at.hand()
    job.begin(first, at.world, photos)
    if job.resumes:
        second.page.goto(first.page.url)
        job.resumes(second)
    else:
        job.begin(second, at.world, photos)
    job.decide(first, at.world)
    first.sees(job.done(first.page))
    once = at.made()
    job.decide(second, at.world)
    expect(second.page.locator("main").get_by_text(re.compile(job.stale))).to_be_visible(timeout=SLOW)
    assert at.made() == once


@every_change
def test_back_and_forward_do_nothing_again(job, size, desk, photos):
    at = desk(size=size)
    hand = at.hand()
    do(job, hand, at, photos)
    once = at.made()
    for go in ("back()", "forward()", "go(0)"):  # the browser's own buttons; the last loads anew
        hand.page.evaluate(f"setTimeout(() => history.{go})")
        hand.page.wait_for_timeout(1500)
        assert not hand.page.url.startswith("chrome-error"), "the browser asks whether to send the form again"
        expect(hand.page.get_by_role("heading", level=1).first).to_be_visible(timeout=SLOW)
    assert at.made() == once


@every_change
def test_a_lost_session_leads_back_and_does_nothing_by_half(job, size, desk, photos, inside):
    at = desk(size=size)
    hand = at.hand()
    job.begin(hand, at.world, photos)
    here, before = hand.page.url, at.made()
    assert inside.end_sessions() > 0
    job.decide(hand, at.world)
    at.sign_in(hand.page)
    hand.page.wait_for_url(here, timeout=SLOW)
    for field, text in job.kept.items():
        expect(hand.page.locator(field).first).to_have_value(re.compile(re.escape(text)))
    assert at.made() == before


@every_change
def test_a_slow_network_is_told_and_the_job_ends(job, size, desk, photos):
    at = desk(size=size)
    hand = at.hand()
    hand.page.add_init_script(TOLD)
    job.begin(hand, at.world, photos)
    network = at.context.new_cdp_session(hand.page)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 1500, "downloadThroughput": 100_000, "uploadThroughput": 100_000}
    network.send("Network.emulateNetworkConditions", slow)
    hand.twice = True
    job.decide(hand, at.world)
    expect(job.done(hand.page)).to_be_visible(timeout=SLOW)
    assert hand.page.evaluate("sessionStorage.getItem('told')") == "yes"
    assert at.made() == job.makes
