"""Base64 as people send it."""

import base64

import pytest
from api_client import problem
from factories import GalleryFactory, member
from rest_framework.test import APIClient

from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from accounts.roles import Role
from faceplatform.web.base64_text import decoded
from recognition.photos.models import RecognitionRequest

DATA = bytes(range(256)) + b"\xfb\xff"
TEXT = base64.b64encode(DATA).decode()
LINES = "\r\n".join(TEXT[start : start + 76] for start in range(0, len(TEXT), 76))


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.rstrip("="),
        TEXT + "==",
        base64.urlsafe_b64encode(DATA).decode(),
        base64.urlsafe_b64encode(DATA).decode().rstrip("="),
        f"data:image/jpeg;base64,{TEXT}",
        f"DATA:image/JPEG;Base64,{TEXT}",
        f" \n data:image/jpeg;name=a.jpg;base64,\n{TEXT}",
        f"data:,{TEXT}",
        LINES,
        f"\t{LINES}\n",
        TEXT.replace("A", "A "),
    ],
)
def test_the_bytes_are_the_same(text):
    assert decoded(text) == DATA


NO_BASE64 = [
    "visitor.jpg",
    "https://example.org/visitor.jpg",
    "A",
    "Zoë",
    "/9j/4AAQ*",
    "a,b",
    "data:image/png;base64,Ä",
    "=A==",
]


@pytest.mark.parametrize("text", NO_BASE64)
def test_what_is_none_is_no_photo(text):
    with pytest.raises(ValueError):
        decoded(text)


def test_a_caller_is_told_what_is_wrong(db):
    gallery = GalleryFactory(slug="staff")
    curator = member(gallery, Role.CURATOR)
    scopes = ["recognize", "enrol"]
    key = create_api_key(actor=system_actor(), user=curator.user, gallery=gallery, scopes=scopes)[1]
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}", HTTP_X_API_KEY=key)
    for text in NO_BASE64:
        answer = client.post("/api/v1/recognitions", {"gallery": "staff", "photo": text}, format="json")
        assert problem(answer, 400, "invalid_input")["detail"].startswith("photo: This text is not base64. Send ")
        answer = client.post("/api/v1/recognition/recognize", {"file": text}, format="json")
        assert (answer.status_code, answer.json()["message"][:30]) == (400, "file: This text is not base64.")
    answer = client.post("/api/v1/comparisons", {"gallery": "staff", "photo": 1, "reference": TEXT}, format="json")
    assert "as a file (multipart/form-data) or as base64 text" in problem(answer, 400, "invalid_input")["detail"]
    assert not RecognitionRequest.objects.exists()
