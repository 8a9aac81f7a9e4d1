"""Addresses of cameras as people paste them: with user and password inside, percent-encoded or not."""

import re
from urllib.parse import unquote, urlsplit

# “user:pa/ss@host”: what follows the colon is no port, so that the slash belongs to a password.
PASSWORD_WITH_SLASH = re.compile(r"[^/?#\[\]:@]+:(?!\d*(?:[/?#]|$))")


def take_apart(address: str) -> tuple[str, str, str]:
    """The address without user and password, the user, the password; both empty if the address has none.

    Cameras' passwords are often pasted as they are, with # / ? or @ in them.
    """
    scheme, separator, rest = address.strip().partition("://")
    if not separator:
        return address.strip(), "", ""
    end = len(re.split("[/?#]", rest)[0])
    if "@" not in rest[:end] and PASSWORD_WITH_SLASH.match(rest):
        end = len(rest)
    credentials, at, host = rest[:end].rpartition("@")
    user, _, password = credentials.partition(":")
    if not at:
        return address.strip(), "", ""
    return f"{scheme}://{host}{rest[end:]}", unquote(user), unquote(password)


def machine_of(address: str) -> str:
    """The scheme, host and port: what may be written down of an address whose path or query may hold a secret."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
