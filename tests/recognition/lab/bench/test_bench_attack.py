"""The attacks are what they say, and are measured on a real platform. How much honest callers notice is not tested."""

import io
import json
import socket
import threading
import zipfile

import pytest
from django.core.management import call_command

from recognition.lab.bench.attack import bodies, imports
from recognition.lab.bench.attack.forwarder import Forwarder
from recognition.lab.bench.attack.honest import Noticed
from recognition.lab.bench.attack.measure import Row, Seen, table
from recognition.lab.bench.attack.watch import disk_bytes, open_bytes


def test_two_attacks_on_a_platform(pack_dir, tmp_path, capsys):
    path = tmp_path / "figures.json"
    options = ["--seconds", "3", "--workers", "1", "--only", "guessing", "streams", "--json", path]
    call_command("bench", "attack", *options)
    guessing, streams = json.loads(path.read_text())["attacks"]
    assert guessing["answers"]["429"] > 0 and set(guessing["answers"]) <= {"200", "429"}
    assert streams["answers"]["401"] > 0 and "202" not in streams["answers"]
    assert {seen["call"] for seen in guessing["seen"]} == {"me", "recognise", "live"}
    assert all(seen["p50"] and seen["answered"] for seen in guessing["seen"])
    assert guessing["web_mb"] > 20 and "answers to attackers" in capsys.readouterr().out


def test_a_table_names_one_photo_in_every_line():
    with zipfile.ZipFile(io.BytesIO(imports.zip_of_one_photo(1_000, b"photo"))) as archive:
        lines = archive.read("people.csv").decode().splitlines()
        assert archive.read("photo.jpg") == b"photo"
    assert len(lines) == 1_001 and all(line.endswith(",photo.jpg") for line in lines[1:])


def test_a_zip_of_many_entries_is_nothing_but_its_directory():
    with zipfile.ZipFile(io.BytesIO(bodies.zip_of_empty_files(500))) as archive:
        assert len(archive.namelist()) == 500
    assert len(bodies.zip_of_empty_files(70_000)) > 70_000 * 46  # more than the old end record can count


def test_lists_lie_in_lists():
    assert json.loads(bodies.nested_lists(3)) == [[[]]]


@pytest.fixture
def echo(tmp_path):
    """The path of a Unix socket that answers with what it is told."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "s"))
    server.listen()

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(100):
                connection.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield str(tmp_path / "s")
    thread.join()
    server.close()


def test_a_forwarder_passes_on_unless_it_is_silent(echo):
    forwarder = Forwarder(echo)
    try:
        with socket.create_connection(("127.0.0.1", forwarder.port), timeout=10) as client:
            client.sendall(b"one")
            assert client.recv(100) == b"one"
            forwarder.silent.set()
            client.sendall(b"two")
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.recv(100)
            forwarder.silent.clear()
            client.settimeout(10)
            assert client.recv(100) == b"two"  # nothing is lost
    finally:
        forwarder.close()


def test_files_without_a_name_are_seen(tmp_path):
    import os
    import tempfile

    before = open_bytes(os.getpid())
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        file.write(b"x" * 1_000_000)
        file.flush()
        os.fsync(file.fileno())
        assert open_bytes(os.getpid()) - before >= 900_000
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"x" * 100_000)
    assert disk_bytes(tmp_path) >= 100_000


def test_the_table_shows_what_failed():
    noticed = Noticed(ms=[1.0, 2.0, 3.0])
    assert noticed.percentile(50) == 2.0 and Noticed().percentile(95) is None
    seen = [Seen("me", 1.0, 2.0, 2.0, 3.0, 5, {}), Seen("live", 1.0, 2.0, None, None, 0, {"503": 4})]
    assert [each.ratio for each in seen] == [1.5, None]
    lines = table([Row("idle", {"408": 7}, seen, 100, 110, 0, 1, 0.2)])
    assert "1.5" in lines[1] and lines[2].endswith("503 × 4") and "408 × 7" in lines[3]
