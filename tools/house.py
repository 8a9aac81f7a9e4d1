"""The house: which folders of the product import which; counted, listed, or drawn for docs/architecture.md.

    python tools/house.py [--list] [--svg OUT.svg] [--root FOLDER]

A room is an app. An app of more than 5,000 lines is too large to be one room: there each folder directly below it is a room,
and so is each module that lies loose at its top. Migrations do not count, nor do modules such as `apps.py` and `urls.py` that
import nothing of the product and are imported by nothing: addresses are handed on by name, with `include()`.

An arrow goes from room A to room B where a module in A imports one in B: at its top, in a function, or for types alone. As
few arrows as can be found are taken out so that no way leads back to where it began: the arrows back. The floor of a room is
the longest way from it down to a room that imports nothing, the ground. Who may import whom inside a room is held by the
contracts of import-linter, in pyproject.toml.
"""

import argparse
import ast
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

APPS = ("faceplatform", "accounts", "gallery", "recognition")
LARGE = 5_000  # lines
GLUE = ("__init__", "apps", "urls", "api_urls")


@dataclass
class House:
    lines: dict[str, int]  # of each room
    arrows: dict[tuple[str, str], list[str]]  # the modules that cause each
    back: set[tuple[str, str]]
    floors: dict[str, int]

    def counts(self) -> str:
        floors = max(self.floors.values(), default=-1) + 1
        return f"{len(self.lines)} rooms, {floors} floors, {len(self.arrows)} arrows, {len(self.back)} back"

    def implied(self) -> set[tuple[str, str]]:
        """The arrows which a longer way down says already."""
        below = graph(set(self.arrows) - self.back)
        return {(a, b) for a in below for b in below[a] if any(b in reach(below, other) for other in below[a])}


def build(root: Path) -> House:
    modules, imports = read(root)
    length = {name: len(path.read_text().splitlines()) for name, path in modules.items()}
    rooms = rooms_of({name: path.relative_to(root) for name, path in modules.items()}, length)
    lines, arrows = Counter(), defaultdict(list)
    for name in modules:
        lines[rooms[name]] += length[name]
        for other in sorted(imports[name]):
            if rooms[name] != rooms[other]:
                arrows[rooms[name], rooms[other]].append(f"{name} → {other}")
    back = arrows_back(sorted(lines), arrows)
    return House(dict(lines), dict(arrows), back, floors_of(lines, graph(set(arrows) - back)))


def read(root: Path) -> tuple[dict[str, Path], dict[str, set[str]]]:
    """The modules by their dotted names, and what each imports of the others."""
    modules = {}
    for path in sorted(path for app in APPS for path in (root / app).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if "migrations" not in parts:
            modules[".".join(parts[:-1] if path.stem == "__init__" else parts)] = path
    imports = {name: named(path, root, modules) - {name} for name, path in modules.items()}
    wanted = set().union(*imports.values())
    for name, path in list(modules.items()):
        if path.stem in GLUE and not imports[name] and name not in wanted:
            del modules[name]
    return modules, imports


def named(path: Path, root: Path, modules: dict[str, Path]) -> set[str]:
    """Which of `modules` a file imports."""
    names, package = set(), path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom():
                above = package[: len(package) + 1 - node.level] if node.level else ()
                module = ".".join((*above, *filter(None, [node.module])))
                full = {f"{module}.{alias.name}" for alias in node.names}
                names |= {name if name in modules else module for name in full}
    return names & set(modules)


def rooms_of(paths: dict[str, Path], lines: dict[str, int]) -> dict[str, str]:
    """The room of each module."""
    sizes = Counter()
    for name in paths:
        sizes[name.split(".")[0]] += lines[name]
    return {
        name: "/".join(path.parts[:2]) if sizes[path.parts[0]] > LARGE else path.parts[0]
        for name, path in paths.items()
    }


def graph(arrows) -> dict[str, set[str]]:
    out = defaultdict(set)
    for start, end in arrows:
        out[start].add(end)
    return out


def reach(nexts: dict[str, set[str]], start: str) -> set[str]:
    """All that a way leads to; `start` too only where a way leads back to it."""
    seen, waiting = set(), [start]
    while waiting:
        new = nexts.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def arrows_back(rooms: list[str], arrows: dict[tuple[str, str], list[str]]) -> set[tuple[str, str]]:
    """Few arrows without which no way leads back, found by moving one room at a time to its best place in a row.

    Among equals those that leave an app's `models.py` are taken, as Django wants this face; then those of fewest imports.
    """
    cost = {}
    for arrow, causes in arrows.items():
        face = arrow[0].endswith(("/models.py", "/models"))
        cost[arrow] = 1_000_000 + (0 if face else len(causes))
    row, better = sorted(rooms, key=lambda room: (sum((a == room) - (b == room) for a, b in arrows), room)), True
    while better:
        better = False
        for room in rooms:
            place, others = row.index(room), [other for other in row if other != room]
            costs = [sum(cost.get((room, other), 0) for other in others)]
            for other in others:
                costs.append(costs[-1] - cost.get((room, other), 0) + cost.get((other, room), 0))
            if min(costs) < costs[place]:
                others.insert(costs.index(min(costs)), room)
                row, better = others, True
    back = {(start, end) for start, end in arrows if row.index(start) < row.index(end)}
    for arrow in sorted(
        back
    ):  # one that closes no circle with those that stay need not go, nor one for which another may
        back.remove(arrow)
        stay = set(arrows) - back
        cheaper = [
            None,
            *sorted((other for other in stay if cost[other] <= cost[arrow]), key=lambda one: (cost[one], one)),
        ]
        instead = next(other for other in cheaper if arrow[0] not in reach(graph(stay - {other}), arrow[0]))
        back |= {instead} - {None}
    return back


def floors_of(rooms, below: dict[str, set[str]]) -> dict[str, int]:
    floors = {}

    def floor(room: str) -> int:
        if room not in floors:
            floors[room] = 1 + max((floor(other) for other in below.get(room, ())), default=-1)
        return floors[room]

    return {room: floor(room) for room in sorted(rooms)}


def listing(house: House) -> str:
    """Every room from the roof down, then every arrow back with the imports that cause it."""
    rooms = sorted(house.lines, key=lambda room: (-house.floors[room], room))
    out = [f"{house.floors[room]:5}  {room:45} {house.lines[room]:6} lines" for room in rooms]
    for arrow in sorted(house.back):
        out += [f"back: {arrow[0]} → {arrow[1]}", *(f"    {cause}" for cause in house.arrows[arrow])]
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--list", action="store_true", help="every room, and what causes the arrows back")
    parser.add_argument("--svg", type=Path, help="draw the house into this file")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    options = parser.parse_args()
    house = build(options.root)
    print(house.counts())
    if options.list:
        print(listing(house))
    if options.svg:
        from house_picture import svg

        options.svg.write_text(svg(house), encoding="utf-8")


if __name__ == "__main__":
    main()
