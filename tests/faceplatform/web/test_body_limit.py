import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from faceplatform.errors import DomainError
from faceplatform.web import body_kinds
from faceplatform.web.body_limit import Patience, Room, Rooms, limit_body

LIMITED = {"path": "/api/v1/searches", "limit": body_kinds.VECTORS}
KIB = 1024
PATIENT = Patience()


class Sender:
    """A client: what it sends, and what comes back."""

    def __init__(self, *sizes: int, stalls: bool = False, **headers: object) -> None:
        self.left, self.stalls, self.read = list(sizes), stalls, 0
        self.headers = [(name.replace("_", "-").encode(), str(value).encode()) for name, value in headers.items()]
        self.answers: list[dict] = []

    async def receive(self):
        if not self.left and self.stalls:
            await asyncio.Future()
        size = self.left.pop(0)
        self.read += size
        return {"type": "http.request", "body": b"x" * size, "more_body": bool(self.left) or self.stalls}

    async def send(self, message):
        self.answers.append(message)

    @property
    def status(self) -> int | None:
        return next((one["status"] for one in self.answers if one["type"] == "http.response.start"), None)

    @property
    def problem(self) -> dict:
        return json.loads(b"".join(one.get("body", b"") for one in self.answers))

    @property
    def header(self) -> dict[str, str]:
        start = next(one for one in self.answers if one["type"] == "http.response.start")
        return {name.decode(): value.decode() for name, value in start["headers"]}


async def echo(scope, receive, send):
    """An application that says how many bytes it got, and nothing if the client disconnects before the end."""
    total = 0
    while (message := await receive())["type"] != "http.disconnect":
        total += len(message["body"])
        if not message["more_body"]:
            return await send({"type": "done", "total": total})


def rooms(bodies: int = 10, size: int = 2**30) -> Rooms:
    return Rooms(Room(bodies, size), Room(bodies, size))


def limited(known="somebody", patience: Patience = PATIENT, inside=None, application=echo):
    async def is_known(headers):
        return known(headers) if callable(known) else known

    return limit_body(application, is_known, inside or rooms(), patience)


def call(sender: Sender, path: str = LIMITED["path"], method: str = "POST", **options) -> Sender:
    scope = {"type": "http", "method": method, "path": path, "headers": sender.headers}
    asyncio.run(limited(**options)(scope, sender.receive, sender.send))
    return sender


def test_a_body_within_the_limit_passes():
    whole = call(Sender(60 * KIB, 40 * KIB, content_length=100 * KIB))
    assert whole.answers == [{"type": "done", "total": 100 * KIB}]
    chunked = call(Sender(60 * KIB, 40 * KIB, transfer_encoding="chunked"))
    assert chunked.answers == whole.answers


def test_the_limit_is_that_of_the_address(settings):
    for path, method, limit in (
        ("/api/v1/identities", "POST", body_kinds.SMALL),
        ("/api/v1/nowhere/imports", "POST", body_kinds.SMALL),
        ("/api/v1/imports", "PUT", body_kinds.SMALL),
        ("/api/v1/imports", "POST", body_kinds.IMPORT),
        ("/galleries/staff/imports", "POST", body_kinds.IMPORT),
        ("/api/v1/recognitions", "POST", body_kinds.PHOTO),
        ("/api/v1/recognition/recognize", "POST", body_kinds.PHOTO),
        ("/api/v1/recognition/faces/", "POST", body_kinds.PHOTO),
        ("/galleries/staff/add-faces", "POST", body_kinds.ENROLMENT),
        ("/sign-in", "POST", body_kinds.SMALL),
        ("/admin/login/", "POST", body_kinds.SMALL),
    ):
        scope = {"path": path, "method": method}
        assert body_kinds.address_of(scope).limit == limit, path


