"""The client's address behind proxies: only what a trusted one says."""

from ipaddress import ip_network

import pytest
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from faceplatform import env
from faceplatform.web.proxies import TrustedProxyMiddleware


def seen(peer: str, chain: str | None = None, proto: str | None = None, trusted: str = "") -> tuple[str, str | None]:
    """The address and the forwarded protocol that the platform works with."""
    headers = {"HTTP_X_FORWARDED_FOR": chain, "HTTP_X_FORWARDED_PROTO": proto}
    headers = {name: value for name, value in headers.items() if value is not None}
    request = RequestFactory().get("/", REMOTE_ADDR=peer, **headers)
    networks = [ip_network(text) for text in trusted.split()]
    with override_settings(TRUSTED_PROXIES=networks):
        TrustedProxyMiddleware(lambda request: HttpResponse())(request)
    assert "HTTP_X_FORWARDED_FOR" not in request.META
    return request.META["REMOTE_ADDR"], request.META.get("HTTP_X_FORWARDED_PROTO")


@pytest.mark.parametrize(
    ("peer", "chain", "trusted", "client"),
    [
        ("127.0.0.1", "198.51.100.7", "", "127.0.0.1"),  # nobody is trusted by default
        ("192.0.2.9", "198.51.100.7", "127.0.0.1", "192.0.2.9"),
        ("127.0.0.1", "198.51.100.7", "127.0.0.1", "198.51.100.7"),
        ("127.0.0.1", "10.0.0.1, 198.51.100.7", "127.0.0.1", "198.51.100.7"),  # the left one is made up
        ("127.0.0.1", "198.51.100.7, 10.1.2.3", "127.0.0.1 10.0.0.0/8", "198.51.100.7"),
        ("127.0.0.1", "10.1.1.1,10.1.2.3", "127.0.0.1 10.0.0.0/8", "10.1.1.1"),
        ("127.0.0.1", None, "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7, <script>", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7:4711", "127.0.0.1", "198.51.100.7"),
        ("::1", "[2001:db8::7]:4711", "::1", "2001:db8::7"),
        ("::ffff:127.0.0.1", "2001:db8::7", "127.0.0.1", "2001:db8::7"),
        ("", "198.51.100.7", "127.0.0.1", ""),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_trusted_proxy(peer, chain, trusted, client):
    assert seen(peer, chain, trusted=trusted)[0] == client


def test_the_protocol_is_taken_from_trusted_proxies_once_there_are_any():
    assert seen("192.0.2.9", proto="https", trusted="127.0.0.1")[1] is None
    assert seen("127.0.0.1", proto="https", trusted="127.0.0.1")[1] == "https"
    assert seen("127.0.0.1", proto="https")[1] == "https"


def test_the_setting_names_addresses_and_networks(monkeypatch):
    monkeypatch.setenv("FACEPLATFORM_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8,::1")
    assert [str(network) for network in env.get("FACEPLATFORM_TRUSTED_PROXIES")] == [
        "127.0.0.1/32",
        "10.0.0.0/8",
        "::1/128",
    ]
    monkeypatch.setenv("FACEPLATFORM_TRUSTED_PROXIES", "proxy.example.org")
    with pytest.raises(env.SettingError, match="TRUSTED_PROXIES"):
        env.get("FACEPLATFORM_TRUSTED_PROXIES")


@pytest.mark.django_db
def test_a_made_up_address_is_neither_counted_nor_audited(client, settings):
    from accounts.models import AuditEvent

    settings.SIGN_IN_ADDRESS_RATE, settings.SIGN_IN_RATE = 2, 0
    wrong = {"username": "ada", "password": "wrong"}
    found = [
        client.post("/sign-in", wrong, headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code for n in range(3)
    ]
    assert found == [200, 200, 429]
    assert AuditEvent.objects.get().ip == "127.0.0.1"
