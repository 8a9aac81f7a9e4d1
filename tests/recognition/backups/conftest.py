"""Databases beside the test's own, to restore into."""

import secrets
from contextlib import contextmanager

import pytest
from databases import databases
from django.db import connections

from faceplatform.database.scratch import server


@pytest.fixture
def elsewhere(transactional_db):
    """`with elsewhere():` an empty platform, whose database is dropped in the end; the same one each time."""
    name = f"test_elsewhere_{secrets.token_hex(3)}"
    usual = connections["default"]
    with server() as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")

    @contextmanager
    def there():
        options = {**usual.settings_dict["OPTIONS"], "pool": False}
        connections["default"] = type(usual)({**usual.settings_dict, "NAME": name, "OPTIONS": options}, "default")
        try:
            yield
        finally:
            connections["default"].close()
            connections["default"] = usual

    yield there
    with server() as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def nothing_left(transactional_db):
    """No scratch database remains, whatever happened."""
    before = databases()
    yield
    assert {name for name in databases() if "_scratch_" in name} <= before
