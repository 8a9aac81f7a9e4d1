"""What the platform may call, and that it calls what it checked."""

import socket
from ipaddress import ip_network

import pytest

from faceplatform.addresses import (
    AddressNotAllowed,
    CheckedHTTPConnection,
    checked_addresses,
    networks_of,
    refused_kind,
)

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.mark.parametrize(
    ("kind", "addresses"),
    {
        None: "8.8.8.8 10.0.0.1 172.16.3.4 192.168.1.2 100.64.0.1 2606:4700::1111 fc00::1 64:ff9b::a00:1 ::ffff:10.1.1.1",
        "loopback": "127.0.0.1 127.255.0.9 ::1 ::ffff:127.0.0.1 2002:7f00:1:: 64:ff9b::7f00:1",
        "metadata": "169.254.169.254 ::ffff:169.254.169.254 2002:a9fe:a9fe::1 fd00:ec2::254 100.100.100.200 168.63.129.16",
        "link-local": "169.254.0.1 fe80::1 fe80::1%lo fec0::1",
        "multicast": "224.0.0.1 239.255.255.250 ff02::1",
        "unspecified": "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0",
        "reserved": "255.255.255.255 240.0.0.1 198.18.0.1 ::127.0.0.1 64:ff9b:1::1 2001::1 5f00::1 8000::1",
    }.items(),
)
def test_special_addresses_are_known_in_any_clothes(kind, addresses):
    for address in addresses.split():
        assert refused_kind(address) == kind, address


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "localhost"])
def test_other_spellings_of_loopback(host):
    with pytest.raises(AddressNotAllowed, match=host) as raised:
        checked_addresses(host, 80)
    assert raised.value.kind == "loopback"


def test_networks_narrow_and_widen():
    assert refused_kind("8.8.8.8", [ip_network("10.0.0.0/8")]) == "other"
    assert refused_kind("10.1.1.1", [ip_network("10.0.0.0/8")]) is None
    assert refused_kind("10.1.1.1", []) == "other"
    everything = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    assert refused_kind("8.8.8.8", everything) is None
    assert refused_kind("127.0.0.1", everything) == refused_kind("::1", everything) == "loopback"
    assert refused_kind("127.0.0.1", [*everything, ip_network("127.0.0.1/32")]) is None
    assert refused_kind("127.0.0.2", [*everything, ip_network("127.0.0.1/32")]) == "loopback"


@pytest.mark.parametrize("host", ["a..b", "\0", "x" * 300, "", "[::1]"])
def test_no_name(host):
    with pytest.raises(socket.gaierror):
        checked_addresses(host, 80)


def test_a_name_is_resolved_once_and_the_checked_address_called(monkeypatch):
    """The second answer of a name, which an attacker chooses, is never asked for."""
    resolve, answers = socket.getaddrinfo, ["127.0.0.1", "0.0.0.0"]

    def changing(host, *arguments, **options):
        return resolve(answers.pop(0) if host == "camera.example" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        called = CheckedHTTPConnection("camera.example", port, timeout=5, allowed_networks=LOOPBACK)
        called.request("GET", "/")
        with server.accept()[0] as accepted:
            assert f"Host: camera.example:{port}".encode() in accepted.recv(1000)
        called.close()
    assert answers == ["0.0.0.0"]


def test_one_bad_address_refuses_the_name(monkeypatch):
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in ("10.0.0.1", "169.254.169.254")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(AddressNotAllowed, match="metadata"):
        checked_addresses("two.example", 80)


@pytest.mark.parametrize(
    ("parts", "allowed"),
    [
        (["public", "private"], {"8.8.8.8", "2606:4700::1", "10.1.2.3", "fd00::1"}),
        (["public"], {"8.8.8.8", "2606:4700::1"}),
        (["private"], {"10.1.2.3", "fd00::1"}),
        (["10.1.0.0/16", "127.0.0.1/32"], {"10.1.2.3", "127.0.0.1"}),
        ([], set()),
    ],
)
def test_the_setting_says_where_calls_may_go(parts, allowed):
    tried = ("8.8.8.8", "2606:4700::1", "10.1.2.3", "fd00::1", "127.0.0.1", "::1", "169.254.169.254")
    assert {address for address in tried if not refused_kind(address, networks_of(parts))} == allowed
