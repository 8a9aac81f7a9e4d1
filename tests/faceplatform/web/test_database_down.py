"""What pages, API and health checks answer while the database is unreachable."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ASK = """
import json, django
django.setup()
from django.test import Client
client = Client(raise_request_exception=False, headers={"host": "localhost"})
client.cookies["sessionid"] = "x" * 32
page = client.get("/galleries/staff/")
api = client.get("/api/v1/me", headers={"Authorization": "Bearer fp_x"})
client.cookies.clear()
ready = client.get("/health/ready")
live = client.get("/health/live")
print(json.dumps([[r.status_code, r["Content-Type"], r.content.decode()] for r in (page, api, ready, live)]))
"""


def test_pages_api_and_health_say_so(tmp_path):
    (tmp_path / "static").mkdir()  # which `up` fills
    environment = os.environ | {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
        "FACEPLATFORM_DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "faceplatform.settings",
        "FACEPLATFORM_LOG_LEVEL": "ERROR",
    }
    process = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert process.returncode == 0, process.stderr
    page, api, ready, live = json.loads(process.stdout.splitlines()[-1])
    assert page[0] == 503
    assert "The database cannot be reached" in page[2]
    assert api[:2] == [503, "application/problem+json"]
    assert json.loads(api[2])["code"] == "database_unavailable"
    assert (ready[0], live[0]) == (503, 200)
