"""What FACEPLATFORM_HTTPS changes, asked of a process that was started with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ASK = """if True:
    import json, django
    django.setup()
    from django.test import Client
    client = Client(SERVER_NAME="localhost")
    answers = client.get("/sign-in"), client.get("/health/live"), client.get("/health/live", secure=True)
    print(json.dumps([[one.status_code, one.headers.get("Location"), one.headers.get("Strict-Transport-Security")]
                      for one in answers]))
"""


@pytest.mark.parametrize(
    ("days", "header"), [("30", "max-age=2592000"), ("0", None)], ids=["thirty days", "without the header"]
)
def test_http_is_redirected_but_for_health_and_browsers_are_told_to_stay_with_https(tmp_path, days, header):
    environment = os.environ | {
        "FACEPLATFORM_DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "faceplatform.settings",
        "FACEPLATFORM_HTTPS": "on",
        "FACEPLATFORM_HSTS_DAYS": days,
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [
        [301, "https://localhost/sign-in", None],
        [200, None, None],
        [200, None, header],
    ]
