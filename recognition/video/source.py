"""What is read, what may be read, and why it cannot be, in words for a person."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from faceplatform.addresses import AddressNotAllowed, Network, checked_addresses
from recognition.engine.texts import gettext_noop


class Kind(StrEnum):
    RTSP = "rtsp"
    MJPEG = "mjpeg"
    FILE = "file"
    DEVICE = "device"


class Reason(StrEnum):
    BAD_ADDRESS = "bad_address"
    NOT_ALLOWED = "not_allowed"
    UNKNOWN_NAME = "unknown_name"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    TLS = "tls"
    WRONG_PASSWORD = "wrong_password"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    MOVED = "moved"
    NO_VIDEO = "no_video"
    TOO_LARGE = "too_large"
    STALLED = "stalled"
    LOST = "lost"
    BROKEN = "broken"
    ENDED = "ended"


SENTENCES = {
    Reason.BAD_ADDRESS: gettext_noop("This is no address of a camera."),
    Reason.NOT_ALLOWED: gettext_noop("The platform may not read from this address."),
    Reason.UNKNOWN_NAME: gettext_noop("No machine has this name."),
    Reason.UNREACHABLE: gettext_noop("No machine answers at this address."),
    Reason.REFUSED: gettext_noop("The machine is there, but nothing listens at this port."),
    Reason.TLS: gettext_noop(
        "No secure connection can be made to the camera: its certificate or its TLS version is not accepted."
    ),
    Reason.WRONG_PASSWORD: gettext_noop("The camera does not accept this user name and password."),
    Reason.FORBIDDEN: gettext_noop("The camera does not allow this user to see this stream."),
    Reason.NOT_FOUND: gettext_noop("The camera answers, but has no stream at this path."),
    Reason.MOVED: gettext_noop("The camera points to another address. Enter that address instead."),
    Reason.NO_VIDEO: gettext_noop("There is no video at this address that can be read."),
    Reason.TOO_LARGE: gettext_noop(
        "The pictures are too large. Choose a smaller resolution, or the camera's second stream."
    ),
    Reason.STALLED: gettext_noop("The camera sends no pictures, or far fewer than before."),
    Reason.LOST: gettext_noop("The camera closed the connection."),
    Reason.BROKEN: gettext_noop("What the camera sends cannot be read as video."),
    Reason.ENDED: gettext_noop("The video has ended."),
}
# What does not mend itself soon: somebody has to change the camera, or what is written about it.
LASTING = {
    Reason.BAD_ADDRESS,
    Reason.NOT_ALLOWED,
    Reason.WRONG_PASSWORD,
    Reason.FORBIDDEN,
    Reason.NOT_FOUND,
    Reason.MOVED,
    Reason.TOO_LARGE,
}


class SourceError(Exception):
    """Why a source cannot be read. Its text is a sentence to be shown; it never holds a secret, nor a library's words."""

    def __init__(self, reason: Reason, sentence: str = "") -> None:
        super().__init__(sentence or SENTENCES[reason])
        self.reason = reason

    @property
    def sentence(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True, repr=False)
class Source:
    """One camera or file.

    address: rtsp[s]://… or http[s]://… without a user, a path below `Allowed.folder`, or a device of `Allowed.devices`.
    fps: how many frames a second are handed on, at most. loop: whether a file begins again at its end.
    verify_tls: whether the camera's certificate has to be known; most cameras have signed their own.
    """

    kind: Kind
    address: str
    user: str = ""
    password: str = ""
    fps: float = 4.0
    loop: bool = False
    verify_tls: bool = False

    def __repr__(self) -> str:
        """Without the address, which may hold a token as well."""
        return f"Source({self.kind})"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be read. networks: as in `checked_addresses`. folder: of video files. devices: such as /dev/video0."""

    networks: Sequence[Network] | None = None
    folder: Path | None = None
    devices: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """A camera's address in parts. path: with the query, percent-encoded. url: without a user."""

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)
    url: str = field(repr=False)

    @property
    def is_secure(self) -> bool:
        return self.scheme in ("rtsps", "https")


PORTS = {
    Kind.RTSP: {"rtsp": 554, "rtsps": 322},
    Kind.MJPEG: {"http": 80, "https": 443},
}


def target_of(source: Source) -> Target:
    """The parts of a network camera's address. Raises SourceError."""
    ports = PORTS[source.kind]
    if any(ord(character) <= 32 or ord(character) == 127 for character in source.address):
        raise SourceError(Reason.BAD_ADDRESS, gettext_noop("An address has no spaces or control characters."))
    if not (source.user + source.password).isprintable():
        raise SourceError(Reason.BAD_ADDRESS, gettext_noop("A user name and a password have no control characters."))
    try:
        parts = urlsplit(source.address)
        port = parts.port or ports.get(parts.scheme, 0)
        host = (parts.hostname or "").encode("idna").decode() if ":" not in (parts.hostname or "") else parts.hostname
    except ValueError:
        raise SourceError(Reason.BAD_ADDRESS) from None
    if parts.scheme not in ports or not host:
        raise SourceError(
            Reason.BAD_ADDRESS,
            gettext_noop("The address has to begin with %(plain)s:// or %(secure)s:// and the camera's name.")
            % dict(zip(("plain", "secure"), ports, strict=True)),
        )
    if "@" in parts.netloc:
        raise SourceError(
            Reason.BAD_ADDRESS,
            gettext_noop("User name and password have fields of their own: leave them out of the address."),
        )
    rest = source.address.split("://", 1)[1][len(parts.netloc) :]
    path = quote(rest if rest.startswith("/") else f"/{rest}", safe="/%?&=:@!$'()*+,;~[]")
    shown = f"[{host}]" if ":" in host else host
    return Target(parts.scheme, host, port, path, f"{parts.scheme}://{shown}:{port}{path}")


def check_source(source: Source, allowed: Allowed) -> None:
    """Raises SourceError where a source may not be read, or is written so that it cannot be. Calls nothing but DNS."""
    if source.kind == Kind.FILE:
        open_file(source, allowed).close()
    elif source.kind == Kind.DEVICE:
        check_device(source, allowed)
    else:
        target = target_of(source)
        try:
            checked_addresses(target.host, target.port, allowed.networks)
        except AddressNotAllowed as error:
            raise SourceError(Reason.NOT_ALLOWED, str(error)) from None
        except OSError:
            raise SourceError(Reason.UNKNOWN_NAME) from None


def check_device(source: Source, allowed: Allowed) -> None:
    if source.address not in allowed.devices:
        raise SourceError(
            Reason.NOT_ALLOWED, gettext_noop("This device is not among those that the platform may read.")
        )


def open_file(source: Source, allowed: Allowed) -> BinaryIO:
    """A video file below the folder, opened: what is checked is what is read, whatever happens to its name later."""
    if allowed.folder is None:
        raise SourceError(Reason.NOT_ALLOWED, gettext_noop("No folder of videos is set up on this server."))
    try:
        folder = allowed.folder.resolve(strict=True)
        descriptor = os.open(folder / source.address, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        raise SourceError(Reason.NOT_FOUND, gettext_noop("There is no such video file.")) from None
    opened = Path(f"/proc/self/fd/{descriptor}").resolve()
    if not opened.is_relative_to(folder) or not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceError(Reason.NOT_FOUND, gettext_noop("There is no such video file."))
    return os.fdopen(descriptor, "rb")
