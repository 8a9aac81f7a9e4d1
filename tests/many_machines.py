"""The platform on several machines (`manage.py up` on each) with one database, and nginx in front of them, where there is one."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

from database_server import OWNER, DatabaseServer, wait_until
from database_server import url as database_url
from hosts import Host
from many_clients import Crowd, listed
from platform_process import Platform
from reverse_proxies import DEPLOY, _answers, free_port

from recognition.lab.bench.api.client import Client

SETTINGS = {
    "FACEPLATFORM_SECRET_KEY": "one key for all machines of this test, as there is one for all of theirs",
    "FACEPLATFORM_KEY_RATE": "0",
    "FACEPLATFORM_USER_RATE": "0",
    "FACEPLATFORM_CAMERA_WORKERS": "0",
    # Two machines share the cores of one: no time for comparing what is faster.
    "FACEPLATFORM_RUNTIME": "mxnet",
    "FACEPLATFORM_PRECISION": "fp32",
    "FACEPLATFORM_ALLOWED_HOSTS": "*",
    "FACEPLATFORM_CONNECTIONS_PER_ADDRESS": "0",
}


class Site:
    """One platform on several machines. The caller stops it.

    url: what all of them have as DATABASE_URL. owner_url: what the first one migrates with.
    """

    def __init__(
        self, machines: Sequence[Host], *, url: str, owner_url: str, workers: int = 1, **settings: str
    ) -> None:
        self.machines = list(machines)
        self.platforms = [
            Platform(
                _folder(),
                workers=workers,
                inside=host.inside,
                FACEPLATFORM_HOST=host.address,
                DATABASE_URL=url,
                FACEPLATFORM_OWNER_DATABASE_URL=owner_url,
                **{**SETTINGS, **settings},
            )
            for host in self.machines
        ]
        self.balancer: Balancer | None = None

    def start(self) -> None:
        """One after the other: the first one migrates."""
        for host, platform in zip(self.machines, self.platforms, strict=True):
            platform.address = f"http://{host.address}:{platform.port}"
            platform.start(seconds=240)
        key = self.platforms[0].manage(
            "api_key", "create", "--user", "admin", "--scopes", "recognize", "read", "enrol", "manage"
        )
        self.api_key = key.stdout.strip()
        self.client = Client(self.platforms[0].address, self.api_key)
        self.gallery = self.client.call_checked("POST", "/galleries", {"name": "Staff"})["slug"]
        self.balancer = Balancer.of(self.platforms)

    @property
    def addresses(self) -> list[str]:
        """Where clients call: nginx, or without it each machine."""
        return [self.balancer.address] if self.balancer else [platform.address for platform in self.platforms]

    def crowd(self, *, count: int = 16, people: bool = True) -> Crowd:
        return Crowd(self.addresses, self.api_key, self.gallery, count=count, people=people)

    def process(self, number: int, part: str) -> int:
        """The process id of the part `web_server` or `recognition_worker` of a machine, once it runs."""
        return wait_until(lambda: self.platforms[number].children(part))[0]

    def wait_for_workers(self) -> None:
        """Until one of each machine is alive: one that was killed takes its time to be back."""
        address = f"{self.platforms[-1].address}/health/ready"

        def are_back() -> bool:
            try:
                with urlopen(address, timeout=5) as answer:
                    return json.load(answer)["workers"] >= len(self.platforms)
            except OSError:
                return False

        wait_until(are_back, 120)

    def check(self, crowd: Crowd) -> None:
        """Everything that was acknowledged is there, once, and nothing else is."""
        recognitions = {row["id"]: row for row in listed(self.client, "/recognitions?limit=100")}
        assert sorted(recognitions) == sorted(crowd.made("/recognitions").values())
        assert {row["status"] for row in recognitions.values()} == {"done"}
        people = listed(self.client, f"/identities?gallery={self.gallery}&limit=100")
        assert sorted((row["name"], row["id"]) for row in people) == sorted(crowd.made("/identities").items())
        self.client.close()

    def stop(self) -> None:
        if self.balancer:
            self.balancer.stop()
        running = [one for one in self.platforms if one.process is not None and one.process.poll() is None]
        for platform in running:
            platform.process.send_signal(signal.SIGINT)
        for platform in running:
            platform.process.wait(60)
        for platform in self.platforms:
            shutil.rmtree(platform.environment["FACEPLATFORM_DATA_DIR"], ignore_errors=True)


class Balancer:
    """nginx with deploy/nginx-many.conf. The caller stops it."""

    def __init__(self, program: str, platforms: Sequence[Platform]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="faceplatform-nginx-"))
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        servers = iter([platform.address.removeprefix("http://") for platform in platforms])
        upstream = re.sub(r"192\.0\.2\.1[12]:8000", lambda _: next(servers), (DEPLOY / "nginx-many.conf").read_text())
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"{kind}_temp_path {self.folder / kind};\n" for kind in kinds)
        (self.folder / "nginx.conf").write_text(
            f"daemon off;\nmaster_process off;\npid {self.folder / 'pid'};\nevents {{}}\n"
            f"http {{\naccess_log off;\nclient_max_body_size 220m;\n{places}{upstream}\n"
            'proxy_http_version 1.1;\nproxy_set_header Connection "";\nproxy_set_header Host $http_host;\n'
            f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://faceplatform; }} }}\n}}\n"
        )
        command = [program, "-p", str(self.folder), "-e", "stderr", "-c", str(self.folder / "nginx.conf")]
        with (self.folder / "errors").open("w") as errors:
            self.process = subprocess.Popen(command, cwd=self.folder, stderr=errors)
        wait_until(lambda: _answers(port))

    @classmethod
    def of(cls, platforms: Sequence[Platform]) -> "Balancer | None":
        """None where nginx is not installed: clients then know all machines."""
        program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
        return cls(program, platforms) if program and len(platforms) == 2 else None

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def running(site: Site) -> Iterator[Site]:
    with ExitStack() as stack:
        stack.callback(site.stop)
        site.start()
        yield site


@contextmanager
def with_standby(first: Host, second: Host) -> Iterator[tuple[DatabaseServer, DatabaseServer]]:
    """A database, and a standby that acknowledges with it."""
    with ExitStack() as stack:
        primary = DatabaseServer.new(first)
        stack.callback(primary.stop)
        standby = primary.standby(second)
        stack.callback(standby.stop)
        yield primary, standby


def site_on(machines: Sequence[Host], *servers, **options) -> Site:
    """A site whose database is on one of `servers`."""
    return Site(machines, url=database_url(*servers), owner_url=database_url(*servers, role=OWNER), **options)


def kill(process_id: int) -> None:
    os.kill(process_id, signal.SIGKILL)


@contextmanager
def frozen(process_id: int) -> Iterator[None]:
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)


@contextmanager
def cut_off(host: Host) -> Iterator[None]:
    host.cut_off()
    try:
        yield
    finally:
        host.connect()


def _folder() -> Path:
    """For a data directory; the system user has to get there."""
    folder = Path(tempfile.mkdtemp(prefix="faceplatform-machine-"))
    folder.chmod(0o755)
    return folder
