from contextlib import nullcontext

import pytest
from django.db import connection, transaction

from faceplatform.database.planned import planned_once

ASK = "SELECT set_config('work_mem', %(value)s, true)"


def work_mem() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW work_mem")
        return cursor.fetchone()[0]


def plans_of(text: str) -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE %s", [text])
        return cursor.fetchall()


@pytest.mark.parametrize("outer", [nullcontext, transaction.atomic])
@pytest.mark.django_db(transaction=True)
def test_settings_are_reset_after_the_block(outer):
    before = work_mem()
    with outer():
        with planned_once(["work_mem"]) as cursor:
            cursor.execute(ASK, {"value": "77MB"})
            assert work_mem() == "77MB"
        assert work_mem() == before


@pytest.mark.django_db(transaction=True)
def test_a_statement_is_planned_once_a_connection():
    for number in range(3):
        with planned_once(["plan_cache_mode"]) as cursor:
            cursor.execute("SELECT set_config('plan_cache_mode', 'force_generic_plan', true)")
            cursor.execute("SELECT %(number)s::int + 4242", {"number": number})
            assert cursor.fetchone() == (number + 4242,)
    assert plans_of("%+ 4242") == [(3, 0)]
