"""Looks for faces part by part where a whole photo would be shrunk so far that they are lost: panoramas and large photos."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recognition.engine.base import Box, Detection, Detector
from recognition.engine.boxes import nms_of_smaller

PANORAMA = 3  # sides in this ratio, or more
SHRUNK = 1280  # px; the long side from which on detectors shrink a photo
SIDE = 1800  # px; of a tile, or more if there would be too many
MOST = 24  # tiles of a photo
SURE = 0.9  # the least score of a face in a tile; in so many parts, much looks a little like a face
EDGE = 2.0  # px; a face that reaches an inner edge of its tile is whole in the next one
SAME = 0.5  # of the smaller of two boxes


def is_panorama(image: np.ndarray) -> bool:
    """Whether one look at the image would shrink it along its long side for no good."""
    height, width = image.shape[:2]
    return max(height, width) > SHRUNK and max(height, width) >= PANORAMA * min(height, width)


def detect(detector: Detector, image: np.ndarray) -> list[Detection]:
    """The faces of all tiles, each once, in px of the image, largest first."""
    found: list[Detection] = []
    for top, left, height, width in layout(*image.shape[:2]):
        tile = np.ascontiguousarray(image[top : top + height, left : left + width])
        for face in detector.detect([tile])[0]:
            moved = _moved(face, left, top)
            if face.score >= SURE and not _is_cut(moved.box, (top, left, height, width), image.shape[:2]):
                found.append(moved)
    return merged(found)


def merged(faces: Sequence[Detection]) -> list[Detection]:
    """Leaves of faces found more than once the surest, largest face first."""
    if not faces:
        return []
    rows = [(f.box.x, f.box.y, f.box.x + f.box.width, f.box.y + f.box.height, f.score) for f in faces]
    kept = [faces[number] for number in nms_of_smaller(np.array(rows, "float64"), SAME)]
    return sorted(kept, key=lambda face: -face.box.width * face.box.height)


def layout(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Tiles (top, left, height, width) that overlap by half, so that a face of up to half a tile is whole in one."""
    side = float(min(SIDE, 2 * min(height, width)))
    while _count(height, side) * _count(width, side) > MOST:
        side *= 1.05
    tall, wide = min(round(side), height), min(round(side), width)
    return [(top, left, tall, wide) for top in _starts(height, side) for left in _starts(width, side)]


def _count(size: int, side: float) -> int:
    part = min(round(side), size)
    return 1 + -(-(size - part) // max(part // 2, 1))


def _starts(size: int, side: float) -> list[int]:
    count, rest = _count(size, side), size - min(round(side), size)
    return [round(number * rest / max(count - 1, 1)) for number in range(count)]


def _moved(face: Detection, left: int, top: int) -> Detection:
    box = Box(face.box.x + left, face.box.y + top, face.box.width, face.box.height)
    return replace(face, box=box, landmarks=face.landmarks + np.array([left, top], "float32"))


def _is_cut(box: Box, tile: tuple[int, int, int, int], shape: Sequence[int]) -> bool:
    """Whether the tile's edge cuts the face, while the photo goes on."""
    top, left, height, width = tile
    return (
        (left > 0 and box.x < left + EDGE)
        or (top > 0 and box.y < top + EDGE)
        or (left + width < shape[1] and box.x + box.width > left + width - EDGE)
        or (top + height < shape[0] and box.y + box.height > top + height - EDGE)
    )
