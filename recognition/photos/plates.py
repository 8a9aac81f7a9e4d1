"""Where the names stand on a photo: each on a plate beside its face, none over another, none out of the photo.

The widths of letters are those of common system fonts. The page makes each text exactly as wide as was reckoned here
(SVG's textLength), so a font that is a little wider does not run out of its plate.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ELLIPSIS = "…"
PADDING, HEIGHT = 0.35, 1.5  # of the font size
MOST_WIDE = 14.0  # of the font size: longer names are cut
NARROW, MIDDLE, WIDE = frozenset("iljtfrI.,:;'!|()[] -/"), 0.57, frozenset("mwMWÆŒ@%…—")


@dataclass(frozen=True, slots=True)
class Area:
    """In px of the photo."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: "Area") -> float:
        """The area that both cover."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(width, 0.0) * max(height, 0.0)


@dataclass(frozen=True, slots=True)
class Plate:
    """area: of the plate. text: what stands on it, cut to fit; text_width: how wide it is made."""

    area: Area
    text: str
    text_width: float


def place(labels: Sequence[str], boxes: Sequence[Area], size: tuple[int, int], font_size: float) -> list[Plate | None]:
    """A plate for each face, in order. A face for which there is no room even for one letter has none.

    labels: one a face. size: width and height of the photo.
    """
    plates: list[Plate | None] = []
    for label, box in zip(labels, boxes, strict=True):
        taken = [plate.area for plate in plates if plate]
        plates.append(_place(label, box, [other for other in boxes if other is not box], taken, size, font_size))
    return plates


def _place(
    label: str, box: Area, others: Sequence[Area], taken: Sequence[Area], size: tuple[int, int], font_size: float
) -> Plate | None:
    for most in (MOST_WIDE, MOST_WIDE / 2, MOST_WIDE / 4):
        text = cut(label, min(most, size[0] / font_size - 2 * PADDING))
        text_width = width_of(text) * font_size
        free = [
            area
            for area in _places(box, text_width + 2 * PADDING * font_size, HEIGHT * font_size, size)
            if text and not any(area.overlap(other) for other in taken)
        ]
        if free:  # of two equally good places the first
            return Plate(min(free, key=lambda area: sum(area.overlap(other) for other in others)), text, text_width)
    return None


def _places(box: Area, width: float, height: float, size: tuple[int, int]) -> Iterator[Area]:
    """Above, below, inside at the top and at the bottom; each from the left, from the right and in the middle."""
    if width > size[0] or height > size[1]:
        return
    rows = (box.y - height, box.y + box.height, box.y, box.y + box.height - height)
    columns = (box.x, box.x + box.width - width, box.x + (box.width - width) / 2)
    for y in rows:
        if 0 <= y <= size[1] - height:
            for x in columns:
                yield Area(min(max(x, 0.0), size[0] - width), y, width, height)
    yield Area(  # a box that fills the photo, or sticks out of it
        min(max(box.x, 0.0), size[0] - width), min(max(box.y, 0.0), size[1] - height), width, height
    )


def cut(text: str, most: float) -> str:
    """The text, with an ellipsis where it is wider than `most`, in font sizes; empty if nothing fits."""
    if width_of(text) <= most:
        return text
    left = most - width_of(ELLIPSIS)
    for end, letter in enumerate(text):
        left -= width_of(letter)
        if left < 0:
            return text[:end].rstrip() + ELLIPSIS if end else ""
    return text


def width_of(text: str) -> float:
    """How wide the text is, in font sizes."""
    return sum(map(_letter, text))


def _letter(letter: str) -> float:
    if unicodedata.combining(letter):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.05
    if letter in NARROW:
        return 0.34
    if letter in WIDE:
        return 0.92
    return 0.7 if letter.isupper() else MIDDLE
