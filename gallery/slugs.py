"""Slugs for galleries and cameras that were given a name alone, in whatever script."""

import re
import secrets
from collections.abc import Iterator

from django.utils.text import slugify

LONGEST = 50  # characters
NUMBERED = range(2, 10)
RANDOM = 20  # tries


def is_slug(text: str) -> bool:
    return len(text) <= LONGEST and re.fullmatch(r"[-a-zA-Z0-9_]+", text) is not None


def slugs_for(name: str, kind: str = "gallery") -> Iterator[str]:
    """Slugs for this name, the best first: “Front door” → front-door, front-door-2 … A name that has no Latin letters, such
    as “人事”, gets one like gallery-7f3a, after its `kind`: an alphabet spelt in another is often wrong, and nobody could say
    why."""
    base = _latin(name)
    if base:
        yield base
        for number in NUMBERED:
            yield _with_suffix(base, str(number))
    for _ in range(RANDOM):
        yield _with_suffix(base or kind, secrets.token_hex(2 if not base else 3))


def _latin(name: str) -> str:
    """The slug that the Latin letters and the digits of `name` make; empty if only digits of another script's name are left."""
    slug = slugify(name)[:LONGEST].strip("-_")
    return slug if name.isascii() or re.search("[a-z]", slug) else ""


def _with_suffix(base: str, suffix: str) -> str:
    return f"{base[: LONGEST - len(suffix) - 1].rstrip('-_')}-{suffix}"
