"""Secrets of others (a camera's password, a webhook's secret), encrypted at rest with a key that comes from SECRET_KEY."""

import base64
import hashlib
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.utils.translation import gettext_noop

PURPOSE = b"faceplatform sealed v1 "


class CannotOpen(ValueError):
    """The text was sealed under another secret key, or is damaged."""


def seal(value: Any) -> str:
    """The JSON value, encrypted (Fernet: AES-128-CBC and HMAC-SHA256), as text."""
    return _box().encrypt(json.dumps(value).encode()).decode()


def unseal(sealed: str) -> Any:
    """The value that was sealed. Raises CannotOpen."""
    try:
        return json.loads(_box().decrypt(sealed.encode()))
    except InvalidToken:
        raise CannotOpen(gettext_noop("It was encrypted under another secret key. Enter it again.")) from None


def _box() -> MultiFernet:
    keys = [str(settings.SECRET_KEY), *map(str, settings.SECRET_KEY_FALLBACKS)]
    return MultiFernet(
        [Fernet(base64.urlsafe_b64encode(hashlib.sha256(PURPOSE + key.encode()).digest())) for key in keys]
    )
