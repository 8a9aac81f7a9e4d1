import itertools

import numpy as np
import pytest

from recognition.engine.base import Box
from recognition.tracking.mask import Mask
from recognition.tracking.motion import MotionGate

LEFT_HALF = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
WHOLE = [[0, 0], [1, 0], [1, 1], [0, 1]]
ROLLS = itertools.count(step=7)
NOISE = np.random.default_rng(0).normal(0, 6, (720, 1280))


def room(shape=(360, 640)) -> np.ndarray:
    """A picture with shades in it, each time with other noise of the camera's."""
    height, width = shape
    shades = 60 + 80 * np.linspace(0, 1, width)[None] + 40 * np.linspace(0, 1, height)[:, None]
    noise = np.roll(NOISE, next(ROLLS), axis=(0, 1))[:height, :width]
    return (shades + noise).clip(0, 255).astype("uint8")


def with_somebody(x: int, y: int = 150, side: int = 30) -> np.ndarray:
    frame = room()
    frame[y : y + side, x : x + side] = 240
    return frame


class Watched:
    """A gate whose frames come ten times a second, and that has seen the empty room."""

    def __init__(self, mask: Mask | None = None):
        self.gate, self.at = MotionGate(mask), 500.0
        self.look(room())

    def look(self, frame: np.ndarray, tracking: bool = False) -> bool:
        self.at += 0.1
        return self.gate.look(frame, at=self.at, tracking=tracking)


def test_a_still_room_is_analysed_once_in_two_seconds():
    watched = Watched()
    assert sum(watched.look(room()) for _ in range(100)) in (4, 5)  # in 10 s


def test_somebody_who_moves_is_analysed_at_once():
    watched = Watched()
    assert not watched.look(room())
    assert all(watched.look(with_somebody(x)) for x in range(50, 400, 25))


def test_every_frame_is_analysed_while_a_track_is_open():
    watched = Watched()
    assert all(watched.look(room(), tracking=True) for _ in range(5))


def test_the_first_frame_is_analysed():
    assert MotionGate().look(room(), at=0.5, tracking=False)


def test_slow_changes_of_light_and_small_steps_of_exposure_are_no_motion():
    watched = Watched()
    assert not any(watched.look(room() - np.uint8(20)) for _ in range(3))
    assert not any(watched.look(room() + np.uint8(shade)) for shade in range(12))


def test_lights_that_go_off_are_analysed_once():
    watched = Watched()
    dark = [(room() * 0.2).astype("uint8") for _ in range(10)]
    assert [watched.look(frame) for frame in dark] == [True] + [False] * 9
    assert watched.look(with_somebody(300))  # and on again, with somebody in it


def test_what_stands_still_becomes_background():
    watched = Watched()
    assert watched.look(with_somebody(300))
    for _ in range(100):
        watched.look(with_somebody(300))
    assert watched.gate.changed == 0


def test_motion_under_the_mask_is_not_looked_at():
    watched = Watched(Mask([LEFT_HALF]))
    assert not any(watched.look(with_somebody(x)) for x in range(0, 250, 25))
    assert watched.look(with_somebody(450))


def test_nothing_is_analysed_where_all_is_masked():
    gate = MotionGate(Mask([WHOLE]))
    assert not any(gate.look(with_somebody(x), at=x, tracking=False) for x in range(0, 300, 50))


def test_another_resolution_and_a_clock_set_back_do_no_harm():
    watched = Watched()
    assert not watched.look(room((720, 1280)))
    assert watched.gate.look(room(), at=watched.at - 3600, tracking=False)
    assert not watched.gate.look(room(), at=watched.at - 3599, tracking=False)


# --- Masks ---
@pytest.mark.parametrize(
    ("box", "hidden"),
    [
        (Box(0, 300, 100, 100), True),
        (Box(600, 300, 100, 100), False),  # its centre is beyond the edge
        (Box(580, 300, 100, 100), True),
        (Box(-80, -80, 100, 100), True),  # stands out of the frame
        (Box(1250, 700, 100, 100), False),
    ],
)
def test_a_face_is_hidden_by_its_centre(box, hidden):
    assert Mask([LEFT_HALF]).hides(box, 1280, 720) is hidden


def test_a_mask_may_be_hollow_and_of_several_parts():
    horseshoe = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.6, 0.9], [0.6, 0.3], [0.4, 0.3], [0.4, 0.9], [0.1, 0.9]]
    visible = Mask([horseshoe, [[0, 0], [0.1, 0], [0, 0.1]]]).visible(100, 100)
    assert [bool(visible[y, x]) for x, y in [(50, 60), (20, 60), (80, 60), (50, 20), (2, 2), (98, 2)]] == [
        True, False, False, False, False, True,
    ]  # fmt: skip
    assert visible.mean() == pytest.approx(1 - (0.64 - 0.12) - 0.005, abs=0.01)


@pytest.mark.parametrize(
    "polygon",
    [[[0, 0], [1, 1]], [[0, 0], [1, 0], [1, 1.01]], [[0, 0], [1, 0], [float("nan"), 1]], [[0, 0, 0]] * 3, [[0, 0], [1]], "abc",
     [],     [["a", "b"]] * 3, None, 5],
)  # fmt: skip
def test_what_is_no_polygon_is_refused(polygon):
    with pytest.raises(ValueError, match="mask"):
        Mask([polygon])
