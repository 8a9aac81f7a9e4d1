"""The clicks, keystrokes and seconds of ten main jobs, done in real Chromium as a user does them: `python tests/clicks.py`.

Prints a table for docs/performance.md. A user's seconds are of the keystroke-level model (Card, Moran & Newell, 1980).
"""

import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import django  # noqa: E402

django.setup()

from chromium import launched  # noqa: E402
from hand import Hand  # noqa: E402
from inside import Inside  # noqa: E402
from main_jobs import JOBS, home, say_somebody_else, see_wrong_match  # noqa: E402
from PIL import Image, ImageEnhance  # noqa: E402
from platform_process import Platform  # noqa: E402

from recognition.demo.portraits import PORTRAITS  # noqa: E402

K, P, B, H, M = 0.28, 1.1, 0.1, 0.4, 1.35  # a key, pointing, half a click, a hand that moves, a thought
WIDE = {"width": 1280, "height": 800}
BY_NAME = {job.name: job for job in JOBS}
Act = Callable[[Hand, dict], None]


def usual(name: str) -> Act:
    """From the page of the day to the sentence that it is done."""

    def act(hand: Hand, world: dict) -> None:
        job = BY_NAME[name]
        job.begin(hand, world, photos())
        job.decide(hand, world)
        hand.sees(job.done(hand.page))

    return act


def correct(hand: Hand, world: dict) -> None:
    """From the answer on: how the photo was sent is another job."""
    see_wrong_match(hand, world, photos())
    hand.forget()
    say_somebody_else(hand)
    job = BY_NAME["correct a wrong match"]
    job.decide(hand, world)
    hand.sees(job.done(hand.page))


def set_fifty_inactive(hand: Hand, world: dict) -> None:
    page = hand.page
    hand.go("People")
    hand.type(page.get_by_label("Search people"), "night shift")
    every = page.get_by_role("checkbox", name="Select all 50 that match")
    hand.sees(every)
    hand.click(every)
    hand.click(page.get_by_role("button", name="Set inactive"))
    hand.sees(page.get_by_text("50 people are not active now."))


def move_to_a_better_model(hand: Hand, world: dict) -> None:
    page = hand.page
    page.once("dialog", lambda dialog: dialog.accept())
    hand.go("Settings")
    hand.click(page.get_by_role("link", name="Model", exact=True))
    hand.click(page.get_by_role("button", name="Embed again with sface"))
    force = page.get_by_role("button", name="Put sface in force")
    hand.sees(force)
    hand.click(force)
    hand.clicks += 1  # the browser's question
    hand.sees(page.get_by_role("heading", name="In force: sface"))


# what → (act, clicks before; docs/performance.md says where these are from)
TEN: dict[str, tuple[Act, str]] = {
    "enrol a person with three photos": (usual("enrol a person with three photos"), "3–4"),
    "find a person among 10,000": (usual("find a person"), "typing + 1"),
    "correct a wrong match": (correct, "~8, with the file again"),
    "name an unknown person": (usual("name an unknown person"), "4 ¹"),
    "set 50 people inactive": (set_fifty_inactive, "~200 ¹: 4 on each of 50 pages"),
    "invite a colleague as viewer": (usual("invite a colleague as viewer"), "~13, by a superuser alone"),
    "see who was in today": (usual("see who was in today"), "not possible beyond a tick on the page of people"),
    "add a camera": (usual("add a camera"), "7 ¹"),
    "change one's password": (usual("change one's password"), "not possible for ordinary users"),
    "move to a better model": (move_to_a_better_model, "4 ¹"),
}


def photos() -> dict[str, bytes]:
    hopper, collins = (Image.open(portrait.path).convert("RGB") for portrait in PORTRAITS)
    dark = ImageEnhance.Brightness(hopper.resize((hopper.width * 2 // 3, hopper.height * 2 // 3))).enhance(0.8)
    return {
        "hopper again": _jpeg(dark),
        "collins": _jpeg(collins),
        "collins lighter": _jpeg(ImageEnhance.Brightness(collins).enhance(1.15)),
        "collins darker": _jpeg(ImageEnhance.Brightness(collins).enhance(0.85)),
    }


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()


def human_seconds(hand: Hand) -> float:
    """Every click is pointed at, every scroll too; what is waited for is not in it."""
    return (P + 2 * B) * hand.clicks + P * hand.scrolls + K * hand.keys + H * hand.moves + M * hand.thinks


def rows() -> Iterator[str]:
    """The table's lines, each job in a gallery of its own with 10,000 people."""
    with tempfile.TemporaryDirectory(prefix="faceplatform-clicks-") as folder, launched() as chromium:
        platform = Platform(Path(folder))
        platform.start(seconds=300)
        inside = Inside(platform, "job_world")
        try:
            for number, (name, (act, before)) in enumerate(TEN.items()):
                world = inside.make(
                    f"clicks-{number}", "dlib-resnet" if act is move_to_a_better_model else "sface", 9_996
                )
                context = chromium.new_context(viewport=WIDE, base_url=platform.address)
                context.add_cookies([{"name": "sessionid", "value": world["session"], "url": platform.address}])
                hand = Hand(context.new_page())
                home(hand, world)
                act(hand, world)
                yield (
                    f"| {name} | {before} | {hand.clicks} | {hand.keys} | {hand.scrolls} | {hand.waited:.1f} "
                    f"| {human_seconds(hand):.0f} |"
                )
                context.close()
        finally:
            inside.stop()
            platform.interrupt()


def main() -> None:
    print("| job | clicks before | clicks | keys | scrolls | machine, s | user, s |\n|---|---|---|---|---|---|---|")
    for row in rows():
        print(row, flush=True)


if __name__ == "__main__":
    main()
