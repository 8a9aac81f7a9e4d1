"""The style guide is for staff; for others there is no such page."""

import pytest
from django.test import Client
from factories import UserFactory

pytestmark = pytest.mark.django_db


def client_of(**values) -> Client:
    client = Client()
    client.force_login(UserFactory(**values))
    client.get("/account")
    return client


def test_staff_see_it_in_both_themes():
    page = client_of(is_staff=True).get("/styleguide")
    assert page.status_code == 200
    body = page.content.decode()
    for theme in ("light", "dark"):
        assert f'<section data-theme="{theme}"' in body and f'id="id_{theme}-name"' in body
    assert "#chevron-down" in body


@pytest.mark.parametrize("values", [{}, {"is_superuser": True}], ids=["user", "operator without the admin site"])
def test_for_others_it_is_not_there(values):
    page = client_of(**values).get("/styleguide")
    assert page.status_code == 404 and "data-theme" not in page.content.decode()


def test_nobody_signed_in_signs_in_first():
    assert Client().get("/styleguide")["Location"] == "/sign-in?next=/styleguide"
