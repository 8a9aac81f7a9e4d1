"""Debian's MQTT broker in a process of its own, and somebody who listens to it."""

import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
SECONDS = 20


class Broker:
    """extra: lines of its configuration."""

    def __init__(self, folder: Path, *extra: str) -> None:
        if PROGRAM is None:
            pytest.skip("mosquitto is not here: apt-get install mosquitto")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._settings = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "persistence false", "user root", *extra]
        self._settings.write_text("\n".join(lines) + "\n")
        self._log = folder / "mosquitto.log"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen([PROGRAM, "-c", str(self._settings)], stdout=log, stderr=log)
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Listener:
    """Hears everything. heard: (topic, payload) in order; kept: topic → what the broker keeps there, as heard."""

    def __init__(self, port: int, user: str = "", password: str = "") -> None:
        from paho.mqtt.client import CallbackAPIVersion, Client
        from paho.mqtt.subscribeoptions import SubscribeOptions

        self.heard: list[tuple[str, str]] = []
        self.kept: dict[str, str] = {}
        self._news = threading.Condition()
        subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=5, reconnect_on_failure=False)
        self._client.on_message = self._hear
        self._client.on_subscribe = lambda *_: subscribed.set()
        if user:
            self._client.username_pw_set(user, password)
        as_published = SubscribeOptions(qos=1, retainAsPublished=True)
        self._client.on_connect = lambda client, *_: client.subscribe("#", options=as_published)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert subscribed.wait(SECONDS)

    def _hear(self, client, data, message) -> None:
        with self._news:
            payload = message.payload.decode()
            self.heard.append((message.topic, payload))
            if message.retain:
                self.kept[message.topic] = payload
            self._news.notify_all()

    def wait_for(self, happened: Callable[["Listener"], object]) -> None:
        with self._news:
            assert self._news.wait_for(lambda: happened(self), SECONDS), self.heard

    def on(self, topic: str) -> list[str]:
        return [payload for heard, payload in self.heard if heard == topic]

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
