"""Clients that wait for an answer from a real web server take up neither threads nor database connections."""

import asyncio
import base64
import io
import json
import threading
import time
import urllib.request
from contextlib import closing

import pytest
from django.db import connection
from factories import GalleryFactory, member
from PIL import Image
from web_process import Call, WebProcess

from accounts.keys.services import create_api_key
from accounts.roles import Role
from gallery.models import Gallery
from recognition.photos import queue
from recognition.photos.models import RecognitionRequest

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = 500


@pytest.fixture
def key():
    actor = member(GalleryFactory(slug="staff"), Role.VIEWER)
    return create_api_key(actor=actor, user=actor.user, scopes=["recognize"])[1]


@pytest.fixture(scope="session")
def broken_photo() -> str:
    """A photo that is processed in no time, because it is cut off after its header."""
    out = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(out, "PNG")
    return base64.b64encode(out.getvalue()[:200]).decode()


def counts() -> tuple[int, int]:
    """The number of queued photos, and of connections to the database, including those of this process."""
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM recognition_recognitionrequest WHERE status = 'queued'), "
            "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database())"
        )
        return cursor.fetchone()


async def until_waiting(count: int) -> int:
    """Waits until `count` photos are queued, and returns the number of connections then."""
    deadline = time.monotonic() + 60
    while (now := await asyncio.to_thread(counts))[0] != count:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    return now[1]


async def post(web, key, broken_photo, *, wait=30, collection="detections", **headers):
    body = {"gallery": "staff", "photo": broken_photo}
    headers |= {"Authorization": f"Bearer {key}", "Prefer": f"wait={wait}"}
    return await Call.start(web.port, "POST", f"/api/v1/{collection}", body, **headers)


def test_five_hundred_wait_in_one_web_process(web, key, broken_photo, worker):
    queue.register_worker(host="test", process_id=1)
    stop, running = threading.Event(), None

    async def all_clients():
        nonlocal running
        calls = [await post(web, key, broken_photo) for _ in range(CLIENTS)]
        await until_waiting(CLIENTS)
        await asyncio.sleep(0.5)
        connections = await until_waiting(CLIENTS)
        print(f"waiting: {web.threads} threads, {web.megabytes} MB, {connections} connections")
        assert web.threads < 40
        assert connections < 40
        before = web.cpu_seconds
        await asyncio.sleep(3)
        print(f"waiting costs {(web.cpu_seconds - before) / 3:.3f} of a core")
        for call in calls[::5]:
            call.hang_up()
        running = threading.Thread(target=worker.run, args=(stop,))
        running.start()
        return await asyncio.gather(*(call.answer() for number, call in enumerate(calls) if number % 5))

    try:
        answers = asyncio.run(all_clients())
    finally:
        stop.set()
        if running:
            running.join()
    print(f"afterwards: {web.threads} threads, {web.megabytes} MB")
    assert {(status, json.loads(body)["code"]) for status, _, body in answers} == {(422, "invalid_image")}
    assert all(json.loads(body)["request_id"] == headers["x-request-id"] for _, headers, body in answers)
    assert len({headers["x-request-id"] for _, headers, _ in answers}) == len(answers) == CLIENTS * 4 // 5


def test_a_client_that_does_not_wait_is_answered_at_once_and_a_full_queue_refuses(
    tmp_path, key, broken_photo, living_worker
):
    web = WebProcess(tmp_path, FACEPLATFORM_QUEUE_LIMIT="2")

    async def ask(wait):
        return await (await post(web, key, broken_photo, wait=wait)).answer()

    async def three():
        first = await ask(0)
        waits = await post(web, key, broken_photo)
        await until_waiting(2)
        third = await ask(0)
        waits.hang_up()
        return first, third

    try:
        (first, _, body), (third, headers, problem) = asyncio.run(three())
    finally:
        web.stop()
    assert (first, json.loads(body)["status"]) == (202, "queued")
    assert (third, json.loads(problem)["code"], headers["retry-after"]) == (503, "queue_full", "5")


def test_a_disconnected_clients_photo_is_discarded_unless_it_can_ask_again(web, key, broken_photo, living_worker):
    async def hang_up():
        discarded = [await post(web, key, broken_photo), await post(web, key, broken_photo, collection="recognitions")]
        await until_waiting(2)
        kept = await post(web, key, broken_photo, **{"Idempotency-Key": "abc"})
        await until_waiting(3)
        for call in (*discarded, kept):
            call.hang_up()
        await until_waiting(1)

    asyncio.run(hang_up())
    rows = RecognitionRequest.objects.order_by("id")
    assert [(row.status, row.error_code) for row in rows] == [
        *[("failed", "client_gone")] * 2,
        ("queued", ""),
    ]
    assert [row.photo is None for row in rows] == [True, True, False]


def test_the_same_call_twice_at_once_waits_for_one_photo(web, key, broken_photo, worker):
    queue.register_worker(host="test", process_id=1)

    async def twice():
        calls = [await post(web, key, broken_photo, **{"Idempotency-Key": "abc"}) for _ in range(2)]
        await until_waiting(1)
        await asyncio.sleep(0.3)
        assert await asyncio.to_thread(run_worker, worker) == 1
        return await asyncio.gather(*(call.answer() for call in calls))

    first, second = asyncio.run(twice())
    assert first[0] == second[0] == 422
    assert RecognitionRequest.objects.count() == 1


def test_a_client_that_waited_gets_the_same_headers(web, key, broken_photo, worker):
    """The caller's own request id, and the headers that a read of the same answer has."""
    queue.register_worker(host="test", process_id=1)

    async def waited():
        call = await post(web, key, broken_photo, **{"X-Request-ID": "mine"})
        await until_waiting(1)
        await asyncio.to_thread(run_worker, worker)
        status, headers, body = await call.answer()
        pk = await asyncio.to_thread(newest)
        read = await Call.start(web.port, "GET", f"/api/v1/detections/{pk}", Authorization=f"Bearer {key}")
        return status, headers, body, (await read.answer())[1]

    status, headers, body, usual = asyncio.run(waited())
    assert (status, headers["x-request-id"], json.loads(body)["request_id"]) == (422, "mine", "mine")
    assert headers["content-length"] == str(len(body))
    for name in ("content-type", "content-security-policy", "x-content-type-options", "referrer-policy"):
        assert headers[name] == usual[name]


def run_worker(worker) -> int:
    with closing(connection):
        return worker.run_once()


def newest():
    with closing(connection):
        return RecognitionRequest.objects.latest("id").pk


def test_a_page_waits_too_and_keeps_its_session(web, key, hopper, worker, client):
    """Through the form of the page, whose response is made in the second pass."""
    user = member(Gallery.objects.get(slug="staff"), Role.VIEWER).user
    client.force_login(user)
    queue.register_worker(host="test", process_id=1)
    boundary = b"--x\r\nContent-Disposition: form-data; name="
    client.get("/galleries/staff/recognise")
    token = client.cookies["csrftoken"].value
    body = boundary + b'"photo"; filename="a.jpg"\r\n\r\n' + hopper + b"\r\n--x--\r\n"
    cookies = f"sessionid={client.cookies['sessionid'].value}; csrftoken={token}"
    headers = {"Cookie": cookies, "X-CSRFToken": token, "HX-Request": "true"}
    headers |= {"Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(f"{web.address}/galleries/staff/recognise", body, headers)
    stop = threading.Event()
    running = threading.Thread(target=worker.run, args=(stop,))
    running.start()
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read().decode()
    finally:
        stop.set()
        running.join()
    assert answer.status == 200
    assert "Unknown" in text
