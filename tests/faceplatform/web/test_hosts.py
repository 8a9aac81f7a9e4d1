"""A request under a name that the platform does not know, and those of monitors, which use any."""

import json

import pytest
from django.test import Client

from recognition.management.commands.up import address_at


@pytest.fixture
def client(settings):
    settings.ALLOWED_HOSTS = ["faces.example.org"]
    return Client()


def test_a_page_names_the_setting_and_escapes_what_was_sent(client, caplog):
    answer = client.get("/sign-in", headers={"host": "faces.lan:8000"})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "“faces.lan”" in page and "FACEPLATFORM_ALLOWED_HOSTS" in page
    assert answer["Content-Security-Policy"] and "no-store" in answer["Cache-Control"] and answer["X-Request-ID"]
    hostile = client.get("/sign-in", headers={"host": "<script>alert(1)</script>"})
    assert hostile.status_code == 400 and b"<script>" not in hostile.content
    assert not [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"]


def test_the_api_answers_in_its_own_shape(client):
    answer = client.post("/api/v1/recognitions", headers={"host": "10.0.0.7"})
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    problem = json.loads(answer.content)
    assert problem["code"] == "unknown_host" and "“10.0.0.7”" in problem["detail"]


@pytest.mark.parametrize("host", ["", "a b", "\x7f", "ü.example", "[::1", "x" * 5000, "faces.example.org:99999999"])
def test_a_host_that_is_none_is_no_crash(client, host):
    for path in ("/sign-in", "/api/v1/me"):
        assert client.get(path, headers={"host": host}).status_code in (302, 400, 401, 200)


def test_the_known_name_is_served_and_others_get_static_files(client, db):
    assert client.get("/sign-in", headers={"host": "faces.example.org"}).status_code == 200
    style = client.get("/static/faceplatform/app.css", headers={"host": "faces.lan"})
    assert style.status_code == 200 and b"".join(style)
    style.close()


@pytest.mark.parametrize("host", ["10.0.0.7:8000", "web-1", "localhost", "a_b", "<x>", ""])
@pytest.mark.parametrize("https", [False, True])
@pytest.mark.django_db(transaction=True)
def test_monitors_ask_for_health_under_any_name(client, settings, host, https):
    settings.SECURE_SSL_REDIRECT = https
    assert client.get("/health/live", headers={"host": host}).json() == {"status": "ok"}
    assert client.get("/health/ready", headers={"host": host}).status_code in (200, 503)


def test_a_server_is_asked_where_it_listens():
    assert address_at("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert address_at("::", 80) == address_at("::1", 80) == "http://[::1]:80"
    assert address_at("192.168.1.5", 80) == "http://192.168.1.5:80"
