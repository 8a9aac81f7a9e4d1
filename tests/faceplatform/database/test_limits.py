"""What the server does to a process that holds something and is gone; each is asked in a process of its own."""

import pytest
from other_process import run_elsewhere

pytestmark = pytest.mark.django_db(transaction=True)
SHOWN = """
from django.db import connection
from faceplatform.database.limits import limit_holding, limit_waiting
{}
def shown(name):
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {{name}}")
        return cursor.fetchone()[0]
print(shown("idle_in_transaction_session_timeout"), shown("lock_timeout"), shown("statement_timeout"))
"""


@pytest.mark.parametrize(
    ("limits", "shown"),
    [
        ("", "0 0 0"),  # a job may compute within a transaction
        ("limit_holding()", "30s 0 0"),  # as long as a lease
        ("limit_waiting()", "1min 5s 30s"),
        ("connection.settings_dict['OPTIONS']['options'] = '-c lock_timeout=7s'; limit_waiting()", "1min 7s 30s"),
    ],
)
def test_limits_of_a_kind_of_process(limits, shown, tmp_path):
    assert run_elsewhere(SHOWN.format(limits), tmp_path) == shown
