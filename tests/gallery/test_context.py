"""The navigation entries that the apps hand on."""

import pytest
from django.apps import apps
from django.urls import get_resolver
from factories import GalleryFactory, member

from accounts.roles import Role


def test_every_entry_belongs_to_a_page_that_exists():
    pages = {name for name in get_resolver().reverse_dict if isinstance(name, str)}
    named = [page for config in apps.get_app_configs() for page in getattr(config, "sections", {})]
    assert named and set(named) <= pages
    assert len(named) == len(set(named)), "two apps name the same page"


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "section"), [("", "people"), ("recognise", "recognise"), ("add-faces", "add")])
def test_a_page_highlights_its_entry(client, path, section):
    gallery = GalleryFactory()
    client.force_login(member(gallery, Role.OWNER).user)
    assert client.get(f"/galleries/{gallery.slug}/{path}").context["section"] == section
