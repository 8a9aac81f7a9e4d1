import numpy as np
import pytest

from recognition.engine.align import DLIB_TARGETS, margin_crop, similarity, warp
from recognition.engine.base import Box
from recognition.engine.image import decode
from recognition.engine.pipeline import turn_back


def test_similarity_finds_rotation_scale_and_shift():
    angle, scale, shift = 0.4, 2.5, np.array([30.0, -12.0])
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.random.default_rng(1).random((5, 2)) * 100
    found = similarity(points, points @ matrix.T + shift)
    assert np.allclose(found, np.hstack([matrix, shift[:, None]]))


@pytest.mark.parametrize("size", [1.0, 3.0, 9.0])
def test_warp_puts_the_points_on_their_targets_at_every_size(size):
    """Three bright discs where the eyes and the nose are; the chip has them at the targets, also after halving."""
    points = (DLIB_TARGETS * size) + 20
    rows, columns = np.mgrid[: int(170 * size) + 60, : int(170 * size) + 60]
    image = np.zeros((*rows.shape, 3), "uint8")
    for x, y in points:
        image[(columns - x) ** 2 + (rows - y) ** 2 < (6 * size) ** 2] = 255
    chip = warp(image, similarity(points, DLIB_TARGETS), 150)
    for x, y in DLIB_TARGETS:
        near = chip[int(y) - 9 : int(y) + 10, int(x) - 9 : int(x) + 10, 0].astype(float)
        rows, columns = np.mgrid[int(y) - 9 : int(y) + 10, int(x) - 9 : int(x) + 10]
        assert (near * columns).sum() / near.sum() == pytest.approx(x, abs=0.6)
        assert (near * rows).sum() / near.sum() == pytest.approx(y, abs=0.6)


def test_a_face_outside_the_photo_is_black():
    image = np.full((50, 50, 3), 200, "uint8")
    assert warp(image, np.array([[1.0, 0, 5000], [0, 1, 5000]]), 150).max() == 0


def test_margin_crop_stops_at_the_photo_and_at_320_px():
    image = np.zeros((1000, 2000, 3), "uint8")
    landmarks = np.array([[100, 100]] * 5, "float32")
    crop = margin_crop(image, Box(0, 0, 800, 900), landmarks)
    assert max(crop.width, crop.height) == 320
    assert decode(crop.jpeg).shape == (crop.height, crop.width, 3)
    small = margin_crop(image, Box(500, 500, 100, 100), landmarks + 450)
    assert (small.width, small.height) == (160, 160)
    assert small.landmarks[0].tolist() == [80, 80]


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_turn_back_undoes_the_turn(quarters):
    image = np.zeros((30, 50), "uint8")
    image[5:11, 7:20] = 1
    turned = np.rot90(image, quarters)
    rows, columns = np.nonzero(turned)
    box = Box(columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    points = np.array([[columns.min(), rows.min()]], "float32")
    back, _ = turn_back(box, points, 90 * quarters, turned.shape)
    assert (back.x, back.y, back.width, back.height) == (7, 5, 13, 6)
