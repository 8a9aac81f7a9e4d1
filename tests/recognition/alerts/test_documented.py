"""The code in docs/alerts.md works as it is written there."""

import re
import time
from pathlib import Path

import pytest

from recognition.alerts.signing import new_secret, signature

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "alerts.md"


@pytest.fixture
def is_genuine():
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict = {}
    exec(compile(code, "alerts.md", "exec"), names)
    return names["is_genuine"]


def test_the_check_takes_what_we_sign_and_nothing_else(is_genuine):
    secret, other, now, body = new_secret(), new_secret(), int(time.time()), '{"type": "Ü"}'.encode()

    def headers(*secrets, at=now):
        signed = signature(list(secrets), "msg_1", at, body)
        return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": signed}

    assert is_genuine(secret, headers(secret), body) and is_genuine(secret, headers(other, secret), body)
    assert not is_genuine(secret, headers(other), body)
    assert not is_genuine(secret, headers(secret), body + b" ")
    assert not is_genuine(secret, headers(secret) | {"webhook-id": "msg_2"}, body)
    assert not is_genuine(secret, headers(secret, at=now - 400), body)
