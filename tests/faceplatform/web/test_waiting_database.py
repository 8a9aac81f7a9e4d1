"""The database is locked, busy, silent or without room: health and signing in go on, and callers are told what it is."""

import asyncio
import errno
import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from urllib.parse import urlencode

import psycopg
import pytest
from django.db import connection
from factories import PASSWORD, GalleryFactory, IdentityFactory, UserFactory, member
from table_owner import as_owner
from web_process import Call, WebProcess

from accounts.keys.services import create_api_key
from accounts.roles import Role
from faceplatform.database import trouble
from faceplatform.database.listen import connection_parameters
from faceplatform.web.handler import Handler
from recognition.photos import queue, readiness

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key():
    curator = member(GalleryFactory(slug="staff"), Role.CURATOR)
    IdentityFactory(gallery=curator.user.memberships.get().gallery)
    return create_api_key(actor=curator, user=curator.user, scopes=["read", "enrol"])[1]


@pytest.fixture
def web_of(tmp_path):
    """A web process with other settings than usual."""
    running = []

    def start(**environment: str) -> WebProcess:
        running.append(WebProcess(tmp_path, PGAPPNAME="web", **environment))
        return running[-1]

    yield start
    for web in running:
        web.stop()


@pytest.fixture
def web(web_of):
    """Of each test's own: what happens to its connections is not for the next one."""
    return web_of()


@contextmanager
def locked(table: str):
    with psycopg.connect(**connection_parameters()) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


async def ask(web, method: str, path: str, body=None, **headers: str) -> tuple[int, dict, bytes]:
    call = await Call.start(web.port, method, path, body, **headers)
    return await call.answer()


def ask_alone(web, path: str, **headers: str) -> tuple[int, dict, bytes]:
    return asyncio.run(ask(web, "GET", path, **headers))


def waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'web' AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0]


async def until_all_places_wait() -> None:
    while await asyncio.to_thread(waiting_for_locks) < 20:
        await asyncio.sleep(0.05)


def test_a_locked_table_stops_neither_health_nor_signing_in(web_of, key, living_worker):
    """As many callers as there are places wait for it, and more behind them; without a limit they would wait for ever."""
    web = web_of(FACEPLATFORM_LOCK_SECONDS="0")
    UserFactory(username="ada")

    async def attack():
        with locked("gallery_identity"):
            calls = [
                await Call.start(web.port, "GET", "/api/v1/identities?gallery=staff", Authorization=f"Bearer {key}")
                for _ in range(30)
            ]
            await until_all_places_wait()
            beside = [(await ask(web, "GET", path))[0] for path in ("/health/live", "/health/ready", "/sign-in")]
            beside.append(await sign_in(web, "ada"))
            still = await asyncio.to_thread(waiting_for_locks)
        return beside, still, [(await call.answer())[0] for call in calls]

    beside, still, answers = asyncio.run(attack())
    assert (beside, still) == ([200, 200, 200, 302], 20)
    assert answers == [200] * 30


async def sign_in(web, name: str) -> int:
    _, _, page = await ask(web, "GET", "/sign-in")
    token = page.split(b'name="csrfmiddlewaretoken" value="')[1].split(b'"')[0].decode()
    form = urlencode({"username": name, "password": PASSWORD, "csrfmiddlewaretoken": token}).encode()
    headers = {"Cookie": f"csrftoken={token}", "Content-Type": "application/x-www-form-urlencoded"}
    return (await ask(web, "POST", "/sign-in", form, **headers))[0]


def test_who_waits_too_long_for_a_lock_is_told_that_the_database_is_busy(web_of, key):
    web = web_of(FACEPLATFORM_LOCK_SECONDS="1")
    with locked("gallery_identity"):
        status, headers, body = ask_alone(web, "/api/v1/identities?gallery=staff", Authorization=f"Bearer {key}")
    assert (status, headers["retry-after"], json.loads(body)["code"]) == (503, "2", "database_busy")
    assert ask_alone(web, "/api/v1/identities?gallery=staff", Authorization=f"Bearer {key}")[0] == 200


def test_so_is_who_asks_what_takes_too_long(web_of, key):
    web = web_of(FACEPLATFORM_STATEMENT_SECONDS="1", FACEPLATFORM_LOCK_SECONDS="0")
    with locked("gallery_identity"):
        status, _, body = ask_alone(web, "/api/v1/identities?gallery=staff", Authorization=f"Bearer {key}")
    assert (status, json.loads(body)["code"]) == (503, "database_busy")


def test_a_page_says_so_too(web_of, key, client):
    web = web_of(FACEPLATFORM_LOCK_SECONDS="1")
    client.force_login(UserFactory(is_superuser=True))
    with locked("gallery_gallery"):
        status, headers, body = ask_alone(web, "/", Cookie=f"sessionid={client.cookies['sessionid'].value}")
    assert (status, headers["retry-after"]) == (503, "2")
    assert b"The database is busy" in body


def test_ready_says_that_its_own_table_is_locked(web, living_worker):
    with locked("recognition_worker"):
        status, _, body = ask_alone(web, "/health/ready")
        assert (status, "busy" in json.loads(body)["detail"]) == (503, True)
        assert ask_alone(web, "/health/live")[0] == 200
    assert ask_alone(web, "/health/ready")[0] == 200


