"""Limits guessing of passwords and second factors, before a password is hashed.

Attempts are counted by address and by account, those of an account by the minute and by the day: the second locks it until most
of a day has passed or an administrator unlocks it. An attack on an account from many addresses would shut its owner out with that
alone: a browser in which the owner has signed in before has a signed cookie, and its attempts are counted by themselves. Hashing
takes a third of a second, so that few threads may do it or wait for it at a time, with places of their own for known browsers.
"""

import hashlib
import secrets
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, buckets
from accounts.actor import Actor, Via
from accounts.models import RequestBucket, User
from accounts.sign_in.backend import find_user
from faceplatform.errors import TooManyAttempts

COOKIE = "known_browser"
KNOWN_FOR = 90 * 86_400  # seconds
NOTE_AN_HOUR = {"noted": (1 / 60, 1.0)}
A_DAY = 100  # failed attempts at one account; NIST SP 800-63B-4, 3.2.2
RESETS = (3 / 60, 3.0)  # messages with a link to one address: leaks a minute, holds
DAYS = ("day", "factor_day")  # who does not know the password cannot fill the second
KINDS = ("account", "own", "factor", "reset", *DAYS)  # of the buckets of an account


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
def attempt(request: HttpRequest, login: str) -> Iterator[None]:
    """Counts an attempt to sign in as `login`, a name or an e-mail address; then it is this request's turn to hash.

    Raises TooManyAttempts.
    """
    name = _name_of(login)
    account = _hash_of(name)
    browser = _browser_of(request, account)
    if browser:
        _count(request, [f"browser:{browser}"], name)
    else:
        _count(request, [_address_subject(request)], None)
        _count(request, [f"account:{account}", f"day:{account}"], name)
    with (KNOWN if browser else UNKNOWN).take():
        yield


@contextmanager
def own_password(request: HttpRequest, username: str) -> Iterator[None]:
    """The same for the password of somebody who is signed in and changes or confirms it."""
    _count(request, [f"own:{_hash_of(username)}"], username)
    with KNOWN.take():
        yield


@contextmanager
def second_factor(request: HttpRequest, username: str) -> Iterator[None]:
    """Counts an attempt at a second factor, whether at the sign-in or later. Raises TooManyAttempts."""
    account = _hash_of(username)
    _count(request, [f"factor:{account}", f"factor_day:{account}"], username)
    yield


@contextmanager
def passkey(request: HttpRequest) -> Iterator[None]:
    """Counts a sign-in with a passkey, of which nobody knows yet whose it is. Raises TooManyAttempts."""
    _count(request, [_address_subject(request)], None)
    yield


@contextmanager
def reset(request: HttpRequest, email: str) -> Iterator[None]:
    """Counts a request for a link by e-mail. Raises TooManyAttempts."""
    _count(request, [_address_subject(request)], None)
    _count(request, [f"reset:{_hash_of(_name_of(email))}"], email)
    yield


def succeeded(username: str) -> None:
    """After a sign-in: what failed before it counts no more towards the day's."""
    _forget(username, DAYS)


def locked(users: Iterable[User]) -> set[User]:
    """Those of `users` whose last attempt was refused and whose next one would be, too."""
    limits, now = _limits(), timezone.now()
    owner = {f"{kind}:{_hash_of(user.get_username())}": user for user in users for kind in KINDS}
    found = set()
    for bucket in RequestBucket.objects.filter(subject__in=owner, allowed=False):
        rate, holds = limits[bucket.subject.partition(":")[0]]
        if bucket.level - rate / 60 * (now - bucket.at).total_seconds() + 1 > holds:
            found.add(owner[bucket.subject])
    return found


def unlock(username: str) -> None:
    """Forgets all attempts at the account."""
    _forget(username, KINDS)


def _forget(username: str, kinds: Iterable[str]) -> None:
    account = _hash_of(username)
    RequestBucket.objects.filter(subject__in=[f"{kind}:{account}" for kind in kinds]).delete()


@contextmanager
def guess(request: HttpRequest) -> Iterator[None]:
    """Counts what somebody unknown types to be let in, without a name, as an attempt of their address; a right one is not
    counted. Raises TooManyAttempts."""
    subject = _address_subject(request)
    _count(request, [subject], None)
    yield
    buckets.give_back(subject)


def remember(request: HttpRequest, response: HttpResponseBase, username: str) -> None:
    """After a sign-in: the address is not charged for it if it was, and the browser is known from now on."""
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


def _limits() -> buckets.Limits:
    rate, address = settings.SIGN_IN_RATE, settings.SIGN_IN_ADDRESS_RATE
    by_account = dict.fromkeys(("browser", "account", "own", "factor"), (rate, rate))
    return {**by_account, "address": (address, address), "reset": RESETS, **dict.fromkeys(DAYS, (A_DAY / 1440, A_DAY))}


def _count(request: HttpRequest, subjects: list[str], username: str | None) -> None:
    """username: whose account is meant, if the buckets are an account's."""
    if not (settings.SIGN_IN_RATE if username is not None else settings.SIGN_IN_ADDRESS_RATE):
        return
    if wait := buckets.count(subjects, _limits()):
        _note(request, subjects[0], username)
        raise TooManyAttempts(_refusal(wait), retry_after=wait)


def _refusal(wait: int) -> str:
    if wait == 1:
        return _("Too many attempts to sign in. Wait a second, then try again.")
    if wait < 120:
        return _("Too many attempts to sign in. Wait %(seconds)s seconds, then try again.") % {"seconds": wait}
    return _(
        "Too many attempts to sign in. Wait %(minutes)s minutes, or ask an administrator to unlock your account."
    ) % {"minutes": wait // 60}


def _note(request: HttpRequest, subject: str, username: str | None) -> None:
    """Writes the refusal into the audit, once an hour for each bucket: an attack must not fill it.

    The name is written only if there is such an account: people type passwords into the wrong field.
    """
    visitor = Actor.of_visitor(request, Via.WEB)
    with transaction.atomic():
        if buckets.count([f"noted:{_hash_of(subject)}"], NOTE_AN_HOUR) == 0:
            user = None if username is None else find_user(username)
            details = {"limit": subject.partition(":")[0]}
            audit.record(actor=visitor, action="sign_in.throttled", target=user, details=details)


def _name_of(login: str) -> str:
    """The account's name if there is one, so that it has one bucket however it is called."""
    user = find_user(login)
    return user.get_username() if user else login


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
