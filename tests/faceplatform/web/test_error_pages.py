"""Errors keep the navigation for who is signed in, and addresses that somebody types or cuts short answer sensibly."""

import pytest
from django.contrib.staticfiles import finders
from factories import GalleryFactory, member

from accounts.roles import Role

pytestmark = pytest.mark.django_db
NAVIGATION = 'id="menu" aria-label="Main"'


@pytest.fixture
def curator(client):
    client.force_login(member(GalleryFactory(slug="staff"), Role.CURATOR).user)
    client.get("/galleries/staff/")  # the session stores the gallery
    return client


@pytest.mark.parametrize(
    ("method", "address", "status", "text"),
    [
        ("get", "/no/such/page", 404, "There is nothing here"),
        ("get", "/galleries/other/", 404, "There is nothing here"),
        ("get", "/galleries/staff/model", 403, "Not allowed"),
        ("get", "/galleries/new", 405, "only takes a form"),
        ("delete", "/galleries/staff/", 405, "cannot be called with DELETE"),
    ],
)
def test_an_error_keeps_the_navigation(curator, method, address, status, text):
    answer = getattr(curator, method)(address)
    page = answer.content.decode()
    assert answer.status_code == status
    assert text in page
    assert NAVIGATION in page and 'href="/galleries/staff/recognise"' in page
    curator.logout()
    assert NAVIGATION not in getattr(curator, method)(address).content.decode()


def test_a_fault_of_the_server_asks_the_database_nothing(curator, monkeypatch, settings):
    def fail(*arguments, **options):
        raise RuntimeError

    monkeypatch.setattr("gallery.services.create_gallery", fail)
    curator.raise_request_exception = False
    answer = curator.post("/galleries/new", {"name": "More"})
    assert answer.status_code == 500 and NAVIGATION not in answer.content.decode()


def test_addresses_cut_short_lead_on(curator):
    assert b"/galleries/staff/" in curator.get("/galleries/").content
    assert curator.get("/galleries/staff/people/")["Location"] == "/galleries/staff/"
    GalleryFactory(slug="secret")
    assert curator.get("/galleries/secret/people/").status_code == 404


def test_browsers_find_the_icon_where_they_look_for_it(client):
    address = client.get("/favicon.ico")["Location"]
    assert address.startswith("/static/") and finders.find(address.removeprefix("/static/"))
