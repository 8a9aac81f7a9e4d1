"""The API's schema is committed: a change of it is seen in review."""

from pathlib import Path

import pytest
from django.core.management import call_command
from factories import UserFactory

COMMITTED = Path(__file__).with_name("openapi.yaml")


def test_the_committed_schema_is_the_current_one(tmp_path):
    call_command("spectacular", "--file", str(tmp_path / "openapi.yaml"), "--fail-on-warn", "--validate")
    current = (tmp_path / "openapi.yaml").read_text()
    command = "manage.py spectacular --file tests/openapi.yaml"
    assert current == COMMITTED.read_text(), f"The API has changed. Look at the change, then run: {command}"


@pytest.mark.django_db
def test_schema_and_docs_are_served_to_the_signed_in(client):
    for address in ("/api/v1/schema/", "/api/v1/docs/"):
        assert client.get(address).status_code in (401, 403)
    client.force_login(UserFactory())
    for address in ("/api/v1/schema/", "/api/v1/docs/"):
        response = client.get(address)
        assert response.status_code == 200
        assert b"https://cdn" not in response.content
