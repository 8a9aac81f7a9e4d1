"""Galleries are named in any script; their slugs are made from the name where that reads well, else made up."""

import io
import re
import threading

import pytest
from api_client import client_of
from archives import zipped
from django.core.management import CommandError, call_command
from django.db import connection
from factories import GalleryFactory, UserFactory, member

from accounts.actor import Actor, Via, system_actor
from accounts.roles import Role
from faceplatform.errors import Conflict, InvalidInput
from gallery.models import Gallery
from gallery.services import create_gallery
from gallery.slugs import LONGEST, is_slug, slugs_for
from recognition.management.galleries import find_gallery

pytestmark = pytest.mark.django_db

SCRIPTS = {
    "Cyrillic": "Беларусь",
    "Han": "人事",
    "Arabic": "الموظفون",
    "Hebrew": "עובדים",
    "Greek": "Προσωπικό",
    "Devanagari": "कर्मचारी",
    "Thai": "พนักงาน",
    "Hangul": "직원",
    "Kana": "スタッフ",
    "Georgian": "თანამშრომლები",
    "Armenian": "Աշխատակազմ",
    "Tamil": "ஊழியர்கள்",
    "emoji": "🙂🙂",
    "punctuation": "!!!",
    "digits among others": "3-я смена",
    "long": "The very long name of a department with a great many words in it and no end",
    "long without spaces": "x" * 100,
}


@pytest.fixture
def staff(client):
    user = UserFactory(is_staff=True)
    client.force_login(user)
    return client


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_gallery_of_any_name_is_created_on_the_page(staff, script):
    response = staff.post("/galleries/new", {"name": SCRIPTS[script]}, follow=True)
    assert response.status_code == 200
    gallery = Gallery.objects.get(name=SCRIPTS[script])
    assert is_slug(gallery.slug)
    assert response.redirect_chain == [(f"/galleries/{gallery.slug}/first-steps", 302)]
    assert SCRIPTS[script] in response.content.decode()


@pytest.mark.parametrize("script", SCRIPTS)
def test_over_the_api_and_in_the_admin_site(client, script):
    user = UserFactory(is_staff=True, is_superuser=True)
    api = client_of(Actor(user=user, via=Via.API, name=user.username))
    made = api.post("/api/v1/galleries", {"name": SCRIPTS[script]}, format="json")
    assert made.status_code == 201 and is_slug(made.json()["slug"])
    assert api.get(f"/api/v1/galleries/{made.json()['slug']}").json()["name"] == SCRIPTS[script]
    client.force_login(user)
    values = {"name": SCRIPTS[script], "slug": "", "threshold_source": "size", "target_fpir": "0.01"}
    inlines = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    response = client.post(
        "/admin/gallery/gallery/add/",
        values | inlines | {"quality_gate": "standard", "liveness": "off", "day_starts_at": "00:00"},
    )
    assert response.status_code == 302
    assert (
        all(is_slug(slug) for slug in Gallery.objects.values_list("slug", flat=True)) and Gallery.objects.count() == 2
    )


def test_what_slugs_look_like():
    assert next(slugs_for("Front door")) == "front-door"
    assert next(slugs_for("Müller & Söhne")) == "muller-sohne"
    assert next(slugs_for("2024")) == "2024"
    assert next(slugs_for("人事 HR")) == "hr"
    assert re.fullmatch("gallery-[0-9a-f]{4}", next(slugs_for("人事")))
    assert re.fullmatch("gallery-[0-9a-f]{4}", next(slugs_for("3-я смена")))
    for name in SCRIPTS.values():
        assert all(is_slug(slug) and len(slug) <= LONGEST for slug in slugs_for(name))
    assert list(slugs_for("x" * 100))[1] == "x" * 48 + "-2"


def test_a_name_that_is_taken_gets_a_suffix():
    made = [create_gallery(actor=system_actor(), name="Staff").slug for _ in range(11)]
    assert made[:9] == ["staff", *(f"staff-{number}" for number in range(2, 10))]
    assert all(re.fullmatch("staff-[0-9a-f]{6}", slug) for slug in made[9:]) and len(set(made)) == 11


def test_a_slug_that_was_given_and_is_taken_is_a_conflict():
    GalleryFactory(slug="staff")
    with pytest.raises(Conflict):
        create_gallery(actor=system_actor(), name="Staff", slug="staff")
    assert Gallery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_galleries_of_one_name_at_the_same_time():
    start, made = threading.Barrier(2), []

    def create():
        try:
            start.wait(20)
            made.append(create_gallery(actor=system_actor(), name="Staff").slug)
        finally:
            connection.close()

    threads = [threading.Thread(target=create) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == ["staff", "staff-2"]


def test_a_name_that_is_too_long_or_empty_is_told_on_the_page(staff):
    for name, told in (
        ("x" * 101, "at most 100 characters"),
        (" ", "This field is required"),
        ("a\0b", "Null characters"),
    ):
        response = staff.post("/galleries/new", {"name": name})
        assert response.status_code == 400 and told in response.content.decode()
    assert not Gallery.objects.exists()


def test_those_who_may_not_create_one_are_told(client):
    client.force_login(member(GalleryFactory(), Role.OWNER).user)
    assert client.post("/galleries/new", {"name": "人事"}).status_code == 403
    assert Gallery.objects.count() == 1


def test_commands_take_a_name_or_a_slug():
    gallery = GalleryFactory(slug="gallery-7f3a", name="人事")
    assert find_gallery("人事") == find_gallery("gallery-7f3a") == gallery
    by_slug = GalleryFactory(slug="staff", name="Somebody else")
    GalleryFactory(slug="other", name="staff")
    assert find_gallery("staff") == by_slug
    GalleryFactory(slug="second", name="人事")
    with pytest.raises(CommandError, match="Give the slug of one: gallery-7f3a, second"):
        find_gallery("人事")
    with pytest.raises(InvalidInput):
        Gallery.objects.called("人事")
    with pytest.raises(CommandError, match="There is no gallery"):
        find_gallery("no\0body")


@pytest.mark.parametrize("name", ["人事", "Беларусь", "Front door", "x" * 60])
def test_an_import_creates_a_gallery_of_any_name_once(tmp_path, name, monkeypatch):
    monkeypatch.setattr("recognition.imports.command.ImportCommand._run", staticmethod(lambda job, source, total: job))
    path = tmp_path / "people.zip"
    path.write_bytes(zipped({"Ann/1.jpg": b"1"}).getvalue())
    for _ in range(2):
        call_command("import_faces", str(path), "--gallery", name, "--create", stdout=io.StringIO())
    gallery = Gallery.objects.get()
    assert gallery.name == name and is_slug(gallery.slug) and gallery.imports.exists()
