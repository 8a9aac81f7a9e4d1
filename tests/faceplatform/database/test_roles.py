"""What the platform's own role in the database may not do, and that the product does not need it."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.transaction import TransactionManagementError
from factories import GalleryFactory
from table_owner import as_owner

from accounts import audit
from accounts.actor import system_actor
from accounts.audit import chain
from accounts.models import AuditEvent, AuditSeal
from faceplatform import env
from faceplatform.database import postgres, roles
from faceplatform.processes.supervisor import Part, Supervisor
from recognition.photos.worker_parts import worker_parts

ROOT = Path(__file__).resolve().parents[3]
OWN_ROLES = ("faceplatform", "faceplatform_owner", "faceplatform_app")
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
    audit.record(actor=system_actor(), action="test.done", gallery=GalleryFactory())
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
        "DROP EXTENSION vector CASCADE",
        "CREATE ROLE mine",
        "ALTER ROLE current_user SUPERUSER",
        "SET log_statement = 'all'",
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


def test_it_may_install_no_extension():
    """Whoever may not create in the database may not install one either, the trusted ones included."""
    assert run("SELECT has_database_privilege(current_database(), 'CREATE')") == [(False,)]


def test_as_superuser_the_same_would_go_through(sealed):
    """So the role is what refuses."""
    with as_owner():
        run("SET CONSTRAINTS ALL IMMEDIATE")
        run("ALTER TABLE accounts_auditevent DISABLE TRIGGER USER")
        run("SET LOCAL session_replication_role = replica")
        run("DELETE FROM accounts_auditevent")
    assert not AuditEvent.objects.exists() and chain.verify().broken


def test_every_table_can_be_used_also_those_that_come_later():
    names = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    names &= set(connection.introspection.table_names())
    wrong = run(
        "SELECT name, has_table_privilege(name, 'SELECT, MAINTAIN') FROM unnest(%s::text[]) name"
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


# --- A server of one's own, as docs/installation.md says ---
@pytest.fixture
def own_server(tmp_path):
    """The URLs of the two roles that the document's statements make, and of a superuser."""
    postgres.ensure_running(tmp_path, say=lambda text: None)
    as_documented = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "installation.md").read_text(), re.DOTALL)
    first, in_the_new_one = (text.replace("faceplatform;", "shared;").replace("DATABASE faceplatform", "DATABASE shared")
                             for text in as_documented)  # fmt: skip
    first = first.replace(f"CREATE ROLE {postgres.RUNTIME} ", "ALTER ROLE faceplatform_app ")  # ours is there already
    host = quote(postgres.connection_settings(tmp_path)["HOST"], safe="")
    urls = {role: f"postgresql:///shared?host={host}&user={role}" for role in OWN_ROLES}
    with psycopg.connect(urls["faceplatform"].replace("shared", "postgres"), autocommit=True) as superuser:
        for statement in first.split(";")[:-1]:
            superuser.execute(statement)
    with psycopg.connect(urls["faceplatform"], autocommit=True) as superuser:
        superuser.execute(in_the_new_one)
    yield urls
    postgres.release(tmp_path)


BUILDS_AN_INDEX = """
from gallery.search.synthetic import create_synthetic_gallery, fill, remove_synthetic_gallery
from gallery.search import indexing
from faceplatform.database import roles
from django.db import connection
made = create_synthetic_gallery(rows=2500, dim=16)
list(fill(made))
[index] = indexing.maintain_indexes()
with connection.cursor() as cursor:
    cursor.execute("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = %s", [index.name])
    print(index.state, roles.current(), cursor.fetchone()[0])
remove_synthetic_gallery(made.gallery)
indexing.maintain_indexes()
"""


def manage(data_dir: Path, urls: dict, *arguments: str, owner: bool = True) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != env.OWNER_URL} | {
        "DJANGO_SETTINGS_MODULE": "faceplatform.settings",
        "FACEPLATFORM_DATA_DIR": str(data_dir / "own"),
        "DATABASE_URL": urls["faceplatform_app"],
        **({env.OWNER_URL: urls["faceplatform_owner"]} if owner else {}),
    }
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)


def test_a_server_of_ones_own_with_two_roles(own_server, tmp_path):
    refused = manage(tmp_path, own_server, "migrate", "--verbosity=0", owner=False)
    assert refused.returncode and "permission denied" in refused.stderr
    for _ in range(2):
        done = manage(tmp_path, own_server, "migrate", "--verbosity=0")
        assert done.returncode == 0, done.stderr
    built = manage(tmp_path, own_server, "shell", "--no-imports", "--command", BUILDS_AN_INDEX)
    assert built.returncode == 0, built.stderr
    assert built.stdout.split() == ["ready", "faceplatform_app", "faceplatform_owner"]
    with psycopg.connect(own_server["faceplatform"]) as superuser:
        owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        assert superuser.execute(owners).fetchall() == [("faceplatform_owner",)]
        assert superuser.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'face_hnsw%'").fetchone() == (0,)
    with psycopg.connect(own_server["faceplatform_app"], autocommit=True) as runtime:
        assert runtime.execute("SELECT count(*) FROM accounts_user").fetchone() == (0,)
        for statement in (
            "ALTER TABLE accounts_auditevent DISABLE TRIGGER USER",
            "DELETE FROM accounts_auditevent",
            "SET ROLE faceplatform_owner",
            "CREATE TEMPORARY TABLE recognition_erasure ()",
            "CREATE TABLE mine ()",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                runtime.execute(statement)


def test_the_owner_of_no_database_is_refused():
    code = "from faceplatform import settings"
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment[env.OWNER_URL] = "postgresql:///x"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "set DATABASE_URL, too" in done.stderr


def test_an_earlier_versions_server_gets_its_second_role_while_it_runs(tmp_path):
    postgres.ensure_running(tmp_path, say=lambda text: None)
    try:
        with postgres._connect(tmp_path) as superuser:
            superuser.execute(f"DROP ROLE {postgres.RUNTIME}")
        postgres.ensure_running(tmp_path, say=lambda text: None)
        parts = postgres.connection_settings(tmp_path)
        with psycopg.connect(host=parts["HOST"], port=parts["PORT"], user=parts["USER"], dbname=parts["NAME"]) as made:
            [(role,)] = made.execute("SELECT current_user").fetchall()
        assert role == postgres.RUNTIME
    finally:
        postgres.release(tmp_path)


def test_web_and_workers_do_not_know_the_owners_address():
    assert all(env.OWNER_URL in part.without for part in worker_parts([1, 2]))
    said: list[str] = []
    os.environ[env.OWNER_URL] = "secret"
    try:
        command = [sys.executable, "-c", f"import os; print(os.environ.get({env.OWNER_URL!r}))"]
        parts = [Part("jobs", command), Part("web", command, without=[env.OWNER_URL])]
        supervisor = Supervisor(parts, say=said.append)
        supervisor.every = lambda: len([line for line in said if "|" in line]) >= 2 and supervisor.stop()
        supervisor.run()
    finally:
        del os.environ[env.OWNER_URL]
    assert {"jobs | secret", "web | None"} <= set(said)