def test_only_web_processes_have_limits(web_of, key):
    """Building an index may take hours: here, what is no web process, has none."""
    web = web_of(FACEPLATFORM_STATEMENT_SECONDS="17")
    ask_alone(web, "/api/v1/me", Authorization=f"Bearer {key}")
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
    code = (
        "import django; django.setup(); from django.db import connection; from faceplatform import asgi;"
        "cursor = connection.cursor();"
        "print([cursor.execute('SHOW ' + name).fetchone()[0] for name in"
        " ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')])"
    )
    asked = subprocess.run(
        [sys.executable, "-c", code], env=web.environment, capture_output=True, text=True, check=True
    )
    assert asked.stdout == "['17s', '5s', '1min']\n"


@pytest.fixture
def black_hole():
    """Listens, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held = []

        def accept():
            while True:
                try:
                    held.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"postgresql://nobody@127.0.0.1:{listener.getsockname()[1]}/nothing"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connected in held:
            connected.close()


def test_a_database_that_never_answers_is_unavailable(web_of, black_hole):
    web = web_of(DATABASE_URL=black_hole)

    async def attack():
        pages = [await Call.start(web.port, "GET", "/", Cookie="sessionid=" + "x" * 32) for _ in range(30)]
        asked = [ask(web, "GET", path) for path in ("/health/ready", "/health/live", "/health/ready") * 10]
        health = await asyncio.gather(*asked)
        return health, [(await page.answer())[0] for page in pages]

    health, pages = asyncio.run(attack())
    assert [status for status, _, _ in health] == [503, 200, 503] * 10
    assert "cannot be reached" in json.loads(health[0][2])["detail"]
    assert pages == [503] * 30


def test_why_ready_is_not_is_logged_when_it_changes(client, living_worker, caplog, monkeypatch):
    def silent():
        raise TimeoutError

    monkeypatch.setattr(readiness, "_logged", "")
    with monkeypatch.context() as patched:
        patched.setattr(readiness.probe, "answer", silent)
        for _ in range(3):
            assert client.get("/health/ready").json()["detail"].startswith("The database cannot be reached")
    queue.unregister_worker(worker_id=living_worker.pk)
    for _ in range(2):
        assert client.get("/health/ready").status_code == 503
    queue.register_worker(host="test", process_id=1)
    for _ in range(2):
        assert client.get("/health/ready").status_code == 200
    silence, nobody, again = [one.getMessage() for one in caplog.records if one.name == readiness.logger.name]
    assert "no answer within 1 s" in silence
    assert "No recognition worker is alive" in nobody
    assert again == "ready again"


def test_health_asks_for_no_session(web, living_worker, client):
    client.force_login(UserFactory())
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    with locked("django_session"):
        answers = [ask_alone(web, path, Cookie=cookie)[0] for path in ("/health/live", "/health/ready")]
    assert answers == [200, 200]


@pytest.fixture
def full_disk():
    """Writing a person ends as PostgreSQL ends a write that finds no room."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;"
            "CREATE TRIGGER no_room BEFORE INSERT ON gallery_identity EXECUTE FUNCTION no_room()"
        )
    yield
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER no_room ON gallery_identity; DROP FUNCTION no_room()")


def test_a_full_disk_is_told_and_ready_says_so(web, key, living_worker, full_disk):
    assert ask_alone(web, "/health/ready")[0] == 200
    headers = {"Authorization": f"Bearer {key}"}
    new = {"gallery": "staff", "name": "Grace"}
    status, told, body = asyncio.run(ask(web, "POST", "/api/v1/identities", new, **headers))
    assert (status, told["retry-after"], json.loads(body)["code"]) == (503, "60", "disk_full")
    status, _, body = ask_alone(web, "/health/ready")
    assert (status, "disk is full" in json.loads(body)["detail"]) == (503, True)


def test_an_upload_that_finds_no_room_is_told(monkeypatch):
    async def no_room(self, receive):
        raise OSError(errno.ENOSPC, "No space left on device")

    async def upload():
        async def send(message):
            sent.append(message)

        await Handler(1)({"type": "http", "method": "POST", "path": "/api/v1/imports", "headers": []}, None, send)

    sent: list[dict] = []
    monkeypatch.setattr(Handler, "read_body", no_room)
    monkeypatch.setattr(trouble, "_disk_full_at", trouble._disk_full_at)
    asyncio.run(upload())
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"Retry-After"], headers[b"Connection"]) == (503, b"60", b"close")
    assert json.loads(sent[1]["body"])["code"] == "disk_full"


def test_missing_migrations_are_seen_and_seen_to_come(client, living_worker):
    assert client.get("/health/ready").json() == {"status": "ok", "workers": 1}
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'recognition' AND name LIKE '0003%' RETURNING name")
        [(name,)] = cursor.fetchall()
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["detail"]) == (503, "Run: manage.py migrate")
        cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('recognition', %s, now())", [name])
    assert client.get("/health/ready").status_code == 200


def test_ready_asks_one_statement_when_the_migrations_are_known(client, living_worker):
    client.get("/health/ready")
    asked = []

    class Counting:
        def __init__(self, real):
            self.real = real

        def execute(self, query, *values):
            asked.append(query)
            return self.real.execute(query, *values)

    with psycopg.connect(**connection_parameters()) as other:
        assert readiness._living_workers(Counting(other)) == 1
    assert len(asked) == 1


def test_ready_without_a_worker(client):
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("No recognition worker is alive")
    queue.register_worker(host="test", process_id=1)
    assert client.get("/health/ready").status_code == 200


def test_ready_sees_that_the_disk_is_nearly_full(client, living_worker, monkeypatch):
    monkeypatch.setattr(readiness, "LEAST_FREE", 2**62)
    answer = client.get("/health/ready")
    assert (answer.status_code, "disk is full" in answer.json()["detail"]) == (503, True)
