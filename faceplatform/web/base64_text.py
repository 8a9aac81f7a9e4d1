"""Reads base64 as people send it."""

import base64
import re

PREFIX = re.compile(r"\s*data:[^,]{0,200},", re.IGNORECASE)
URL_SAFE = str.maketrans("-_", "+/")


def decoded(text: str) -> bytes:
    """The bytes of base64 text, with or without a `data:` prefix, white space, padding, and in either alphabet.

    Raises ValueError if it is no base64.
    """
    prefix = PREFIX.match(text)
    text = text[prefix.end() :] if prefix else text
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        plain = "".join(text.split()).translate(URL_SAFE).rstrip("=")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
