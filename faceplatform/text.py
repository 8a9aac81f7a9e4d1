"""Making text safe to store in PostgreSQL."""

import hashlib


def storable(text: str, most: int) -> str:
    """`text` without what PostgreSQL refuses (NUL, lone surrogates), cut to `most` characters.

    A text that is cut ends in a hash of the whole, so that two long texts stay different.
    """
    clean = text.replace("\0", "").encode(errors="replace").decode()
    return clean if len(clean) <= most else clean[: most - 17] + "…" + hashlib.sha256(clean.encode()).hexdigest()[:16]
