"""What an act says is shown where it was done, also when htmx has sent it. Pages are compressed; their length tells little."""

import gzip

import pytest
from django.contrib import messages
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpResponse
from django.test import Client, RequestFactory
from factories import UserFactory

from faceplatform.web.toasts import ToastMiddleware


def answered(body: str, *, status: int = 200, **request) -> HttpResponse:
    """The answer of a view that has said something, as htmx gets it."""

    def view(request):
        messages.success(request, "Saved & done.")
        return HttpResponse(body, status=status)

    request.setdefault("method", "POST")
    made = RequestFactory().generic(path="/", headers={"HX-Request": "true"}, **request)
    with_messages = SessionMiddleware(MessageMiddleware(ToastMiddleware(view)))
    return with_messages(made)


def kept(response: HttpResponse) -> bool:
    """Whether the message waits for the next page."""
    return CookieStorage.cookie_name in response.cookies


def test_an_act_of_htmx_brings_its_message():
    response = answered("<p>part</p>")
    body = response.content.decode()
    assert body.startswith('<p>part</p><div hx-swap-oob="beforeend:#toasts">') and "Saved &amp; done." in body
    assert not kept(response)


@pytest.mark.parametrize(
    "values",
    [{"method": "GET"}, {"status": 400}, {"body": "<!doctype html><title>page</title>"}],
    ids=["read", "refused", "whole page"],
)
def test_other_answers_leave_it_to_the_next_page(values):
    response = answered(**{"body": "<p>part</p>"} | values)
    assert "Saved" not in response.content.decode() and kept(response)


@pytest.mark.django_db
def test_pages_are_compressed_and_nothing_else():
    client = Client(headers={"accept-encoding": "gzip"})
    client.force_login(UserFactory())
    pages = [client.get("/account") for _ in range(12)]
    assert {page["Content-Encoding"] for page in pages} == {"gzip"}
    assert b"My account" in gzip.decompress(pages[0].content)
    assert len({len(page.content) for page in pages}) > 3  # the same page has many lengths
    assert "Content-Encoding" not in client.get("/api/v1/me")
