"""The look at faces turned four ways, with a net whose scores are known: the mean of what is bright in a crop's upper half."""

import numpy as np
import pytest

from recognition.engine.turned import quarter_turns


class Net:
    """Scores how bright the upper half of a crop is; views: how many it was asked for."""

    def __init__(self):
        self.views = 0

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        self.views += len(crops)
        return crops[:, :4].mean((1, 2, 3)) / 255


def crop(turns: int, shade: int = 255) -> np.ndarray:
    """Bright above, if it is turned back by `turns` quarters."""
    upright = np.zeros((8, 8, 3), "uint8")
    upright[:4] = shade
    return np.rot90(upright, -turns)


@pytest.mark.parametrize("turns", range(4))
def test_turned_faces_are_found(turns):
    assert quarter_turns(np.stack([crop(turns), crop(turns, 200)]), Net(), 0.1) == turns


@pytest.mark.parametrize(("least", "turns"), [(0.3, 2), (0.7, 0)])
def test_a_turn_must_add_enough(least, turns):
    assert quarter_turns(crop(2, 128)[None], Net(), least) == turns


@pytest.mark.parametrize(
    ("shades", "views"), [([255], 1), ([200], 4), ([255, 255, 255], 3), ([200, 250, 240], 6), ([90, 80, 90], 12)]
)
def test_no_more_views_are_scored_than_could_change_the_answer(shades, views):
    net = Net()
    assert quarter_turns(np.stack([crop(0, shade) for shade in shades]), net, 0.015) == 0
    assert net.views == views


def test_one_turned_face_among_others_does_not_turn_them():
    assert quarter_turns(np.stack([crop(0), crop(1, 200), crop(0)]), Net(), 0.015) == 0
    assert quarter_turns(np.stack([crop(0, 150), crop(1), crop(1)]), Net(), 0.015) == 1
