"""A POST sent twice with the same Idempotency-Key happens once."""

import threading
from datetime import timedelta

import pytest
from api_client import NOW, client_of, problem, upload
from django.db import connection
from django.urls import get_resolver
from django.utils import timezone
from factories import GalleryFactory, IdentityFactory, UserFactory, member

from accounts.api_views import ActorMixin
from accounts.idempotency import delete_expired
from accounts.models import ApiKey, IdempotentAnswer
from accounts.roles import Role
from gallery.models import Gallery, Identity
from recognition.photos.models import RecognitionRequest

pytestmark = pytest.mark.django_db
ONCE = {"HTTP_IDEMPOTENCY_KEY": "abc"}


@pytest.fixture
def curator(living_worker):
    return member(GalleryFactory(slug="staff"), Role.CURATOR)


def add(client, name="Ada", **headers):
    return client.post("/api/v1/identities", {"gallery": "staff", "name": name}, format="json", **ONCE | headers)


def test_the_same_call_again_gets_the_same_answer(curator):
    client = client_of(curator)
    first, again = add(client), add(client)
    assert (again.status_code, again.json(), again["ETag"]) == (201, first.json(), first["ETag"])
    assert "Idempotency-Replayed" not in first and again["Idempotency-Replayed"] == "true"
    assert Identity.objects.count() == 1
    assert add(client, HTTP_IDEMPOTENCY_KEY="other").json() != first.json()


def test_another_call_with_the_same_key_is_refused(curator, hopper):
    client = client_of(curator)
    add(client)
    problem(add(client, name="Eve"), 422, "idempotency_key_reused")
    photo = {"gallery": "staff", "photo": upload(hopper)}
    problem(client.post("/api/v1/recognitions", photo, **ONCE, **NOW), 422, "idempotency_key_reused")
    assert (Identity.objects.count(), RecognitionRequest.objects.count()) == (1, 0)


def test_keys_belong_to_a_user_and_expire(curator):
    add(client_of(curator))
    add(client_of(member(GalleryFactory(slug="other"), Role.CURATOR)))  # who sees no gallery “staff”
    other = member(Identity.objects.get().gallery, Role.CURATOR)
    assert add(client_of(other)).json()["id"] != str(Identity.objects.first().pk) or Identity.objects.count() == 2
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert add(client_of(curator), name="Eve").status_code == 201
    assert delete_expired() == 1
    assert IdempotentAnswer.objects.count() == 1


def test_an_error_is_not_stored(curator):
    client = client_of(curator)
    problem(add(client, name=""), 400, "invalid_input")
    assert IdempotentAnswer.objects.count() == 0
    assert add(client, name="Ada").status_code == 201
    for key in ("", "x" * 256, "a\x07"):
        problem(add(client, HTTP_IDEMPOTENCY_KEY=key), 400, "invalid_input")


def test_a_photo_is_queued_once_and_answered_as_it_now_stands(curator, worker, hopper):
    client = client_of(curator)

    def ask(data=hopper):
        return client.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(data)}, **ONCE, **NOW)

    first, again = ask(), ask()
    assert (first.status_code, again.status_code, again.json()["id"]) == (202, 202, first.json()["id"])
    assert "Idempotency-Replayed" not in first and again["Idempotency-Replayed"] == "true"
    worker.run_once()
    done = ask()
    assert (done.status_code, done.json()["status"], done["Location"]) == (201, "done", first["Location"])
    assert done["Idempotency-Replayed"] == "true"
    other = ask(hopper + b"\0")
    problem(other, 422, "idempotency_key_reused")
    assert "Idempotency-Replayed" not in other
    assert RecognitionRequest.objects.count() == 1


def fail(row, code: str) -> None:
    RecognitionRequest.objects.filter(pk=row).update(
        status="failed", error_code=code, error_message="x", photo=None, finished_at=timezone.now()
    )


