"""What the platform's own role in the database may not do, and that the product does not need it."""

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.transaction import TransactionManagementError
from factories import GalleryFactory
from table_owner import as_owner

from accounts import audit
from accounts.actor import SYSTEM
from accounts.audit import chain
from accounts.models import AuditEvent, AuditSeal
from faceplatform.database import postgres, roles

pytestmark = pytest.mark.django_db
REFUSED = r"permission denied|must be owner|must be superuser|must have admin option"
TABLES = ("accounts_auditevent", "accounts_auditseal", "recognition_erasure", "django_migrations", "gallery_identity")


def run(statement: str, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else None


def everything() -> list[list[tuple]]:
    return [run(f"SELECT event::text FROM {table} event ORDER BY 1") for table in TABLES]


@pytest.fixture
def sealed():
    audit.record(actor=SYSTEM, action="test.done", gallery=GalleryFactory())
    assert chain.seal() == 1


def test_tests_run_as_the_platforms_role():
    assert roles.current() == postgres.RUNTIME
    assert run("SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
               " WHERE rolname = current_user") == [(False,) * 5]  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE accounts_auditevent DISABLE TRIGGER USER",
        "ALTER TABLE accounts_auditevent DISABLE TRIGGER audit_append_only",
        "ALTER TABLE accounts_auditseal DROP COLUMN salt",
        "ALTER TABLE gallery_identity OWNER TO current_user",
        "DROP TABLE gallery_identity CASCADE",
        "DROP TRIGGER audit_append_only ON accounts_auditevent",
        "DROP FUNCTION accounts_audit_is_append_only() CASCADE",
        "CREATE OR REPLACE FUNCTION accounts_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'",
        "ALTER FUNCTION accounts_audit_redacts_its_own() RESET search_path",
        "CREATE TRIGGER mine BEFORE INSERT ON accounts_auditevent FOR EACH ROW"
        " EXECUTE FUNCTION accounts_audit_is_dated_now()",
        "CREATE RULE mine AS ON INSERT TO accounts_auditevent DO INSTEAD NOTHING",
        "SET session_replication_role = replica",
        "SET LOCAL session_replication_role = replica",
        "SET SESSION AUTHORIZATION faceplatform",
        "GRANT DELETE ON accounts_auditevent TO current_user",
        "DELETE FROM accounts_auditevent",
        "DELETE FROM accounts_auditseal",
        "UPDATE accounts_auditevent SET at = now()",
        "UPDATE accounts_auditevent SET user_name = 'nobody', redacted_by = id",
        "UPDATE accounts_auditseal SET digest = ''",
        "TRUNCATE accounts_auditevent",
        "TRUNCATE accounts_auditseal",
        "TRUNCATE gallery_identity CASCADE",
        "DELETE FROM recognition_erasure",
        "UPDATE recognition_erasure SET identities = '{}'",
        "DELETE FROM django_migrations",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('accounts', 'x', now())",
        "CREATE TABLE public.mine ()",
        "CREATE SCHEMA mine",
        "CREATE TEMPORARY TABLE recognition_erasure ()",
        "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE EXTENSION pg_trgm",
        "CREATE ROLE mine",
        "ALTER ROLE current_user SUPERUSER",
        "ALTER SYSTEM SET log_statement = 'all'",
        "COPY (SELECT 1) TO PROGRAM 'cat'",
        "COPY gallery_identity TO '/tmp/people'",
        "SELECT * FROM pg_authid",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT lo_import('/etc/passwd')",
    ],
)
def test_the_role_may_not(sealed, statement):
    before = everything()
    with pytest.raises(DatabaseError, match=REFUSED), transaction.atomic():
        run(statement)
    assert everything() == before
    assert chain.verify().broken == ""


def test_as_superuser_the_same_would_go_through(sealed):
    """So the role is what refuses."""
    with as_owner():
        run("SET CONSTRAINTS ALL IMMEDIATE")
        run("ALTER TABLE accounts_auditevent DISABLE TRIGGER USER")
        run("SET LOCAL session_replication_role = replica")
        run("DELETE FROM accounts_auditevent")
    assert not AuditEvent.objects.exists() and chain.verify().broken


def test_every_table_can_be_used_also_those_that_come_later():
    names = {model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed}
    wrong = run(
        "SELECT name, has_table_privilege(name, 'SELECT, MAINTAIN') FROM unnest(%s) name"
        " WHERE NOT has_table_privilege(name, 'SELECT') OR NOT has_table_privilege(name, 'INSERT')"
        " OR NOT has_any_column_privilege(name, 'UPDATE') OR NOT has_table_privilege(name, 'MAINTAIN')",
        sorted(names),
    )
    assert wrong == []


def test_a_temporary_table_does_not_pass_for_the_erasures(sealed):
    """Somebody who may make temporary tables all the same, as in a database where the right was not taken away."""
    event = AuditEvent.objects.get()
    with as_owner():
        run("SET CONSTRAINTS ALL IMMEDIATE")
        run("CREATE TEMPORARY TABLE accounts_auditevent ON COMMIT DROP AS SELECT * FROM public.accounts_auditevent")
        run("UPDATE pg_temp.accounts_auditevent SET redacted_by = id, action = 'identity.erased'")
        for statement in (
            "UPDATE public.accounts_auditseal SET salt = NULL WHERE event_id = %s",
            "UPDATE public.accounts_auditevent SET object_name = '', details = '{}', redacted_by = id WHERE id = %s",
        ):
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                run(statement, event.pk)
        run("DROP TABLE pg_temp.accounts_auditevent")
    assert AuditSeal.objects.get().salt is not None and chain.verify().broken == ""


def test_every_function_that_looks_into_tables_for_the_audit_says_where():
    found = run(
        "SELECT proname, proconfig FROM pg_proc WHERE proname LIKE 'accounts\\_audit\\_%%'"
        " AND prosrc ~* '\\m(FROM|JOIN)\\M\\s+[a-z]+_[a-z]+'"
    )
    assert len(found) == 4
    assert {tuple(config or ()) for _, config in found} == {("search_path=public, pg_temp",)}


def test_the_owner_is_not_asked_in_a_transaction():
    with pytest.raises(TransactionManagementError), roles.owner():
        pass
    assert roles.current() == postgres.RUNTIME


@pytest.mark.django_db(transaction=True)
def test_the_owner_has_its_own_connection_and_leaves_the_usual_one_as_it_was():
    usual = connection.settings_dict
    with roles.owner():
        assert (roles.current(), connection.settings_dict["NAME"]) == (postgres.OWNER, usual["NAME"])
        with pytest.raises(ZeroDivisionError), roles.owner():
            raise ZeroDivisionError
        assert roles.current() == postgres.OWNER
    assert roles.current() == postgres.RUNTIME and connection.settings_dict is usual


@pytest.mark.django_db(transaction=True)
def test_granting_takes_back_what_was_too_much_and_can_be_repeated():
    with roles.owner():
        run(f"GRANT DELETE, TRUNCATE ON accounts_auditevent TO {postgres.RUNTIME}")
        run("CREATE TABLE later (id bigserial)")
        try:
            for _ in range(2):
                roles.grant(postgres.RUNTIME)
                rights = "SELECT has_table_privilege(%s, 'accounts_auditevent', 'DELETE, TRUNCATE'),"
                rights += " has_table_privilege(%s, 'later', 'DELETE')"
                assert run(rights, postgres.RUNTIME, postgres.RUNTIME) == [(False, True)]
        finally:
            run("DROP TABLE later")
