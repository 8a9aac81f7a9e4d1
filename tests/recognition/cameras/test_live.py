"""Live pictures: one read for all who watch a camera in a process, and an end where the rights end."""

import asyncio
import threading
from contextlib import aclosing, closing, suppress

import numpy as np
import pytest
from django.conf import settings
from django.db import connection
from factories import CameraFactory, GalleryFactory, member, show
from mjpeg_server import jpegs
from web_process import Call, WebProcess

from accounts.keys.services import create_api_key, revoke_api_key
from accounts.models import Membership
from accounts.roles import Role
from faceplatform.database.listen import Hub
from faceplatform.web import streaming
from recognition.cameras import live
from recognition.cameras.channels import WATCHED
from recognition.cameras.models import CameraState, LiveFrame

pytestmark = pytest.mark.django_db(transaction=True)
PICTURES = jpegs(np.full((48, 64, 3), shade, "uint8") for shade in (0, 60, 120, 180, 240))
MOST_CONNECTIONS = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]  # of a web server to the database
KEY = {"scopes": ["read"]}


@pytest.fixture
def camera():
    return CameraFactory(gallery=GalleryFactory(slug="staff"))


@pytest.fixture
def viewer(camera):
    return member(camera.gallery, Role.VIEWER)


@pytest.fixture
def reads(monkeypatch) -> list:
    """The numbers of the pictures that were read, one for each SELECT that found one."""
    found, read = [], live.newer_picture

    def counted(camera_id, seq=None):
        picture = read(camera_id, seq)
        found.extend([picture.seq] if picture else [])
        return picture

    monkeypatch.setattr(live, "newer_picture", counted)
    return found


def part(body: bytes) -> bytes:
    """The JPEG of a part."""
    head, _, rest = body.partition(b"\r\n\r\n")
    assert head.startswith(b"Content-Type: image/jpeg\r\nContent-Length: ") and rest.endswith(live.DELIMITER)
    return rest.removesuffix(b"\r\n" + live.DELIMITER)


async def shown(camera, seq: int) -> None:
    def write():
        with closing(connection):
            show(camera, PICTURES[seq], seq)

    await asyncio.to_thread(write)


async def next_part(stream) -> bytes:
    async with asyncio.timeout(20):
        return part(await anext(stream))


def test_two_viewers_share_one_read(camera, reads):
    async def both():
        async with (
            aclosing(live.watch(camera.pk, lambda: True)) as one,
            aclosing(live.watch(camera.pk, lambda: True)) as two,
        ):
            assert await anext(one) == await anext(two) == live.DELIMITER
            for seq in (1, 2):
                await shown(camera, seq)
                assert await next_part(one) == await next_part(two) == PICTURES[seq]
            await shown(camera, 3)
            assert await next_part(one) == PICTURES[3]
            await shown(camera, 4)
            assert await next_part(one) == PICTURES[4]
            assert await next_part(two) == PICTURES[4], "who is slow gets the newest, and none of those before"
        assert not live._followers and not streaming.at_stop

    asyncio.run(both())
    assert reads == [1, 2, 3, 4]


def test_a_picture_is_seen_although_its_notification_was_lost(camera, monkeypatch):
    monkeypatch.setattr(live, "FALLBACK_POLL", 0.05)

    async def watched():
        async with aclosing(live.watch(camera.pk, lambda: True)) as stream:
            await anext(stream)
            rows = LiveFrame(camera=camera, gallery=camera.gallery, seq=7, jpeg=PICTURES[0], width=1, height=1)
            rows.taken_at = camera.created_at

            def write():
                with closing(connection):
                    rows.save()

            await asyncio.to_thread(write)
            assert await next_part(stream) == PICTURES[0]

    asyncio.run(watched())


def test_it_ends_with_the_rights_and_in_any_case(camera, monkeypatch):
    async def rest(may_watch) -> list:
        async with asyncio.timeout(20):
            return [each async for each in live.watch(camera.pk, may_watch)]

    monkeypatch.setattr(live, "RIGHTS_SECONDS", 0.05)
    asked = []
    assert asyncio.run(rest(lambda: bool(asked.append(1)) or len(asked) < 3)) == [live.DELIMITER]
    assert len(asked) == 3
    monkeypatch.setattr(live, "LONGEST_SECONDS", 0.2)
    assert asyncio.run(rest(lambda: True)) == [live.DELIMITER]


def test_a_lost_database_ends_it(camera, monkeypatch):
    from django.db import OperationalError

    def lost(*_):
        raise OperationalError("gone")

    async def watched():
        async with asyncio.timeout(20):
            return [each async for each in live.watch(camera.pk, lambda: True)]

    monkeypatch.setattr(live, "newer_picture", lost)
    assert asyncio.run(watched()) == [live.DELIMITER]


