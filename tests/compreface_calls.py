"""Calls of CompreFace's endpoints, and what they answer."""

from api_client import compreface_error, upload
from rest_framework.test import APIClient

from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from gallery.models import Identity

SYSTEM = system_actor()


def key_of(actor, gallery) -> str:
    return create_api_key(actor=SYSTEM, user=actor.user, gallery=gallery, scopes=["recognize", "read", "enrol"])[1]


def client_with(key: str) -> APIClient:
    return APIClient(raise_request_exception=False, HTTP_X_API_KEY=key)


def refusal(response, status: int, code: int) -> str:
    """Asserts that the answer is this error in CompreFace's shape; returns its message."""
    body = compreface_error(response)
    assert (response.status_code, body["code"]) == (status, code), body
    return body["message"]


def names(gallery) -> list[str]:
    return sorted(Identity.objects.filter(gallery=gallery).values_list("name", flat=True))


def post(client, address: str, body=None):
    return client.post(f"/api/v1/{address}", body, format="json")


def add_face(client, subject: str, photo: bytes, more: str = ""):
    return client.post(f"/api/v1/recognition/faces?subject={subject}{more}", {"file": upload(photo)})
