"""Several machines on this one: network namespaces on a bridge, whose cables can be pulled.

Where none can be made (not root, no `ip`), each machine is another address of loopback, and no cable is there to be pulled.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Host:
    """inside: the start of a command that runs there. cable: its end on the bridge; empty on loopback."""

    address: str
    inside: tuple[str, ...] = ()
    cable: str = ""

    def cut_off(self) -> None:
        """Nothing reaches it any more, and nobody is told."""
        if not self.cable:
            pytest.skip("no network namespace can be made here, so no cable can be pulled")
        _ip("link", "set", self.cable, "down")

    def connect(self) -> None:
        _ip("link", "set", self.cable, "up")


@contextmanager
def hosts(count: int) -> Iterator[list[Host]]:
    """So many machines, and this one, whose address ends with 1, on a network of their own."""
    if not _have_namespaces():
        yield [Host(f"127.0.0.{number + 10}") for number in range(count)]
        return
    number = os.getpid() % 16_000
    net, bridge = f"10.{192 + number // 250}.{number % 250}", f"fp{number}"
    made = [
        Host(f"{net}.{one + 10}", ("ip", "netns", "exec", f"fp{number}-{one}"), f"fp{number}v{one}")
        for one in range(count)
    ]
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("address", "add", f"{net}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for host in made:
            _plug_in(host, bridge)
        yield made
    finally:
        for host in made:
            _ip("link", "delete", host.cable, check=False)  # the namespace itself goes a moment later
            _ip("netns", "delete", host.inside[-1], check=False)
        _ip("link", "delete", bridge, check=False)


def _plug_in(host: Host, bridge: str) -> None:
    name = host.inside[-1]
    _ip("netns", "add", name)
    _ip("link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", host.cable, "master", bridge, "up")
    _ip("-n", name, "address", "add", f"{host.address}/24", "dev", "eth0")
    for device in ("eth0", "lo"):
        _ip("-n", name, "link", "set", device, "up")


def _have_namespaces() -> bool:
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    name = f"fp-try-{os.getpid()}"
    made = _ip("netns", "add", name, check=False)
    link = _ip(
        "link", "add", f"fpt{os.getpid() % 10**6}", "type", "veth", "peer", "name", "eth0", "netns", name, check=False
    )
    _ip("netns", "delete", name, check=False)
    return made and link


def _ip(*arguments: str, check: bool = True) -> bool:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.returncode == 0
