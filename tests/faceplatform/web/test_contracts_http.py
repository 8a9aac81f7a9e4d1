"""What handler.py, later.py and streaming.py take of Django's ASGI handler, of asgiref and of DRF without a word in their
documentation. A test that fails after an upgrade says what breaks with it.
"""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from asgiref.sync import ThreadSensitiveContext, iscoroutinefunction, sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.urls import path, reverse
from rest_framework.request import Request as RestRequest

from faceplatform.database.listen import Arrival
from faceplatform.web.handler import Handler, Request
from faceplatform.web.later import Later

pytestmark = pytest.mark.urls(__name__)


@login_not_required
def reads(request):
    connection.ensure_connection()
    return HttpResponse(f"{request.body.decode()} {reverse('reads')}")


@login_not_required
def breaks(request):
    connection.ensure_connection()
    raise LookupError


@login_not_required
def waits(request):
    arrival = Arrival(SimpleNamespace(forget=lambda arrival: None), "photos", ["one"])
    arrival.note("one")
    response = HttpResponse("dropped")
    response.later = Later(lambda: arrival, 5, lambda: HttpResponse(request.GET["say"]))
    return response


urlpatterns = [path("reads", reads, name="reads"), path("breaks", breaks), path("waits", waits)]


@pytest.fixture
def handler():
    made = Handler(1)
    yield made
    made.threads.shutdown()


def scope(address: str = "/reads", **more) -> dict:
    headers = [(name.encode(), value.encode()) for name, value in more.pop("headers", {}).items()]
    return {"type": "http", "method": "GET", "path": address, "headers": [(b"host", b"localhost"), *headers], **more}


def told(*messages: dict):
    """A `receive` that gives these, and then nothing for ever."""
    left = list(messages)

    async def receive():
        return left.pop(0) if left else await asyncio.Future()

    return receive


def answer(handler, scope: dict) -> tuple[int, bytes]:
    async def call():
        await handler(scope, told({"type": "http.request", "body": b"posted"}), send)

    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(call())
    return sent[0]["status"], b"".join(message["body"] for message in sent[1:])


def test_read_body_gives_the_body_as_an_open_file_at_its_start():
    """Handler.__call__ hands it to create_request and closes it by `with`; else no view sees what is posted."""
    receive = told({"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.request", "body": b"c"})
    with asyncio.run(ASGIHandler.read_body(None, receive)) as body:
        assert body.read() == b"abc"
    assert body.closed


def test_read_body_says_that_the_client_is_gone():
    """Handler.__call__ ends there, without an answer; else each hang-up during an upload is an error in the log."""
    with pytest.raises(RequestAborted):
        asyncio.run(ASGIHandler.read_body(None, told({"type": "http.disconnect"})))


def test_create_request_gives_our_request_or_a_refusal(handler):
    """Handler.__call__ takes one or the other; else nothing is served, and what cannot be read is no 400."""
    request, refusal = handler.create_request(scope(), None)
    assert (type(request), refusal) == (Request, None)
    request, refusal = handler.create_request(scope(query_string=b"\xff"), None)
    assert (request, refusal.status_code) == (None, 400)


def test_a_request_reads_its_content_type_where_ours_does():
    """Request overrides `_set_content_type_params`; where nobody calls it, a charset such as hex breaks calls again.

    Where Django itself refuses such a charset, our Request can go.
    """

    def made(kind, charset):
        return kind(scope(headers={"content-type": f"text/plain; charset={charset}"}), None)

    assert made(ASGIRequest, "hex").encoding == "hex"
    assert (made(Request, "hex").encoding, made(Request, "iso-8859-1").encoding) == (None, "iso-8859-1")
    assert (made(Request, "hex").content_type, made(Request, "hex").content_params) == (
        "text/plain",
        {"charset": "hex"},
    )


def test_the_middleware_is_loaded_for_threads(handler):
    """ASGIHandler.__init__ loads through `load_middleware`, which Handler overrides; else `_pass` gets a coroutine."""
    assert iscoroutinefunction(ASGIHandler()._middleware_chain)
    assert not iscoroutinefunction(handler._middleware_chain)


@pytest.mark.django_db(transaction=True)
def test_get_response_makes_an_answer_of_every_error(handler):
    """Handler._pass closes the response to give the connection back; an error that escapes would keep it, 20 all of them."""
    request, _ = handler.create_request(scope("/breaks"), None)
    assert handler.threads.submit(handler._pass, request).result().status_code == 500
    assert handler.threads.submit(lambda: connection.connection).result() is None


@pytest.mark.django_db(transaction=True)
def test_the_connection_is_given_back_with_the_response(handler):
    """Closing a response sends request_finished, at which Django lets go of connections (CONN_MAX_AGE 0); else Handler._pass
    keeps one in each of its threads while nothing is asked."""
    assert answer(handler, scope()) == (200, b"posted /reads")
    assert handler.threads.submit(lambda: connection.connection).result() is None


@pytest.mark.django_db(transaction=True)
def test_where_the_platform_is_mounted_is_in_the_request(handler):
    """Handler._pass sets reverse()'s prefix from META["SCRIPT_NAME"]; else links lack --root-path."""
    assert answer(handler, scope("/faces/reads", root_path="/faces")) == (200, b"posted /faces/reads")


@pytest.mark.django_db(transaction=True)
def test_a_request_may_pass_a_second_time(handler):
    """The first response is closed, and its request with it; later.py still answers from it. Else no call waits for a photo."""
    assert answer(handler, scope("/waits", query_string=b"say=done")) == (200, b"done")


def test_send_response_says_when_the_answer_is_whole():
    """Handler sends all answers by it: one start with status and headers, then bodies, the last without more_body."""
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(ASGIHandler().send_response(HttpResponse("abc", status=201, headers={"X-One": "1"}), send))
    start, *bodies = sent
    assert (start["type"], start["status"]) == ("http.response.start", 201)
    assert (b"X-One", b"1") in start["headers"]
    assert [(one["body"], one.get("more_body", False)) for one in bodies] == [(b"abc", False)]


def test_closing_a_response_closes_what_it_streams():
    """streaming._OneByOne has a `close` for that; else a download that is broken off ends in a thread that is not its own, or
    never, with its query and its file open."""
    ended = []

    class Blocks:
        close = staticmethod(lambda: ended.append(True))

        async def __aiter__(self):
            yield b"one"

    StreamingHttpResponse(Blocks()).close()
    assert ended == [True]


def test_a_plain_iterator_is_gathered_before_it_is_sent():
    """Why streaming.download wraps its blocks. Where this fails Django streams them itself, and the wrapping can go."""
    made = []

    async def first():
        response = StreamingHttpResponse(made.append(number) or b"x" for number in range(3))
        with pytest.warns(Warning, match="consume synchronous iterators"):
            return await anext(aiter(response))

    asyncio.run(first())
    assert made == [0, 1, 2]


def test_a_thread_sensitive_context_has_a_thread_of_its_own():
    """Handler._stream and streaming.download work in one; else a download's blocks find other database connections, or wait
    for each other's."""

    async def threads():
        async with ThreadSensitiveContext():
            return {await sync_to_async(threading.get_ident)() for _ in range(3)}

    async def two():
        return await asyncio.gather(threads(), threads())

    one, other = asyncio.run(two())
    assert len(one) == len(other) == 1
    assert len(one | other | {threading.get_ident()}) == 3


def test_a_rest_request_holds_djangos():
    """streaming.download asks it whether it runs under ASGI; else downloads over the API are gathered whole in memory."""
    request = RequestFactory().get("/")
    assert RestRequest(request)._request is request
