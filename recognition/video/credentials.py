"""Showing a camera user and password the way it asks: Basic or Digest (RFC 7617, 7616), the same in HTTP and RTSP."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from email.message import Message
from urllib.request import parse_http_list, parse_keqv_list

from recognition.engine.texts import gettext_noop
from recognition.video.source import Reason, Source, SourceError

# The best first. MD5 is what most cameras know.
ALGORITHMS = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}


@dataclass(slots=True)
class Digest:
    """A camera's challenge, and how often it was answered."""

    realm: str
    nonce: str
    algorithm: str
    opaque: str | None
    qop: bool
    count: int = 0

    def authorization(self, source: Source, method: str, uri: str) -> str:
        self.count += 1
        client, count = secrets.token_hex(8), f"{self.count:08x}"
        user = self._hash(f"{_as_bytes(source.user)}:{self.realm}:{_as_bytes(source.password)}")
        action = self._hash(f"{method}:{uri}")
        middle = f"{count}:{client}:auth:" if self.qop else ""
        fields = {
            "username": _quoted(_as_bytes(source.user)),
            "realm": _quoted(self.realm),
            "nonce": _quoted(self.nonce),
            "uri": _quoted(uri),
            "response": _quoted(self._hash(f"{user}:{self.nonce}:{middle}{action}")),
            "algorithm": self.algorithm,
        }
        if self.opaque is not None:
            fields["opaque"] = _quoted(self.opaque)
        if self.qop:
            fields |= {"qop": "auth", "nc": count, "cnonce": _quoted(client)}
        return "Digest " + ", ".join(f"{name}={value}" for name, value in fields.items())

    def _hash(self, text: str) -> str:
        return ALGORITHMS[self.algorithm](text.encode("latin-1")).hexdigest()


@dataclass(frozen=True, slots=True)
class Basic:
    def authorization(self, source: Source, method: str, uri: str) -> str:
        return "Basic " + base64.b64encode(f"{source.user}:{source.password}".encode()).decode()


def answer_to(headers: Message, source: Source) -> Digest | Basic:
    """How to answer 401. Raises SourceError where there is no user to show, or it is asked for in no known way."""
    if not source.user:
        raise SourceError(Reason.WRONG_PASSWORD, gettext_noop("The camera asks for a user name and a password."))
    digests: dict[str, Digest] = {}
    basic = False
    for challenge in headers.get_all("WWW-Authenticate", []):
        scheme, _, rest = " ".join(challenge.split()).partition(" ")  # it may go on in another line
        if scheme.lower() == "basic":
            basic = True
        elif scheme.lower() == "digest" and (digest := _digest(rest)):
            digests[digest.algorithm] = digest
    for algorithm in ALGORITHMS:
        if algorithm in digests:
            return digests[algorithm]
    if basic:
        return Basic()
    raise SourceError(
        Reason.WRONG_PASSWORD, gettext_noop("The camera asks for the password in a way that is not known here.")
    )


def is_stale(headers: Message) -> bool:
    """Whether a camera refuses what was right, because its challenge is too old by now."""
    return any("stale=true" in each.lower().replace('"', "") for each in headers.get_all("WWW-Authenticate", []))


def _digest(text: str) -> Digest | None:
    try:
        fields = {name.lower(): value for name, value in parse_keqv_list(parse_http_list(text)).items()}
    except (ValueError, IndexError):
        return None
    algorithm = fields.get("algorithm", "MD5").upper()
    offered = [each.strip() for each in fields.get("qop", "").split(",")]
    if algorithm not in ALGORITHMS or "nonce" not in fields or (offered != [""] and "auth" not in offered):
        return None
    return Digest(fields.get("realm", ""), fields["nonce"], algorithm, fields.get("opaque"), "auth" in offered)


def _as_bytes(text: str) -> str:
    """UTF-8, a character a byte, as the texts of headers are read and written."""
    return text.encode().decode("latin-1")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
