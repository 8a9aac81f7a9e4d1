"""Log lines of a whole run: JSON, with request ids, and without anything that is to be kept secret."""

import base64
import json
import logging
import re
from pathlib import Path

import psycopg
import pytest
import requests
from django.db import connection
from platform_process import Platform

from accounts.roles import Scope
from faceplatform.logs import DiscreetFormatter, JsonFormatter, with_part

NAME = "Zacharias Quillfeather"
TOKEN = "a-token-for-the-monitor"


@pytest.fixture
def platform(tmp_path, sface_dir):
    settings = {
        "FACEPLATFORM_LOG_FORMAT": "json",
        "FACEPLATFORM_ADMIN_PASSWORD": "",
        "FACEPLATFORM_LOG_LEVEL": "DEBUG",
        "FACEPLATFORM_METRICS_TOKEN": TOKEN,
    }
    made = Platform(tmp_path / "data", **settings)
    made.start()
    yield made
    if made.process.poll() is None:
        made.interrupt()


def test_a_whole_run_tells_no_secret(platform, hopper):
    data_dir = Path(platform.environment["FACEPLATFORM_DATA_DIR"])
    first = data_dir / "first_password"  # a terminal would show it
    assert first.stat().st_mode & 0o777 == 0o600 and len(first.read_text()) > 16
    password = first.read_text().strip()
    key = platform.manage("api_key", "create", "--user", "admin", "--scopes", *Scope.values).stdout.strip()
    client = requests.Session()
    client.headers["Authorization"] = f"Bearer {key}"
    client.trust_env = False

    def call(method: str, path: str, **body) -> requests.Response:
        return client.request(method, f"{platform.address}{path}", timeout=60, **body)

    photo = {"photo": ("Quillfeather.jpg", hopper)}
    assert call("POST", "/api/v1/galleries", json={"slug": "staff", "name": "Staff"}).status_code == 201
    person = call("POST", "/api/v1/identities", json={"gallery": "staff", "name": NAME, "external_id": "Q-4711"}).json()
    samples = f"/api/v1/identities/{person['id']}/samples"
    assert call("POST", samples, files={"photos": photo["photo"]}).status_code == 201
    found = call(
        "POST", "/api/v1/recognitions", data={"gallery": "staff"}, files=photo, headers={"X-Request-ID": "mine-1"}
    )
    assert found.json()["faces"][0]["identity"]["name"] == NAME
    vector = call("POST", "/api/v1/embeddings", data={"gallery": "staff"}, files=photo).json()["faces"][0]["embedding"]
    call("POST", "/api/v1/searches", json={"gallery": "staff", "vector": vector})
    # what goes wrong is logged, and says no more
    assert (
        call(
            "POST", "/api/v1/recognitions", data={"gallery": "staff"}, files={"photo": ("Q.jpg", hopper[:9])}
        ).status_code
        == 422
    )
    assert call("POST", "/api/v1/searches", json={"gallery": "staff", "vector": [*vector, "x"]}).status_code == 400
    assert call("GET", "/api/v1/nowhere", params={"name": NAME}).status_code == 404
    assert (
        client.get(f"{platform.address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10).status_code
        == 200
    )
    page = requests.Session()
    page.get(f"{platform.address}/sign-in", timeout=10)
    signed_in = page.post(
        f"{platform.address}/sign-in",
        data={"username": "admin", "password": password, "csrfmiddlewaretoken": page.cookies["csrftoken"]},
        timeout=30,
    )
    assert signed_in.status_code == 200 and "sessionid" in page.cookies
    assert platform.interrupt() == 0

    lines = [json.loads(line) for line in platform.lines if line.strip()]
    assert all({"time", "level", "message", "request_id", "part"} <= line.keys() for line in lines)
    assert {"web", "worker-1", "up"} <= {line["part"] for line in lines}
    assert any(line["request_id"] not in ("-", "") and line["part"] == "web" for line in lines)
    text = "".join(platform.lines).lower()
    secrets = [NAME, "quillfeather", "Q-4711", password, key, key[-12:], TOKEN, page.cookies["sessionid"]]
    secrets += [(data_dir / "secret_key").read_text().strip()]
    secrets += [base64.b64encode(hopper)[900:930].decode(), hopper[900:920].hex(), repr(hopper[900:920])[2:-1]]
    secrets += [str(value) for value in vector[:8]]
    assert [secret for secret in secrets if secret.lower() in text] == []


@pytest.mark.django_db
def test_a_databases_error_is_told_without_the_values_it_quotes():
    with pytest.raises(psycopg.errors.UniqueViolation) as caught, connection.cursor() as cursor:
        raised = f"RAISE unique_violation USING MESSAGE = 'duplicate', DETAIL = 'Key (name)=({NAME}) already exists.'"
        cursor.connection.execute(f"DO $$ BEGIN {raised}; END $$")
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "it failed: %s", (caught.value,), None)
    record.exc_info = (type(caught.value), caught.value, caught.value.__traceback__)
    assert NAME in logging.Formatter().format(record)
    record.exc_text = None
    plain = DiscreetFormatter().format(record)
    record.exc_text = None
    line = json.loads(JsonFormatter().format(record))
    for text in (plain, json.dumps(line)):
        assert "it failed: duplicate" in text and "UniqueViolation" in text and "Traceback" in text
        assert NAME not in text


def test_what_a_part_prints_becomes_a_line_like_the_others():
    assert json.loads(with_part('{"message": "a", "level": "ERROR"}', part="web")) == {
        "message": "a",
        "level": "ERROR",
        "part": "web",
    }
    for text in ("Fatal Python error", "[1, 2]", '{"half'):
        line = json.loads(with_part(text, part="worker-1"))
        assert (line["message"], line["part"]) == (text, "worker-1") and re.match(r"\d{4}-", line["time"])
