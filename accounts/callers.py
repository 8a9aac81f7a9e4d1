"""Whether somebody known sends a request, from its headers alone: before its body is read."""

from collections.abc import Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.db import close_old_connections
from django.http import parse_cookie
from django.utils import timezone

from accounts.keys.authentication import USABLE_KEY
from accounts.keys.services import hash_key


def is_known(headers: Mapping[bytes, bytes]) -> str:
    """The id of the user whose usable API key they carry or, if they carry no key, whose session; empty if there is none."""
    try:
        key = _key_of(headers)
        return _owner_of(key) if key else _signed_in(headers.get(b"cookie", b"").decode("latin-1"))
    finally:
        close_old_connections()


def _key_of(headers: Mapping[bytes, bytes]) -> str:
    scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get(b"x-api-key", b"").decode("latin-1").strip()


def _owner_of(key: str) -> str:
    api_key = USABLE_KEY.first(now=timezone.now(), key_hash=hash_key(key))
    return str(api_key.user_id) if api_key is not None and api_key.user.is_active else ""


def _signed_in(cookies: str) -> str:
    session_key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME)
    if not session_key:
        return ""
    request: Any = SimpleNamespace(session=import_module(settings.SESSION_ENGINE).SessionStore(session_key))
    user = get_user(request)
    return str(user.pk) if user.is_authenticated else ""
