"""Cameras on loopback, which only tests may read, and clips of numbered pictures."""

import shutil
import ssl
import subprocess
from ipaddress import ip_network

import pytest
from mjpeg_server import jpegs
from rtsp_server import Clip
from video_files import numbered, write_video

from recognition.video.source import Allowed
from recognition.video.watch import Patience

LOOPBACK = [ip_network("127.0.0.0/8")]


@pytest.fixture
def allowed(tmp_path):
    return Allowed(networks=LOOPBACK, folder=tmp_path)


@pytest.fixture
def hasty():
    """Tries again at once. A test makes short what it waits for, and nothing else: machines may be slow."""
    return Patience(first_pause=0.02, longest_pause=0.02, lasting_pause=0.02)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Of 25 numbered pictures each, by codec; `small` is another resolution."""
    folder = tmp_path_factory.mktemp("clips")
    return {
        name: Clip(write_video(folder / f"{name}.ts", numbered(25, size), codec=codec, gop=10))
        for name, codec, size in (
            ("h264", "libx264", (320, 240)),
            ("h265", "libx265", (320, 240)),
            ("small", "libx264", (160, 120)),
        )
    }


@pytest.fixture(scope="session")
def pictures():
    """The same pictures as JPEGs."""
    return jpegs(numbered(25))


@pytest.fixture(scope="session")
def server_tls(tmp_path_factory):
    """A certificate that the camera has signed itself."""
    if not shutil.which("openssl"):
        pytest.skip("needs the openssl command, to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out crt -days 2 -subj /CN=cam"
    )
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    return context
