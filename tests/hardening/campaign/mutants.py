"""Damages files by lot: flipped bits, wrong lengths and sizes, parts that are missing, doubled or made up."""

import copy
import json
import random
import struct
from collections.abc import Callable
from typing import Any

WIDTH, HEIGHT = 211, 157  # px, of the photos in seeds.py: rare enough to be found in their headers
SIDES = (0, 1, 2, 6_300, 8_000, 32_767, 65_535, 2**24, 2**31 - 1, 2**32 - 1)
ODD = (
    None,
    True,
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**40),
    1e308,
    "",
    "0",
    "x",
    "(1, 1)",
    "(0,)",
    "\0",
    [],
    {},
    [[0, 0, 0]],
    [[-1, 5, 0]],
)
HEADER = 600  # bytes, where half of the damage is done
Damage = Callable[[bytearray, random.Random], None]


def mutant(data: bytes, chance: random.Random) -> bytes:
    if data[:1] in (b"{", b"[") and chance.random() < 0.7:
        return json_mutant(data, chance)
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        if damaged:
            chance.choice(DAMAGES)(damaged, chance)
    return bytes(damaged)


def json_mutant(data: bytes, chance: random.Random) -> bytes:
    """The same JSON, in which some values are others, or missing."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return data[: chance.randrange(len(data))]
    for _ in range(chance.choice((1, 1, 2, 4))):
        holder = _holder(content, chance)
        if not holder:
            break
        key = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
        if chance.random() < 0.2:
            del holder[key]
        elif isinstance(holder[key], str) and chance.random() < 0.5:
            holder[key] = chance.choice(
                (holder[key] * 2, holder[key][:-1], str(chance.getrandbits(chance.choice((4, 31, 70)))))
            )
        else:
            holder[key] = copy.deepcopy(chance.choice(ODD))
    return json.dumps(content).encode()


def _holder(content: Any, chance: random.Random) -> Any:
    """A list or an object in it, at any depth."""
    while isinstance(content, dict | list) and content:
        below = [
            item
            for item in (content.values() if isinstance(content, dict) else content)
            if isinstance(item, dict | list)
        ]
        if not below or chance.random() < 0.2:
            return content
        content = chance.choice(below)
    return content if isinstance(content, dict | list) else None


def _place(data: bytearray, chance: random.Random) -> int:
    return chance.randrange(min(len(data), HEADER) if chance.random() < 0.5 else len(data))


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 4, 32))):
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _number(data: bytearray, chance: random.Random) -> None:
    """A length, count or offset becomes zero, negative or huge."""
    size, at = chance.choice((1, 2, 4, 8)), _place(data, chance)
    value = chance.choice(
        (0, 1, 2 ** (8 * size) - 1, 2 ** (8 * size - 1), 2 ** (8 * size - 1) - 1, chance.getrandbits(8 * size))
    )
    data[at : at + size] = value.to_bytes(size, chance.choice(("little", "big")))


def _size(data: bytearray, chance: random.Random) -> None:
    """The width or height in a header becomes another."""
    side = chance.choice((WIDTH, HEIGHT))
    forms = [form for form in ("<H", ">H", "<I", ">I") if struct.pack(form, side) in data[:HEADER]]
    if not forms:
        return _flip(data, chance)
    form = chance.choice(forms)
    at, size = data.index(struct.pack(form, side)), struct.calcsize(form)
    data[at : at + size] = struct.pack(form, chance.choice(SIDES) % 2 ** (8 * size))


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _remove(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    del data[at : at + chance.choice((1, 2, 16, 300))]


def _double(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at:at] = data[at : at + chance.choice((1, 16, 300, 5_000))]


def _insert(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at:at] = chance.randbytes(chance.choice((1, 4, 64)))


def _blank(data: bytearray, chance: random.Random) -> None:
    at, size = _place(data, chance), chance.choice((4, 64, 1_000))
    size = len(data[at : at + size])
    data[at : at + size] = bytes([chance.choice((0, 255))]) * size


DAMAGES: tuple[Damage, ...] = (_flip, _number, _number, _size, _cut, _remove, _double, _insert, _blank)
