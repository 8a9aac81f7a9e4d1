"""A user's hand: what is pressed, typed and scrolled, counted, and how long the machine let the user wait."""

import time
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

SLOW = 30_000  # ms


@dataclass
class Hand:
    """What a user does on a page; `clicks`, `keys`, `scrolls` and `moves` count it.

    script: whether the page's scripts run. twice: whether the button that decides is pressed twice in a row.
    holds: a photo that is to be sent. moves: from the mouse to the keyboard or back. thinks: presses and fields that must be
    chosen first. waited: seconds from an act until what it was for was there.
    """

    page: Page
    script: bool = True
    twice: bool = False
    clicks: int = 0
    keys: int = 0
    scrolls: int = 0
    moves: int = 0
    thinks: int = 0
    waited: float = 0.0
    holds: bytes = b""
    _at_keyboard: bool = False

    def click(self, what: Locator) -> None:
        what.wait_for()
        self._to(keyboard=False)
        self._in_view(what)
        self.clicks += 1
        self.thinks += 1
        self._timed(what.click)

    def decide(self, what: Locator) -> None:
        """The press after which the job is done."""
        if not self.twice:
            return self.click(what)
        what.dblclick(no_wait_after=True)

    def type(self, where: Locator, text: str) -> None:
        """Presses the field, then types."""
        self.click(where)
        self._to(keyboard=True)
        self.keys += len(text)
        where.fill("")
        where.press_sequentially(text)

    def go_on_typing(self, text: str) -> None:
        """Into the field that has the focus."""
        self._to(keyboard=True)
        self.keys += len(text)
        self.page.keyboard.type(text)

    def press(self, key: str) -> None:
        self._to(keyboard=True)
        self.keys += 1
        self._timed(lambda: self.page.keyboard.press(key))

    def pick(self, where: Locator, label: str) -> None:
        """One of a list that folds out: two presses."""
        self._to(keyboard=False)
        self._in_view(where)
        self.clicks += 2
        self.thinks += 1
        where.select_option(label=label)

    def choose(self, *photos: bytes) -> None:
        """Photos in the system's dialog: a press opens it, one a photo chooses, and one says that this is all."""
        self._to(keyboard=False)
        self.clicks += len(photos) + 2
        self.thinks += 2
        files = [{"name": f"{n}.jpg", "mimeType": "image/jpeg", "buffer": data} for n, data in enumerate(photos)]
        self._timed(lambda: self.page.locator("form[data-photos] input[type=file]").first.set_input_files(files))

    def sees(self, what: Locator) -> None:
        """Waits for what the user waits for."""
        self._timed(lambda: expect(what).to_be_visible(timeout=SLOW))

    def go(self, name: str) -> None:
        """By the menu, which on a phone is behind “More”."""
        more = self.page.get_by_role("button", name="More", exact=True)
        if more.is_visible():
            self.click(more)
        with self.page.expect_navigation():  # its scripts have run: what is done sooner is done without them
            self.click(self.page.get_by_role("navigation", name="Main").get_by_role("link", name=name, exact=True))

    def forget(self) -> None:
        """Counts from here."""
        self.clicks = self.keys = self.scrolls = self.moves = self.thinks = 0
        self.waited = 0.0

    def _to(self, *, keyboard: bool) -> None:
        self.moves += keyboard != self._at_keyboard
        self._at_keyboard = keyboard

    def _in_view(self, what: Locator) -> None:
        """Turns the wheel, or the finger, a page at a time."""
        box, height = what.bounding_box(), self.page.viewport_size["height"]
        below = box["y"] + box["height"] - height if box else 0
        if below > 0:
            self.scrolls += 1 + int(below // height)

    def _timed(self, act) -> None:
        began = time.monotonic()
        act()
        self.waited += time.monotonic() - began
