"""Packs as clients and operators see them, and the System page."""

import pytest
from api_client import client_of, problem
from django.test import Client
from factories import GalleryFactory, UserFactory, member
from rest_framework.test import APIClient

from accounts.actor import system_actor
from accounts.keys.services import create_api_key
from accounts.roles import Role, Scope
from recognition.photos import queue

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer():
    return member(GalleryFactory(slug="staff"), Role.VIEWER)


def test_packs_say_what_their_licence_allows(viewer, pack_dir):
    client = client_of(viewer)
    answer = client.get("/api/v1/packs").json()
    [pack] = [pack for pack in answer["results"] if pack["name"] == "dlib-resnet"]
    assert (pack["commercial_use"], pack["default"], pack["dim"]) == (True, True, 128)
    assert "CC0" in pack["licence"]
    assert client.get("/api/v1/packs/dlib-resnet").json() == pack
    problem(client.get("/api/v1/packs/no-such-pack"), 404, "not_found")
    problem(client.post("/api/v1/packs", {}), 405, "method_not_allowed")


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize("address", ["/api/v1/packs", "/api/v1/packs/dlib-resnet"])
def test_packs_need_the_scope_read(viewer, pack_dir, scope, address):
    _, key = create_api_key(actor=system_actor(), user=viewer.user, scopes=[scope])
    response = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}").get(address)
    if scope == Scope.READ:
        assert response.status_code == 200
    else:
        problem(response, 403, "scope_missing")
    problem(APIClient().get(address), 401, "not_authenticated")


ENGINE = {
    "dlib-resnet": {
        "device": "cpu",
        "processor": "A processor",
        "amx": "no AMX",
        "nets": [
            {"name": "embedder", "precision": "bf16", "why": "measured", "cosine": 0.99, "passes": ["PReLU: no PReLU"]}
        ],
    }
}


def test_the_system_page_is_for_operators(viewer, django_assert_max_num_queries, pack_dir):
    operator = UserFactory(is_staff=True)
    queue.register_worker(host="here", process_id=7, engine=ENGINE)
    queue.register_worker(host="new", process_id=8)
    client = Client()
    client.force_login(operator)
    with django_assert_max_num_queries(8):
        page = client.get("/system").content.decode()
    for text in ("here:7", "embedder bf16", "measured", "A processor", "nothing loaded yet", "Commercial use", "CC0"):
        assert text in page
    client.force_login(viewer.user)
    assert client.get("/system").status_code == 404
    assert "/system" not in client.get("/audit").content.decode()
    assert Client().get("/system").status_code == 302


def test_the_system_page_says_where_nobody_works(pack_dir):
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    assert "No worker is running" in client.get("/system").content.decode()


def test_a_worker_says_what_it_runs(worker, pack_dir):
    from recognition.photos.models import Worker

    with worker.registered():
        [row] = Worker.objects.all()
        nets = row.engine["dlib-resnet"]["nets"]
        assert [net["name"] for net in nets] == ["pnet", "rnet", "onet", "embedder"]
        assert all(net["why"] and net["cosine"] >= 0.998 for net in nets)
