"""The platform behind the web servers whose configuration it ships: nginx and Caddy, run for real."""

import json

import numpy as np
import pytest
from factories import CameraFactory, GalleryFactory, member, show
from mjpeg_server import jpegs
from reverse_proxies import CLIENT, NAME, ReverseProxy
from web_process import WebProcess

from accounts.keys.services import create_api_key
from accounts.models import AuditEvent
from accounts.roles import Role

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def behind(tmp_path_factory, django_db_setup):
    """A web server that is told of its proxy as the documentation says."""
    running = WebProcess(
        tmp_path_factory.mktemp("web"),
        FACEPLATFORM_HTTPS="on",
        FACEPLATFORM_ALLOWED_HOSTS=NAME,
        FACEPLATFORM_TRUSTED_PROXIES="127.0.0.1",
    )
    yield running
    running.stop()


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def proxy(request, behind, tmp_path_factory):
    running = ReverseProxy(request.param, tmp_path_factory.mktemp(request.param), behind.port)
    yield running
    running.stop()


@pytest.fixture
def gallery():
    return GalleryFactory(slug="staff")


@pytest.fixture
def authorization(gallery) -> dict[str, str]:
    owner = member(gallery, Role.OWNER)
    _, key = create_api_key(actor=owner, user=owner.user, scopes=["read", "manage", "enrol"])
    return {"Authorization": f"Bearer {key}"}


def test_the_audit_has_the_clients_address_whatever_the_client_says(proxy, gallery, authorization):
    said = {"X-Forwarded-For": "203.0.113.9, 127.0.0.1", "X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    with proxy.ask(
        "PATCH",
        "/api/v1/galleries/staff",
        body=json.dumps({"name": "Staff of the house"}),
        headers={**authorization, **said, "Content-Type": "application/json"},
    ) as answer:
        assert answer.status == 200, answer.read()
    assert AuditEvent.objects.get(action="gallery.changed").ip == CLIENT


def test_http_is_sent_to_https_and_https_is_served(proxy):
    with proxy.ask("GET", "/sign-in?next=/", plain=True, headers={"X-Forwarded-Proto": "https"}) as redirected:
        assert redirected.status == 308
        assert redirected.headers["Location"].startswith(f"https://{NAME}")
    with proxy.ask("GET", "/sign-in", headers={"X-Forwarded-Proto": "http"}) as page:
        assert page.status == 200
        assert "; Secure" in page.headers["Set-Cookie"]
        assert "max-age=" in page.headers["Strict-Transport-Security"]


@pytest.mark.parametrize("proxy", ["nginx"], indirect=True)  # Caddy counts what comes, not what is announced
def test_too_much_is_refused_and_a_large_import_is_not(proxy, authorization):
    def sent(path: str, size: int) -> int:
        """Of the answer to a request whose body does not come, so that nobody waits for it."""
        headers = {"Content-Length": str(size), "Content-Type": "application/zip", **authorization}
        with proxy.ask("POST", path, headers=headers) as answer:
            return answer.status

    assert sent("/api/v1/recognitions", 221 * MIB) == 413
    assert sent("/api/v1/imports", 2200 * MIB) == 413
    # Nobody without a key may import: the platform says so, not the web server, before the body has come.
    authorization.clear()
    assert sent("/api/v1/imports", 2000 * MIB) == 401


def test_live_pictures_come_one_by_one(proxy, gallery, authorization):
    camera = CameraFactory(gallery=gallery)
    pictures = jpegs(np.full((48, 64, 3), shade, "uint8") for shade in (60, 180))
    show(camera, pictures[0], 1)
    with proxy.ask("GET", f"/api/v1/cameras/{camera.pk}/live.mjpeg", headers=authorization) as answer:
        assert answer.status == 200
        read = b""
        for number, picture in enumerate(pictures, 1):
            if number > 1:
                show(camera, picture, number)
            while picture not in read:  # were they held back, this would wait until the connection's time is over
                read += answer.read1(MIB)
