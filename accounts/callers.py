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


def is_known(headers: Mapping[bytes, bytes]) -> bool:
    """Whether they carry a usable API key or, if they carry no key, the cookie of a session."""
    try:
        key = _key_of(headers)
        return _is_usable(key) if key else _is_signed_in(headers.get(b"cookie", b"").decode("latin-1"))
    finally:
        close_old_connections()


def _key_of(headers: Mapping[bytes, bytes]) -> str:
    scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get(b"x-api-key", b"").decode("latin-1").strip()


def _is_usable(key: str) -> bool:
    api_key = USABLE_KEY.first(now=timezone.now(), key_hash=hash_key(key))
    return api_key is not None and api_key.user.is_active


def _is_signed_in(cookies: str) -> bool:
    session_key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME)
    if not session_key:
        return False
    request: Any = SimpleNamespace(session=import_module(settings.SESSION_ENGINE).SessionStore(session_key))
    return get_user(request).is_authenticated
