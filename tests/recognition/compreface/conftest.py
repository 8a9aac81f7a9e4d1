import pytest
from compreface_calls import client_with, key_of
from factories import GalleryFactory, member
from rest_framework.test import APIClient

from accounts.roles import Role


@pytest.fixture
def gallery(db):
    return GalleryFactory(slug="staff")


@pytest.fixture
def client(gallery) -> APIClient:
    return client_with(key_of(member(gallery, Role.CURATOR), gallery))