def test_every_name_in_the_table_is_an_address():
    from django.urls import get_resolver

    def names(patterns, prefix=""):
        for pattern in patterns:
            if hasattr(pattern, "url_patterns"):
                inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
                yield from names(pattern.url_patterns, inner)
            else:
                yield f"{prefix}{pattern.name}"

    known = set(names(get_resolver().url_patterns))
    assert set(body_kinds.LIMITS) <= known


def test_an_announced_large_body_is_refused_unread():
    refused = call(Sender(content_length=LIMITED["limit"] + 1, expect="100-continue"))
    assert (refused.status, refused.problem["code"], refused.read) == (413, "too_large", 0)
    assert "Send fewer or smaller photos" in refused.problem["detail"]
    assert refused.header["x-request-id"] == refused.problem["request_id"]
    assert refused.header["connection"] == "close"


def test_a_body_that_grows_over_the_limit_is_refused():
    pieces = [KIB * KIB] * 6
    refused = call(Sender(*pieces, transfer_encoding="chunked"))
    assert refused.status == 413
    assert "done" not in [one["type"] for one in refused.answers]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/recognitions", 401),
        ("/api/v1/imports", 401),
        ("/api/v1/me", 401),
        ("/api/v1/nowhere", 403),
        ("/galleries/staff/imports", 403),
        ("/sign-in", 403),
    ],
)
def test_strangers_send_small_bodies_only(path, status):
    for size in ({"content_length": 64 * KIB}, {"transfer_encoding": "chunked"}):
        assert call(Sender(60 * KIB, 4 * KIB, **size), path, known=False).answers == [
            {"type": "done", "total": 64 * KIB}
        ]
    too_much = [30 * KIB, 34 * KIB, 1, 500 * KIB]
    for pieces, size, read in (
        ([], {"content_length": 64 * KIB + 1}, 0),
        (too_much, {"transfer_encoding": "chunked"}, 64 * KIB + 1),
    ):
        refused = call(Sender(*pieces, expect="100-continue", **size), path, known=False)
        assert (refused.status, refused.read) == (status, read)
        body = b"".join(one.get("body", b"") for one in refused.answers)
        assert b"Sign in, or send a valid API key" in body
    assert refused.header.get("www-authenticate") == ("Bearer" if status == 401 else None)


@pytest.mark.parametrize(
    ("headers", "status", "name"), [({}, 302, "location"), ({"hx_request": "true"}, 401, "hx-redirect")]
)
def test_whose_session_is_lost_is_led_back_to_the_page_by_signing_in(headers, status, name):
    page = "http://testserver/galleries/staff/add-faces"
    large = Sender(content_length=100 * KIB, expect="100-continue", host="testserver", referer=page, **headers)
    refused = call(large, "/galleries/staff/add-faces", known=False)
    assert (refused.status, refused.read) == (status, 0)
    assert refused.header[name] == "/sign-in?next=/galleries/staff/add-faces"


def test_a_page_of_another_server_is_not_led_back_to():
    elsewhere = Sender(
        content_length=100 * KIB, expect="100-continue", host="testserver", referer="http://evil.example/"
    )
    assert call(elsewhere, "/galleries/staff/add-faces", known=False).status == 403


def test_compreface_is_refused_in_its_own_shape():
    refused = call(
        Sender(content_length=100 * KIB, expect="100-continue"), "/api/v1/recognition/recognize", known=False
    )
    assert (refused.status, refused.problem["code"], set(refused.problem)) == (404, 10, {"message", "code"})


def test_two_lengths_are_refused():
    refused = call(Sender(4, content_length=4, transfer_encoding="chunked"))
    assert (refused.status, refused.problem["code"]) == (400, "invalid_input")


@pytest.mark.parametrize("size", [10, 100 * KIB])
def test_a_stalled_body_is_refused(size):
    stalled = call(Sender(5, stalls=True, content_length=size), patience=Patience(silence=0.05))
    assert (stalled.status, stalled.problem["code"]) == (408, "too_slow")


