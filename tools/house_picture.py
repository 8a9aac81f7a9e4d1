"""The picture of the house, as SVG. Colours are written out on a ground of its own, so that it reads on dark pages too."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.house import House

WIDTH, LEFT = 1000, 64
BOX_WIDTH, BOX_HEIGHT, COLUMNS = 140, 42, 6
ROW, BETWEEN_FLOORS, TOP, LEGEND = BOX_HEIGHT + 14, 34, 64, 78
TINTS = {  # fill and border
    "faceplatform": ("#e9ecf2", "#7d889c"),
    "accounts": ("#fdf0d6", "#b9811a"),
    "gallery": ("#dcf2e4", "#37875a"),
    "recognition": ("#e1eafd", "#4f74c9"),
}
TEXT, QUIET, LINE, PALE, BACK = "#1d2530", "#5a6372", "#6b7890", "#dde2eb", "#cc2b2b"
Places = dict[str, tuple[int, int]]


def svg(house: House) -> str:
    """Floors from the ground at the bottom to the roof; the same bytes for the same house."""
    places, bands = placed(house)
    bottom = max(y + height for y, height in bands.values())
    height = bottom + LEGEND
    implied = house.implied()
    plain = set(house.arrows) - house.back - implied
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif">',
        f"<title>{house.counts()}</title>",
        f"<defs>{head('down', LINE)}{head('back', BACK)}</defs>",
        f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#fbfcfe"/>',
        text(24, 32, "Who imports whom", 17, weight=600, anchor="start"),
        text(WIDTH - 24, 32, house.counts(), 13, fill=QUIET, anchor="end"),
        *(band(number, *bands[number]) for number in sorted(bands)),
        *(down(places, arrow, f'stroke="{PALE}"') for arrow in sorted(implied)),
        *(down(places, arrow, f'stroke="{LINE}" marker-end="url(#down)"') for arrow in sorted(plain)),
        *(up(places, arrow) for arrow in sorted(house.back)),
        *(box(room, house.lines[room], *places[room]) for room in sorted(places)),
        legend(bottom + 30),
        "</svg>\n",
    ]
    return "\n".join(parts)


def placed(house: House) -> tuple[Places, dict[int, tuple[int, int]]]:
    """Where each room's box stands, and each floor's band: its top and its height."""
    columns, rows, bands, places = columns_of(house), defaultdict(dict), {}, {}
    for room, (row, x) in columns.items():
        rows[house.floors[room]][room] = (row, x)
    y = TOP
    for floor in sorted(rows, reverse=True):
        height = (1 + max(row for row, _ in rows[floor].values())) * ROW - (ROW - BOX_HEIGHT)
        bands[floor] = (y - 8, height + 16)
        places |= {room: (x, y + row * ROW) for room, (row, x) in rows[floor].items()}
        y += height + BETWEEN_FLOORS
    return places, bands


def columns_of(house: House) -> dict[str, tuple[int, int]]:
    """Row on its floor and x of each room: as near as may be above the rooms it imports, so that fewer lines cross."""
    found, below, floors = {}, defaultdict(list), defaultdict(list)
    for start, end in sorted(set(house.arrows) - house.back):
        below[start].append(end)
    for room, floor in sorted(house.floors.items()):
        floors[floor].append(room)
    for floor in sorted(floors):
        wish = {room: mean([found[other][1] for other in below[room]]) for room in floors[floor]}
        rooms = sorted(floors[floor], key=lambda room: (wish[room], room))
        rows = -(-len(rooms) // COLUMNS)
        for number, room in enumerate(rooms):  # from left to right, down and then on, so that each row spans the width
            column, row = divmod(number, rows)
            found[room] = (row, x_of(column, len(range(row, len(rooms), rows))))
    return found


def x_of(column: int, boxes: int) -> int:
    """Where a box begins in a row that stands in the middle; few boxes stand further apart, for lines to pass between."""
    step = min(2 * BOX_WIDTH, (WIDTH - LEFT - 12) // boxes)
    return LEFT + (WIDTH - LEFT - 12 - boxes * step + step - BOX_WIDTH) // 2 + column * step


def mean(numbers: list[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else WIDTH / 2


def text(x: int, y: int, words: str, size: int, *, fill: str = TEXT, weight: int = 400, anchor: str = "middle") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{fill}" text-anchor="{anchor}">{words}</text>'


def head(name: str, colour: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        f'<path d="M0 1 L8 4 L0 7 z" fill="{colour}"/></marker>'
    )


def band(number: int, y: int, height: int) -> str:
    label = "ground" if number == 0 else str(number)
    return f'<rect x="12" y="{y}" width="{WIDTH - 24}" height="{height}" rx="6" fill="#f1f4f9"/>\n' + text(
        24, y + height // 2 + 4, label, 11, fill=QUIET, anchor="start"
    )


def box(room: str, lines: int, x: int, y: int) -> str:
    """Its name over its app and its size, rounded: a picture that changed with every line would be drawn again too often."""
    app, _, name = room.partition("/")
    fill, border = TINTS[app]
    size = f"{round(lines, 2 - len(str(lines))):,} lines"
    under = f"{app} · {size}" if name else size
    label = name.rpartition("/")[2] or room
    return "\n".join(
        (
            f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5" fill="{fill}" stroke="{border}"/>',
            text(x + BOX_WIDTH // 2, y + 18, label, 13 if len(label) < 18 else 11, weight=600),
            text(x + BOX_WIDTH // 2, y + 33, under, 10, fill=QUIET),
        )
    )


def ports(places: Places, arrow: tuple[str, str]) -> tuple[int, int]:
    """Where on their boxes' edges an arrow begins and ends: leaning to the other, so that a box's lines spread."""
    (x1, _), (x2, _) = (places[room] for room in arrow)
    lean = max(-56, min(56, (x2 - x1) // 8))
    return x1 + BOX_WIDTH // 2 + lean, x2 + BOX_WIDTH // 2 - lean


def down(places: Places, arrow: tuple[str, str], style: str) -> str:
    (x1, x2), y1, y2 = ports(places, arrow), places[arrow[0]][1] + BOX_HEIGHT, places[arrow[1]][1]
    bend = (y2 - y1) // 2
    return f'<path d="M{x1} {y1} C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}" fill="none" {style}/>'


def up(places: Places, arrow: tuple[str, str]) -> str:
    (x1, x2), y1, y2 = ports(places, arrow), places[arrow[0]][1], places[arrow[1]][1] + BOX_HEIGHT
    bend = (y1 - y2) // 2
    path = f"M{x1} {y1} C{x1} {y1 - bend} {x2} {y2 + bend} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="{BACK}" stroke-width="1.6" marker-end="url(#back)"/>'


def legend(y: int) -> str:
    parts, x = [], 24
    for name, (fill, border) in TINTS.items():
        parts.append(f'<rect x="{x}" y="{y - 10}" width="14" height="12" rx="3" fill="{fill}" stroke="{border}"/>')
        parts.append(text(x + 20, y, name, 11, anchor="start"))
        x += 110
    x = 24
    kinds = (
        (LINE, "imports what stands below"),
        (PALE, "so, too, but a longer way says it already"),
        (BACK, "back up"),
    )
    for colour, words in kinds:
        parts.append(f'<path d="M{x} {y + 20} h24" stroke="{colour}" stroke-width="2"/>')
        parts.append(text(x + 32, y + 24, words, 11, anchor="start"))
        x += 70 + 6 * len(words)
    return "\n".join(parts)
