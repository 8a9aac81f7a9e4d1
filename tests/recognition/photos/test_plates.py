"""Names on photos: never over one another, never out of the photo, cut where they are long."""

import random

import pytest

from recognition.photos.plates import Area, cut, place, width_of

NAMES = [
    "Ann",
    "Grace Brewster Murray Hopper 0.97",
    "unknown",
    "山田太郎 0.80",
    "W" * 60,
    "عبد الرحمن 0.91",
    "unusable",
]


@pytest.mark.parametrize("seed", range(40))
def test_no_plate_lies_on_another_or_runs_out(seed):
    chance = random.Random(seed)
    width, height = chance.choice([(640, 480), (4000, 3000), (300, 900)])
    boxes = []
    for _ in range(chance.randint(1, 25)):
        side = chance.uniform(0.03, 0.6) * min(width, height)
        boxes.append(
            Area(chance.uniform(-5, width - side / 2), chance.uniform(-5, height - side / 2), side, side * 1.2)
        )
    labels = [chance.choice(NAMES) for _ in boxes]
    plates = place(labels, boxes, (width, height), max(width, height) / 30)
    assert plates[0] is not None
    areas = [plate.area for plate in plates if plate]
    for number, area in enumerate(areas):
        assert area.x >= 0 and area.y >= 0 and area.x + area.width <= width and area.y + area.height <= height
        assert not any(area.overlap(other) for other in areas[:number])
    assert all(plate.text_width < plate.area.width for plate in plates if plate)


def test_a_lone_face_has_its_name_above_and_one_at_the_top_edge_below():
    [above] = place(["Ann"], [Area(100, 100, 80, 80)], (640, 480), 20)
    [below] = place(["Ann"], [Area(100, 5, 80, 80)], (640, 480), 20)
    assert above is not None and (above.area.x, above.area.y) == (100, 70)
    assert below is not None and below.area.y == 85


def test_a_name_gives_way_to_the_face_of_the_neighbour():
    upper, lower = Area(100, 100, 80, 80), Area(100, 185, 80, 80)
    _, plate = place(["Ann", "Ben"], [upper, lower], (640, 480), 20)
    assert plate is not None and not plate.area.overlap(upper)


def test_long_names_end_in_an_ellipsis():
    text = cut("Grace Brewster Murray Hopper", 8)
    assert text.startswith("Grace") and text.endswith("…") and width_of(text) <= 8
    assert cut("Ann", 8) == "Ann" and cut("Ann", 0.2) == ""