def test_a_trickling_body_is_refused():
    """Each piece comes in time, but together they are too slow: here every rate is."""
    trickling = call(Sender(*[1] * 50, content_length=100 * KIB), patience=Patience(silence=1e-9, rate=float("inf")))
    assert trickling.status == 408


def caller(headers) -> str:
    return headers.get(b"cookie", b"somebody").decode()


def test_one_user_takes_at_most_a_quarter_of_the_room_or_one_body():
    async def tried(room, *wanted: tuple[str, int]) -> list[str]:
        """What becomes of them, one after the other; those that are let in stay."""
        async with AsyncExitStack() as stack:
            became = []
            for user, size in wanted:
                try:
                    await stack.enter_async_context(room.taken(user, size, 0.01))
                    became.append("in")
                except DomainError as error:
                    became.append(f"{error.status} {error.code} {error.retry_after}")
        assert (room.bodies, room.size, room._held) == whole, "they have left nothing behind"
        return became

    yours, all_full = "429 too_many_uploads 5", "503 too_many_uploads 5"
    whole = (8, 800, {})
    by_number = tried(Room(8, 800), *[("ann", 1)] * 3, *[("bob", 1)] * 3, ("eve", 1))
    assert asyncio.run(by_number) == ["in", "in", yours, "in", "in", yours, "in"]
    by_size = tried(Room(8, 800), ("ann", 150), ("ann", 51), ("ann", 50), ("bob", 600), ("bob", 1), ("eve", 1))
    assert asyncio.run(by_size) == ["in", yours, "in", "in", yours, all_full]


def test_who_waits_for_a_share_gets_it_when_an_own_body_has_arrived():
    async def scenario():
        room = Room(4, 400)
        async with room.taken("ann", 10, 1) as leave:
            second = asyncio.create_task(room.taken("ann", 10, 20).__aenter__())
            await asyncio.sleep(0)
            async with room.taken("bob", 10, 1):
                assert not second.done()
            await leave()
            await second

    asyncio.run(scenario())


def test_full_rooms_leave_small_bodies_and_each_other_alone():
    inside = rooms(bodies=2)
    impatient = Patience(room=0.01)

    async def scenario():
        application = limited(known=caller, inside=inside, patience=impatient)

        async def post(sender, path="/api/v1/recognitions"):
            scope = {"type": "http", "method": "POST", "path": path, "headers": sender.headers}
            await application(scope, sender.receive, sender.send)
            return sender

        stalled = [Sender(5, stalls=True, content_length=100 * KIB, cookie=name) for name in ("ann", "bob")]
        tasks = [asyncio.create_task(post(sender)) for sender in stalled]
        while inside.photos.bodies:
            await asyncio.sleep(0)
        refused = await post(Sender(100 * KIB, content_length=100 * KIB, expect="100-continue"))
        small = await post(Sender(10, content_length=10))
        an_import = await post(Sender(100 * KIB, content_length=100 * KIB), "/api/v1/imports")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        afterwards = await post(Sender(100 * KIB, content_length=100 * KIB))
        return refused, small, an_import, afterwards

    refused, small, an_import, afterwards = asyncio.run(scenario())
    assert (refused.status, refused.problem["code"], refused.header["retry-after"]) == (503, "too_many_uploads", "5")
    assert small.answers == [{"type": "done", "total": 10}]
    assert an_import.answers == afterwards.answers == [{"type": "done", "total": 100 * KIB}]
    assert (inside.photos.bodies, inside.photos.size) == (2, 2**30)


def test_the_bytes_being_received_are_bounded_and_a_place_is_free_once_a_body_has_come():
    inside = rooms(size=150 * KIB)

    async def takes_another(scope, receive, send):
        """While this request is answered its body is no longer being received."""
        await echo(scope, receive, send)
        assert inside.photos.size == 150 * KIB

    done = call(Sender(100 * KIB, content_length=100 * KIB), inside=inside, application=takes_another)
    assert done.answers == [{"type": "done", "total": 100 * KIB}]