@pytest.mark.parametrize("place", ["recognitions", "samples"])
def test_photos_that_failed_for_a_fault_of_the_server_are_tried_again(curator, worker, hopper, place):
    """Such as a full disk: nothing came of the call, so its key does not stand in its way for a day."""
    client, person = client_of(curator), IdentityFactory(gallery=Gallery.objects.get(), name="Ada")

    def ask():
        if place == "samples":
            return client.post(f"/api/v1/identities/{person.pk}/samples", {"photos": upload(hopper)}, **ONCE, **NOW)
        return client.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(hopper)}, **ONCE, **NOW)

    assert ask().status_code == 202
    fail(RecognitionRequest.objects.get().pk, "disk_full")
    again, once_more = ask(), ask()
    assert (again.status_code, "Idempotency-Replayed" in again) == (202, False)
    assert (once_more.status_code, once_more["Idempotency-Replayed"]) == (202, "true")
    assert RecognitionRequest.objects.count() == 2
    worker.run_once()
    assert ask().status_code == 201
    assert RecognitionRequest.objects.filter(status="done").count() == 1


def test_photos_that_failed_for_their_own_fault_are_not(curator, hopper):
    client = client_of(curator)

    def ask():
        return client.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(hopper)}, **ONCE, **NOW)

    ask()
    fail(RecognitionRequest.objects.get().pk, "invalid_image")
    problem(ask(), 422, "invalid_image")
    assert RecognitionRequest.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_repeats_of_what_came_to_nothing_only_one_happens(curator, hopper):
    def ask():
        client = client_of(curator)
        return client.post("/api/v1/recognitions", {"gallery": "staff", "photo": upload(hopper)}, **ONCE, **NOW)

    ask()
    fail(RecognitionRequest.objects.get().pk, "worker_lost")
    barrier, answers = threading.Barrier(4), []

    def call():
        barrier.wait()
        answers.append(ask().json()["id"])
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1 and RecognitionRequest.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_repeat_that_waits_says_so(curator, running_worker, hopper, no_face):
    """Every POST that waits for photos, errors of the photos among its answers."""
    client, person = client_of(curator), IdentityFactory(gallery=Gallery.objects.get(), name="Ada")
    calls = {
        "recognitions": lambda: {"gallery": "staff", "photo": upload(hopper)},
        "detections": lambda: {"gallery": "staff", "photo": upload(hopper)},
        "embeddings": lambda: {"gallery": "staff", "photo": upload(no_face)},
        "comparisons": lambda: {"gallery": "staff", "photo": upload(hopper), "reference": upload(no_face)},
        f"identities/{person.pk}/samples": lambda: {"photos": [upload(no_face)]},
    }
    for place, body in calls.items():
        once = {"HTTP_IDEMPOTENCY_KEY": place}
        first, again = (client.post(f"/api/v1/{place}", body(), **once) for _ in range(2))
        assert again.status_code == first.status_code
        assert "Idempotency-Replayed" not in first and again["Idempotency-Replayed"] == "true", place


def test_a_new_api_key_is_not_stored(curator):
    client = client_of(curator)
    body = {"scopes": ["read"]}
    first = client.post("/api/v1/api-keys", body, format="json", **ONCE).json()
    again = client.post("/api/v1/api-keys", body, format="json", **ONCE).json()
    assert again == first | {"key": None}
    assert first["key"] not in IdempotentAnswer.objects.get().body
    assert ApiKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_calls_only_one_happens(curator):
    client, answers = client_of(curator), []
    barrier = threading.Barrier(6)

    def call():
        barrier.wait()
        answers.append(add(client_of(curator)))
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == Identity.objects.count() == 1
    assert sorted("Idempotency-Replayed" in answer for answer in answers) == [False] + [True] * 5
    assert client


def test_every_post_of_the_api_takes_the_key():
    def callbacks(patterns):
        for pattern in patterns:
            yield from callbacks(pattern.url_patterns) if hasattr(pattern, "url_patterns") else [pattern.callback]

    views = [view for view in callbacks(get_resolver().url_patterns[:1]) if hasattr(view, "cls")]
    posting = {view.cls for view in views if hasattr(view.cls, "post") or "post" in (getattr(view, "actions", 0) or {})}
    assert len(posting) > 12
    assert [cls for cls in posting if not issubclass(cls, ActorMixin)] == []


def test_answers_are_deleted_with_their_user(curator):
    add(client_of(curator))
    UserFactory._meta.model.objects.filter(pk=curator.user.pk).delete()
    assert IdempotentAnswer.objects.count() == 0
