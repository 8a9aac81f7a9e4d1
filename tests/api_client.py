"""What the tests of the API share: clients, uploads, and checks of error responses."""

from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

NOW = {"HTTP_PREFER": "wait=0"}  # answer at once, without waiting for a worker


def client_of(actor) -> APIClient:
    """A client that is signed in as the actor's user."""
    client = APIClient(raise_request_exception=False)
    client.force_login(actor.user)
    return client


def upload(data: bytes, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def compreface_error(response) -> dict:
    """Asserts that the response is an error in CompreFace's shape; returns its body."""
    assert response.status_code >= 400 and response["Content-Type"] == "application/json", response.content
    body = response.json()
    assert set(body) == {"message", "code"} and body["message"] and isinstance(body["code"], int), body
    return body


def problem(response, status: int, code: str) -> dict:
    """Asserts that the response is this error, as problem+json; returns its body."""
    body = response.json()
    assert (response.status_code, body["code"], body["status"]) == (status, code, status), body
    assert response["Content-Type"] == "application/problem+json"
    assert body["request_id"] == response["X-Request-ID"]
    assert body["detail"]
    return body
