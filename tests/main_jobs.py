"""The main jobs, as a user does them from the page of the day: up to the press that decides, that press, and what then is there.

`begin` fills in everything, `decide` presses, `done` is what tells the user. `makes`: what the job adds to job_world.count().
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hand import Hand
from playwright.sync_api import Locator, Page, expect

World = Mapping[str, str]
LOOKED = {"recognition.requested": 1, "recognition.answered": 1}
NEW_PASSWORD = "another horse, another battery"


@dataclass(frozen=True)
class Job:
    """stale: what a second tab is told that does the same after it was done. resumes: how that tab goes on where the first
    one is, if it would make something of its own otherwise. kept: fields whose text outlives a lost session."""

    name: str
    begin: Callable[[Hand, World, Mapping[str, bytes]], None]
    decide: Callable[[Hand, World], None]
    done: Callable[[Page], Locator]
    makes: Mapping[str, int] = field(default_factory=dict)
    stale: str = ""
    resumes: Callable[[Hand], None] | None = None
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        return bool(self.makes)


def home(hand: Hand, world: World) -> None:
    hand.page.goto(f"/galleries/{world['slug']}/today")


def _enrol(hand, world, photos):
    hand.go("Add faces")
    hand.choose(photos["collins"], photos["collins lighter"], photos["collins darker"])
    hand.type(hand.page.get_by_label("Name", exact=True), "Amelia")


def _find(hand, world, photos):
    hand.type(hand.page.get_by_role("combobox", name="Find people"), "Eileen Collins")


def _to_recognise(hand, world, photos):
    hand.go("Recognise")
    hand.holds = photos["hopper again"]


def _send(hand, world):
    hand.choose(hand.holds)
    if not hand.script:
        hand.decide(_button(hand, "Recognise"))


def see_wrong_match(hand, world, photos):
    """The answer, before anything is said about it."""
    _to_recognise(hand, world, photos)
    _send(hand, world)
    hand.sees(hand.page.locator(".face", has_text="Grace"))


def say_somebody_else(hand):
    """Up to the press that says who it is."""
    card = hand.page.locator(".face", has_text="Grace")
    hand.click(card.get_by_text("Somebody else …"))
    search = card.get_by_label("Find the person")
    if hand.script:
        expect(search).to_be_focused()
        hand.go_on_typing("eile")
    else:  # nothing leads into the field, and it asks when it is told to
        hand.type(search, "eile")
        hand.press("Enter")
    hand.sees(hand.page.locator(".found").get_by_role("button", name="Eileen Collins"))


def _correct(hand, world, photos):
    see_wrong_match(hand, world, photos)
    say_somebody_else(hand)


def _to_unknown(hand, world, photos):
    hand.go("Unknown people")
    hand.click(hand.page.get_by_role("link", name=re.compile("^Unknown 1$")))
    hand.type(hand.page.get_by_label("Name of a new person"), "Mary")


def _tick_all(hand, world, photos):
    hand.go("People")
    hand.click(hand.page.get_by_label("Tick Ada Lovelace"))
    hand.click(hand.page.get_by_label("Tick Zoë Okafor"))


def _fill_in_member(hand, world, photos):
    hand.go("Members")
    hand.type(hand.page.get_by_label("User name"), f"bo-{world['slug']}")


def _fill_in_camera(hand, world, photos):
    hand.go("Cameras")
    hand.click(hand.page.get_by_role("link", name="Add a camera").first)
    hand.type(hand.page.locator("[name=name]"), "Entrance")
    hand.pick(hand.page.locator("[name=kind]"), "Network camera (MJPEG over HTTP)")
    hand.type(hand.page.locator("[name=address]"), "http://192.168.77.1/video")


def _fill_in_password(hand, world, photos):
    hand.click(hand.page.get_by_role("button", name="Account menu"))
    hand.click(hand.page.get_by_role("link", name="Change password"))
    expect(hand.page.locator("[name=oldpassword]")).to_be_focused()
    hand.go_on_typing(world["password"])
    for _ in range(2):
        hand.press("Tab")
        hand.go_on_typing(NEW_PASSWORD)


def _button(hand, name: str) -> Locator:
    return hand.page.get_by_role("button", name=name, exact=True)


def _pressing(name: str):
    return lambda hand, world: hand.decide(_button(hand, name))


def _toast(text: str):
    return lambda page: page.locator("#toasts").get_by_text(re.compile(text))


JOBS = (
    Job(
        "enrol a person with three photos", _enrol, _pressing("Add faces"),
        lambda page: page.get_by_text(re.compile("3 photos enrolled for Amelia")),
        {"people": 1, "faces": 3, "identity.created": 1, "sample.created": 3},
        stale="There is already a Amelia in this gallery", kept={"[name=name]": "Amelia"},
    ),
    Job(
        "find a person", _find, lambda hand, world: hand.press("Enter"),
        lambda page: page.get_by_role("heading", level=1, name="Eileen Collins"),
    ),
    Job(
        "recognise a photo", _to_recognise, _send,
        lambda page: page.locator(".result h2", has_text="1 known"),
        {"recognised": 1, **LOOKED},
    ),
    Job(
        "correct a wrong match", _correct,
        lambda hand, world: hand.decide(hand.page.locator(".found").get_by_role("button", name="Eileen Collins")),
        lambda page: page.get_by_text(re.compile("Saved: this is Eileen Collins")),
        {"faces": 2, "sample.created": 1, "sample.rejected": 1, "face.named": 1, "recognised": 1, **LOOKED},
        stale="in the meantime",
        resumes=say_somebody_else,
    ),
    Job(
        "name an unknown person", _to_unknown, _pressing("Save the name"), _toast("Unknown 1 is Mary: 2 sightings named"),
        {"people": 1, "faces": 3, "identity.created": 1, "sample.created": 3, "unknown.named": 1},
        stale="in the meantime", kept={"[name=name]": "Mary"},
    ),
    Job(
        "set people inactive", _tick_all, _pressing("Set inactive"), _toast("2 people are not active now"),
        {"inactive": 2, "people.changed": 1},
        stale="Nothing was changed. 2 were so already.",
    ),
    Job(
        "invite a colleague as viewer", _fill_in_member, _pressing("Add"),
        lambda page: page.get_by_label("The link"),
        {"members": 1, "member.set": 1, "user.created": 1},
        stale="is a member already", kept={"[name=username]": "bo-"},
    ),
    Job(
        "see who was in today", lambda hand, world, photos: None, lambda hand, world: hand.go("Attendance"),
        lambda page: page.get_by_role("region", name="Seen").get_by_role("link", name=re.compile("Grace")),
    ),
    Job(
        "add a camera", _fill_in_camera, _pressing("Add camera"), _toast("Entrance was added"),
        {"cameras": 1, "camera.created": 1},
        stale="There is a camera of this name already", kept={"[name=name]": "Entrance", "[name=address]": "http://192.168.77.1/video"},
    ),
    Job(
        "change one's password", _fill_in_password, _pressing("Change password"), _toast("assword"),
        {"user.password_changed": 1},
        stale="current password",
    ),
)  # fmt: skip
CHANGING = tuple(job for job in JOBS if job.changes)
