"""Limits guessing of passwords, before a password is hashed.

Attempts are counted by address and by account. An attack on an account from many addresses would shut its owner out with that
alone: a browser in which the owner has signed in before has a signed cookie, and its attempts are counted by themselves. Hashing
takes a third of a second, so that few threads may do it or wait for it at a time, with places of their own for known browsers.
"""

import hashlib
import secrets
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from accounts import audit, buckets
from accounts.actor import Actor, Via
from accounts.models import User
from faceplatform.errors import TooManyAttempts

COOKIE = "known_browser"
KNOWN_FOR = 90 * 86_400  # seconds
NOTE_AN_HOUR = {"noted": (1 / 60, 1.0)}


class Turns:
    """One at a time; few wait, the others are refused at once."""

    def __init__(self, waiting: int) -> None:
        self._places = threading.BoundedSemaphore(waiting + 1)
        self._turn = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise TooManyAttempts(
                "Many people are signing in at this moment. Try again in a few seconds.", retry_after=3
            )
        try:
            with self._turn:
                yield
        finally:
            self._places.release()


KNOWN, UNKNOWN = Turns(waiting=3), Turns(waiting=3)


@contextmanager
def attempt(request: HttpRequest, username: str) -> Iterator[None]:
    """Counts an attempt to sign in as `username`; then it is this request's turn to hash. Raises TooManyAttempts."""
    account = _hash_of(username)
    browser = _browser_of(request, account)
    if browser:
        _count(request, f"browser:{browser}", username)
    else:
        _count(request, _address_subject(request), None)
        _count(request, f"account:{account}", username)
    with (KNOWN if browser else UNKNOWN).take():
        yield


@contextmanager
def own_password(request: HttpRequest, username: str) -> Iterator[None]:
    """The same for the old password of somebody who is signed in and changes it."""
    _count(request, f"own:{_hash_of(username)}", username)
    with KNOWN.take():
        yield


@contextmanager
def guess(request: HttpRequest) -> Iterator[None]:
    """Counts what somebody unknown types to be let in, without a name, as an attempt of their address; a right one is not
    counted. Raises TooManyAttempts."""
    subject = _address_subject(request)
    _count(request, subject, None)
    yield
    buckets.give_back(subject)


def remember(request: HttpRequest, response: HttpResponseBase, username: str) -> None:
    """After a right password: the address is not charged for it if it was, and the browser is known from now on."""
    account = _hash_of(username)
    browser = _browser_of(request, account)
    if browser is None:
        buckets.give_back(_address_subject(request))
    known = {"account": account, "browser": browser or secrets.token_hex(16)}
    response.set_cookie(
        COOKIE,
        signing.dumps(known, salt=COOKIE),
        max_age=KNOWN_FOR,
        path=reverse("sign-in"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _count(request: HttpRequest, subject: str, username: str | None) -> None:
    """username: whose account is meant, if the bucket is one of an account."""
    rate = settings.SIGN_IN_RATE if username is not None else settings.SIGN_IN_ADDRESS_RATE
    if not rate:
        return
    wait = buckets.count([subject], {subject.partition(":")[0]: (rate, rate)})
    if wait:
        _note(request, subject, username)
        raise TooManyAttempts(
            f"Too many attempts to sign in. Wait {wait} seconds, then try again."
            if wait > 1
            else "Too many attempts to sign in. Wait a second, then try again.",
            retry_after=wait,
        )


def _note(request: HttpRequest, subject: str, username: str | None) -> None:
    """Writes the refusal into the audit, once an hour for each bucket: an attack must not fill it.

    The name is written only if there is such an account: people type passwords into the wrong field.
    """
    visitor = Actor.of_visitor(request, Via.WEB)
    with transaction.atomic():
        if buckets.count([f"noted:{_hash_of(subject)}"], NOTE_AN_HOUR) == 0:
            user = None if username is None else User.objects.filter(username=username).first()
            details = {"limit": subject.partition(":")[0]}
            audit.record(actor=visitor, action="sign_in.throttled", target=user, details=details)


def _browser_of(request: HttpRequest, account: str) -> str | None:
    """The known browser's id, if `account` has signed in with it before."""
    try:
        known = signing.loads(request.COOKIES.get(COOKIE, ""), salt=COOKIE, max_age=KNOWN_FOR)
    except signing.BadSignature:
        return None
    return known["browser"] if known["account"] == account else None


def _hash_of(name: str) -> str:
    normal = unicodedata.normalize("NFKC", name).casefold()
    return hashlib.sha256(normal.encode(errors="replace")).hexdigest()[:32]


def _address_subject(request: HttpRequest) -> str:
    """An IPv6 address counts as its network of 64 bits: one customer has all of it."""
    text = Actor.of_visitor(request, Via.WEB).ip
    address = ip_address(text) if text else None
    if isinstance(address, IPv6Address):
        return f"address:{ip_network((address, 64), strict=False)}"
    return f"address:{address}"
