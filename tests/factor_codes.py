"""The codes of an authenticator app, computed as RFC 6238 has it, without the platform's own code."""

import base64
import hashlib
import hmac
import struct
import time


def totp(secret: str, *, steps: int = 0) -> str:
    """The code of now, or of `steps` times 30 seconds later. secret: base32, as the page shows it."""
    counter = struct.pack(">Q", int(time.time()) // 30 + steps)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    [number] = struct.unpack(">I", digest[digest[-1] & 15 :][:4])
    return f"{(number & 0x7FFFFFFF) % 1_000_000:06}"
