"""Whether somebody known sends a request, from its headers alone: kiosks are known too, at their own address."""

from collections.abc import Mapping

from django.db import close_old_connections
from django.http import parse_cookie

from accounts import callers
from recognition.kiosks.models import Kiosk
from recognition.kiosks.services import hash_of_key

COOKIE = "kiosk"


def is_known(headers: Mapping[bytes, bytes]) -> str:
    """As `accounts.callers.is_known`; of a kiosk's browser the kiosk's id."""
    return callers.is_known(headers) or _kiosk_of(headers.get(b"cookie", b"").decode("latin-1"))


def _kiosk_of(cookies: str) -> str:
    key = parse_cookie(cookies).get(COOKIE)
    try:
        found = Kiosk.objects.in_force().filter(key_hash=hash_of_key(key)).values_list("pk").first() if key else None
        return str(found[0]) if found else ""
    finally:
        close_old_connections()
