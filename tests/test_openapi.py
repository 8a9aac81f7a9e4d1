"""The API's schema is committed: a change of it is seen in review."""

import json
from pathlib import Path

import jsonschema
import pytest
from django.core.management import call_command
from factories import UserFactory

COMMITTED = Path(__file__).with_name("openapi.json")
COMMAND = "manage.py spectacular --format openapi-json --file tests/openapi.json"


def test_the_committed_schema_is_the_current_one(tmp_path):
    made = tmp_path / "openapi.json"
    call_command("spectacular", "--format", "openapi-json", "--file", str(made), "--fail-on-warn", "--validate")
    same = json.loads(made.read_text()) == json.loads(COMMITTED.read_text())
    assert same, f"The API has changed. Look at the change, then run: {COMMAND}"


def operations():
    schema = json.loads(COMMITTED.read_text())
    return [
        pytest.param(operation, schema, id=f"{method} {path}")
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


@pytest.mark.parametrize(("operation", "schema"), operations())
def test_every_operation_says_what_it_does_takes_and_gives(operation, schema):
    assert operation["summary"]
    assert {"401", "403", "429", "500", "503"} <= set(operation["responses"])
    answers = [resolved(answer, schema) for answer in operation["responses"].values()]
    bodies = [operation.get("requestBody", {}), *answers]
    for body in bodies:
        for kind, content in body.get("content", {}).items():
            if "json" in kind:
                assert "example" in content or "examples" in content
                jsonschema.validate(content["example"], loosened(content["schema"], schema))


def resolved(part: dict, schema: dict) -> dict:
    for name in part["$ref"].split("/")[1:] if "$ref" in part else ():
        schema = schema[name]
    return schema if "$ref" in part else part


def loosened(part, schema: dict):
    """OpenAPI 3.0's schema as JSON Schema's: references resolved, null where it may be."""
    if isinstance(part, list):
        return [loosened(one, schema) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return loosened(resolved(part, schema), schema)
    made = {name: loosened(value, schema) for name, value in part.items()}
    return {"anyOf": [made, {"type": "null"}]} if made.pop("nullable", False) is True else made


@pytest.mark.django_db
def test_schema_and_docs_are_served_to_the_signed_in(client):
    for address in ("/api/v1/schema/", "/api/v1/docs/"):
        assert client.get(address).status_code in (401, 403)
    client.force_login(UserFactory())
    for address in ("/api/v1/schema/", "/api/v1/docs/"):
        response = client.get(address)
        assert response.status_code == 200
        assert b"https://cdn" not in response.content
