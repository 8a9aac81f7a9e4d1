"""Texts as PostgreSQL takes them."""

import hashlib


def storable(text: str, most: int) -> str:
    """`text` as PostgreSQL takes it, at most `most` characters; long ones stay different from each other."""
    clean = text.replace("\0", "").encode(errors="replace").decode()
    return clean if len(clean) <= most else clean[: most - 17] + "…" + hashlib.sha256(clean.encode()).hexdigest()[:16]
