"""All that has an address, with example values."""

import re
import uuid

from django.urls import URLPattern, get_resolver

VALUES = {"slug": "staff", "uuid": str(uuid.UUID(int=1)), "int": "1", "str": "some"}
VALUES |= {"correction": "name", "many": "merge", "one": "split"}  # of recognition/sightings/urls.py
VALUES |= {"bulk": "department"}  # of gallery/urls.py


def addresses(patterns=None, prefix: str = "/"):
    """(path with example values, view) of everything that has an address."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        address = prefix + str(pattern.pattern)
        if not isinstance(pattern, URLPattern):
            yield from addresses(pattern.url_patterns, address)
            continue
        filled = re.sub(r"<(\w+):\w+>", lambda match: VALUES.get(match[1], "some"), address)
        filled = re.sub(r"\(\?P<\w+>(\(\?s:\.\+\)|[^)]*)\)", "some", filled)
        yield filled.replace("^", "").replace("/?$", "").replace("\\Z", "").replace("$", ""), pattern.callback
