"""Who is not signed in any more is led back to the page, and htmx never gets a page where it wants a part of one."""

import pytest
from factories import UserFactory

PART = {"HX-Request": "true"}
ANSWERED = "/sign-in?next="


@pytest.mark.parametrize(
    ("headers", "back"),
    [
        ({"Referer": "http://testserver/galleries/staff/?q=ann%20d"}, "/galleries/staff/%3Fq%3Dann%2520d"),
        ({}, "/"),
        ({"Referer": "http://elsewhere.example/galleries/staff/"}, "/"),
        ({"Referer": "//elsewhere.example/"}, "/"),
        ({"Referer": "javascript:alert(1)"}, "/"),
        ({"Referer": "http://testserver//elsewhere.example/"}, "/elsewhere.example/"),
    ],
)
def test_a_form_leads_back_to_its_page_and_never_to_another_host(client, db, headers, back):
    assert client.post("/galleries/new", headers=headers)["Location"] == ANSWERED + back
    part = {"HX-Current-URL": headers.get("Referer", "")} | PART
    for call in (client.get, client.post):
        answer = call("/galleries/staff/add-faces", headers=part)
        assert (answer.status_code, answer["HX-Redirect"], answer.content) == (401, ANSWERED + back, b"")


def test_a_page_leads_back_to_itself(client, db):
    assert (
        client.get("/audit?q=a", headers={"Referer": "http://testserver/"})["Location"] == ANSWERED + "/audit%3Fq%3Da"
    )


def test_htmx_is_led_to_what_has_to_be_done_first(client, db):
    client.force_login(UserFactory(must_change_password=True))
    answer = client.get("/audit", headers=PART)
    assert (answer.status_code, answer["HX-Redirect"]) == (403, "/password")


def test_only_parts_of_pages_are_marked(client, db):
    client.force_login(UserFactory(is_superuser=True))
    assert client.get("/audit", headers=PART)["X-Fragment"] == "true"
    for address in ("/account", "/galleries/none/", "/api/v1/galleries"):  # a page, a page of an error, JSON
        assert "X-Fragment" not in client.get(address, headers=PART)
    assert "X-Fragment" not in client.get("/audit")