def everything_has_come(hub: Hub) -> None:
    """What was told before; it comes in turn."""
    last = hub.arrival(WATCHED, ["the last"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, 'the last')", [WATCHED])
    assert last.wait(10)


def test_whoever_watches_is_noted_and_the_worker_woken_once(camera):
    hub = Hub((WATCHED,))
    try:
        arrival = hub.arrival(WATCHED, [str(camera.pk)])
        listening = threading.Event()
        while not listening.wait(0.05):  # until the hub listens
            live.note_watched(camera.pk)
            CameraState.objects.update(watched_until=None)
            if arrival.wait(0.05):
                listening.set()
        live.note_watched(camera.pk)
        first = CameraState.objects.get().watched_until
        assert first is not None
        everything_has_come(hub)
        again = hub.arrival(WATCHED, [str(camera.pk)])
        live.note_watched(camera.pk)  # a moment later: neither written nor told again
        everything_has_come(hub)
        assert CameraState.objects.get().watched_until == first and again.missing
    finally:
        hub.close()


# --- Over HTTP ---


def key_of(actor) -> tuple:
    return create_api_key(actor=actor, user=actor.user, scopes=["read"])


@pytest.fixture
def own_web(tmp_path):
    """A web server that the test may end."""
    running = WebProcess(tmp_path)
    yield running
    running.stop()


async def opened(web, camera, key: str) -> Call:
    return await Call.start(web.port, "GET", f"/api/v1/cameras/{camera.pk}/live.mjpeg", Authorization=f"Bearer {key}")


def test_over_http_pictures_come_as_they_are_written_until_the_server_stops(own_web, camera, viewer):
    _, key = key_of(viewer)
    show(camera, PICTURES[1], 1)

    async def watched() -> bytes:
        call = await opened(own_web, camera, key)
        async with asyncio.timeout(120):
            head = await call.reader.readuntil(b"\r\n\r\n")
            assert b"200 OK" in head and b"multipart/x-mixed-replace; boundary=frame" in head and b"no-store" in head
            await call.reader.readuntil(PICTURES[1])
            await shown(camera, 2)
            await call.reader.readuntil(PICTURES[2])
            others = [await opened(own_web, camera, key) for _ in range(MOST_CONNECTIONS)]
            for other in others:  # if each held a connection to the database, there would be none for the last one
                await other.reader.readuntil(PICTURES[2])
            own_web.process.terminate()  # it does not wait for those who watch
            rest = await call.reader.read()
        for each in (call, *others):
            each.hang_up()
            with suppress(ConnectionError):
                await each.writer.wait_closed()
        return rest

    assert asyncio.run(watched()).endswith(b"0\r\n\r\n")
    assert CameraState.objects.get().watched_until is not None


def test_a_picture_after_another_is_waited_for_without_a_connection(web, camera, viewer):
    _, key = key_of(viewer)
    show(camera, PICTURES[1], 1)
    path = f"/api/v1/cameras/{camera.pk}/frame.jpg"

    async def ask(query: str, wait: int):
        headers = {"Authorization": f"Bearer {key}", "Prefer": f"wait={wait}"}
        return await Call.start(web.port, "GET", path + query, **headers)

    async def all_of_it():
        async with asyncio.timeout(60):
            status, headers, body = await (await ask("", 0)).answer()
            assert (status, headers["x-picture"], body) == (200, "1", PICTURES[1])
            assert (await (await ask("?after=1", 0)).answer())[0] == 204
            waiting = await ask("?after=1", 30)
            while not await asyncio.to_thread(_listens):
                await asyncio.sleep(0.02)
            await shown(camera, 2)
            assert (await waiting.answer())[2] == PICTURES[2]
            assert (await (await ask("?after=x", 0)).answer())[0] == 400

    asyncio.run(all_of_it())


def _listens() -> bool:
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'web' AND query LIKE 'LISTEN%'")
        return cursor.fetchone()[0] > 0


@pytest.mark.parametrize("how", ["membership", "key", "user", "switched off"])
def test_what_ends_the_right_to_watch(camera, viewer, how, rf):
    from recognition.cameras.api import still_may_watch

    row, key = key_of(viewer)
    actor = type(viewer)(user=viewer.user, api_key=row)
    may_watch = still_may_watch(rf.get("/", HTTP_AUTHORIZATION=f"Bearer {key}"), actor, camera.pk)
    assert may_watch()
    if how == "membership":
        Membership.objects.all().delete()
    elif how == "key":
        revoke_api_key(actor=viewer, api_key=row)
    elif how == "user":
        type(viewer.user).objects.update(is_active=False)
    else:
        type(camera).objects.update(live=False)
    assert not may_watch()


def test_signing_out_ends_the_right_to_watch(camera, viewer, client, rf):
    from recognition.cameras.api import still_may_watch

    client.force_login(viewer.user)
    may_watch = still_may_watch(rf.get("/", HTTP_COOKIE=client.cookies.output(header="").strip()), viewer, camera.pk)
    assert may_watch()
    client.logout()
    assert not may_watch()
