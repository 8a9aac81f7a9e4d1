"""Calls made up from the committed OpenAPI: none crashes, and each is answered as the schema says.

Every operation is called with made-up ids and with ids that are there. A longer search: HARDENING_EXAMPLES=200.
"""

import json
import os
from pathlib import Path

import pytest
import schemathesis
from api_world import make_rows, path_values
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from accounts.roles import Scope

EXAMPLES = int(os.environ.get("HARDENING_EXAMPLES", "4"))
OPENAPI = json.loads((Path(__file__).resolve().parents[1] / "openapi.json").read_text())
SCHEMA = schemathesis.openapi.from_dict(OPENAPI)
OPERATIONS = {f"{method.upper()} {path}" for path, methods in OPENAPI["paths"].items() for method in methods}
WANTED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@pytest.fixture
def rows(db, pack_dir, settings, lasting_workers):
    settings.KEY_RATE = settings.USER_RATE = 0
    settings.ALLOWED_HOSTS = ["*"]
    found = make_rows()
    _, found["api_key"] = create_api_key(actor=system_actor(), user=found["operator"], scopes=list(Scope))
    for signal in (request_started, request_finished):  # the calls share the test's transaction
        signal.disconnect(close_old_connections)
    yield found
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def valid_or_not(operation):
    """Calls as the schema has them, and calls that break it, where it says anything that can be broken."""
    kinds = [operation.as_strategy()]
    if operation.body or operation.query or operation.path_parameters:
        kinds.append(operation.as_strategy(GenerationMode.NEGATIVE))
    return st.one_of(kinds)


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_no_call_crashes_or_surprises(operation, rows):
    method, path = operation.split()
    SCHEMA.app = get_wsgi_application()
    checks = CHECKS.get_by_names(list(WANTED))
    headers = {"Authorization": f"Bearer {rows['api_key']}", "Prefer": "wait=0"}

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(case=valid_or_not(SCHEMA[path][method]), there=st.booleans())
    def check(case, there):
        if there:
            known = path_values(path, rows)
            case.path_parameters = {name: str(known[name]) for name in case.path_parameters or {}}
            if isinstance(case.body, dict) and "gallery" in case.body:
                case.body["gallery"] = "staff"
        with transaction.atomic():
            case.call_and_validate(headers=headers, checks=checks)
            transaction.set_rollback(True)

    check()
