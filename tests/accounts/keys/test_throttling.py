"""Limits of API calls a minute, per key and per user over all keys."""

from datetime import timedelta

import pytest
from api_client import client_of, problem
from django.test import override_settings
from django.utils import timezone
from factories import stranger
from rest_framework.test import APIClient

from accounts.keys.services import create_api_key
from accounts.keys.throttling import delete_idle_buckets
from accounts.models import RequestBucket

pytestmark = pytest.mark.django_db


def keyed(actor) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_api_key(actor=actor, user=actor.user, scopes=['read'])[1]}")
    return client


def me(client, times=1) -> list[int]:
    return [client.get("/api/v1/me").status_code for _ in range(times)]


@override_settings(KEY_RATE=3, USER_RATE=5)
def test_calls_are_limited_per_key_and_per_user():
    actor = stranger()
    first, second = keyed(actor), keyed(actor)
    assert me(first, 4) == [200, 200, 200, 429]
    refused = first.get("/api/v1/me")
    problem(refused, 429, "throttled")
    assert 1 <= int(refused["Retry-After"]) <= 20
    assert 429 in me(second, 3)  # the user's five are used up; refused calls count too
    assert me(client_of(stranger())) == [200]


@override_settings(KEY_RATE=2, USER_RATE=0)
def test_the_bucket_leaks():
    client = keyed(stranger())
    assert me(client, 3) == [200, 200, 429]
    RequestBucket.objects.update(at=timezone.now() - timedelta(seconds=31))
    assert me(client, 2) == [200, 429]
    assert RequestBucket.objects.get().subject.startswith("key:")
    assert delete_idle_buckets() == 0
    RequestBucket.objects.update(at=timezone.now() - timedelta(hours=25))
    assert delete_idle_buckets() == 1


@override_settings(KEY_RATE=0, USER_RATE=0)
def test_without_a_limit_nothing_is_counted():
    assert me(keyed(stranger()), 3) == [200] * 3
    assert RequestBucket.objects.count() == 0
