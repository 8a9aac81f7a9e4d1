"""Measures the platform on this machine. Compare figures only within one run: absolute ones depend on the machine."""

import json
import os
import signal
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from gallery.search.synthetic import SAMPLES_PER_PERSON
from recognition.lab.training.options import NETWORKS

DEFAULT_RUNTIMES = ("auto", "mxnet", "mxnet-fp32", "mxnet-stock", "ort", "openvino-bf16")
# Name of a run of the whole chain → what Pipeline.load is given.
CHAINS: dict[str, dict[str, Any]] = {
    "auto": {"runtime": "auto"},
    "mxnet": {},
    "fp32": {"precision": "fp32"},
}


class Command(BaseCommand):
    help = "Measures the engine against other runtimes, the vector search, training, and the REST API under load."
    requires_system_checks = []

    def add_arguments(self, parser):
        parts = parser.add_subparsers(dest="part", required=True)
        engine = parts.add_parser(
            "engine", help="nets against ONNX Runtime and OpenVINO, and the chain from photo to embedding"
        )
        engine.add_argument(
            "--nets",
            nargs="*",
            help="of dlib mbf r50 r100 scrfd mtcnn; default: all; without a name: only the whole chain",
        )
        engine.add_argument("--runtimes", nargs="+", default=DEFAULT_RUNTIMES)
        engine.add_argument("--batches", nargs="+", type=int, help="default: 1 and 8 for embedders")
        engine.add_argument("--seconds", type=float, default=1.5, help="length of a turn")
        engine.add_argument("--rounds", type=int, default=5, help="turns for each runtime")
        engine.add_argument(
            "--processes", type=int, default=os.cpu_count(), help="single-threaded processes for each runtime"
        )
        engine.add_argument("--no-amx", action="store_true", help="run as on a processor without AMX and bfloat16")
        engine.add_argument("--photos", type=Path, help="a folder of photos, for the whole chain")
        engine.add_argument("--json", type=Path, help="write the figures to this file")
        search = parts.add_parser("search", help="vector search in a synthetic gallery, against exact search in memory")
        search.add_argument("--rows", nargs="+", type=int, default=[100_000], help="number of samples in the gallery")
        search.add_argument("--dim", nargs="+", type=int, default=[128, 512])
        search.add_argument("--keep", action="store_true", help="leave the large gallery in the database")
        search.add_argument("--json", type=Path, help="write the figures to this file")
        _add_api_arguments(
            parts.add_parser("api", help="the REST API, of a platform started for this or of a running one")
        )
        _add_attack_arguments(
            parts.add_parser("attack", help="what honest callers notice while a platform started for this is attacked")
        )

        cameras = parts.add_parser("cameras", help="reading cameras, of a platform started for this")
        cameras.add_argument(
            "--cameras", nargs="*", type=int, default=[1, 8], help="how many at a time; none: no table"
        )
        cameras.add_argument("--scenes", nargs="+", choices=("busy", "still"), default=["busy", "still"])
        cameras.add_argument("--fps", type=float, default=4, help="pictures a second to analyse")
        cameras.add_argument("--min-frames", type=int, default=3, help="usable faces that a name needs")
        cameras.add_argument("--seconds", type=float, default=60, help="length of each measurement")
        cameras.add_argument("--beside", type=int, metavar="CAMERAS",
                             help="then recognise through the API beside so many cameras of the first scene")  # fmt: skip
        cameras.add_argument("--duration", type=float, default=60, help="seconds of --beside, with and without cameras")
        cameras.add_argument("--clients", type=int, default=1, help="of --beside")
        cameras.add_argument(
            "--live", type=float, metavar="SECONDS", help="then watch a live picture and see how old it is"
        )
        cameras.add_argument("--photos", type=Path, help="a folder of portraits, one face each; else blocks move")
        cameras.add_argument("--workers", type=int, default=1, help="recognition workers beside them")
        cameras.add_argument("--json", type=Path, help="write the figures to this file")

        pages = parts.add_parser("pages", help="what pages cost in a large gallery, of a platform started for this")
        pages.add_argument("--people", type=int, default=10_000)
        pages.add_argument("--rounds", type=int, default=9, help="how often each page is read")
        pages.add_argument("--json", type=Path, help="write the figures to this file")
        queries = parts.add_parser("queries", help="how many queries an administrator's pages need, as JSON")
        queries.add_argument("addresses", nargs="+")

        training = parts.add_parser("training", help="how many faces per second each network learns from")
        training.add_argument("--nets", nargs="+", choices=NETWORKS, default=NETWORKS)
        training.add_argument("--batch", type=int, default=16)
        training.add_argument("--steps", type=int, default=3)
        training.add_argument("--threads", type=int, default=1)
        training.add_argument("--device", default="cpu")
        training.add_argument("--json", type=Path, help="write the figures to this file")

    def handle(self, *, part, **options):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a platform of its own is stopped, too
        getattr(self, f"bench_{part}")(**options)

    def bench_engine(self, *, nets, runtimes, batches, seconds, rounds, processes, no_amx, photos, json: Path | None,
                     **options):  # fmt: skip
        try:
            import onnxruntime  # noqa: F401
            import openvino  # noqa: F401
        except ImportError as error:
            raise CommandError(f"{error}. Install the development requirements first: requirements-dev.txt") from error
        from recognition.engine import cpu
        from recognition.lab.bench.cases import CASES
        from recognition.lab.bench.engine import NO_AMX, BenchError, as_json, compare, table

        environment = NO_AMX if no_amx else {}
        if no_amx:
            os.environ.update(environment)
            cpu.prepare.cache_clear()
        processor = cpu.prepare()
        self.stdout.write(
            f"{processor.name}: {processor.note}; bfloat16: {processor.bfloat16}. "
            f"{processes} single-threaded processes for each runtime, {rounds} turns of {seconds} s."
        )
        rows = []
        for name in CASES if nets is None else nets:
            if name not in CASES:
                raise CommandError(f"There is no net “{name}”. Known: {', '.join(CASES)}.")
            for batch in batches or CASES[name].batches:
                try:
                    measured = compare(name, batch, runtimes, settings.MODELS_DIR, seconds=seconds, rounds=rounds,
                                       processes=processes, environment=environment, say=self._say)  # fmt: skip
                except BenchError as error:
                    self.stderr.write(str(error))
                    continue
                rows += measured
                self._table(table(measured, [r for r in runtimes if not r.startswith("mxnet")]), measured)
        chain = self._chain(photos, rounds)
        if json:
            self._write(json, {"processor": processor.name, "amx": processor.note, "processes": processes,
                               "nets": as_json(rows), "chain": chain})  # fmt: skip

    def bench_search(self, *, rows, dim, keep, json: Path | None, **options):
        from gallery.search.bench import bench_search, describe

        if "gallery_faceembedding" not in connection.introspection.table_names():
            raise CommandError("The database is empty. Run manage.py migrate first.")
        measured = []
        for size in rows:
            for length in dim:
                measured.append(bench_search(size, length, keep=keep, say=self._say))
                self.stdout.write("\n".join(describe(measured[-1])))
        if json:
            self._write(json, {"search": [figures.as_dict() for figures in measured]})

    def bench_training(self, *, nets, batch, steps, threads, device, json: Path | None, **options):
        from recognition.engine.mxnet_runtime import import_mxnet
        from recognition.lab.bench.training import training_speed

        import_mxnet(threads=threads)
        speeds = []
        for network in nets:
            speeds.append(training_speed(network, batch=batch, steps=steps, device=device))
            self.stdout.write(
                f"{network:5} batch {batch}: {speeds[-1].images_per_second:.1f} images per second of real time, "
                f"{speeds[-1].images_per_cpu_second:.1f} per second of processor time"
            )
        if json:
            self._write(json, {"training": [asdict(speed) for speed in speeds], "threads": threads, "device": device})

    def bench_api(self, *, url, key, workers, photos, samples, dim, clients, seconds, minutes, json: Path | None,
                  **options):  # fmt: skip
        from recognition.lab.bench.api.measure import drawn_photos
        from recognition.lab.bench.api.platform import OwnPlatform, RunningPlatform
        from recognition.lab.bench.chain import photos_in
        from recognition.lab.bench.engine import BenchError

        if url and not key:
            raise CommandError("--url needs --key: an API key with all scopes, of a user who may create galleries.")
        if url and samples:
            raise CommandError("--samples fills the database of a platform that the bench starts itself. Omit --url.")
        pictures = photos_in(photos) if photos else drawn_photos()
        load = {"clients": clients, "seconds": seconds, "minutes": minutes, "workers": workers}
        try:
            if url:
                figures = self._api(RunningPlatform(url, key), pictures, None, **load)
            else:
                with (
                    tempfile.TemporaryDirectory(prefix="faceplatform-bench-") as folder,
                    OwnPlatform(Path(folder), settings.MODELS_DIR, workers) as platform,
                ):
                    gallery = platform.fill_gallery(samples, dim) if samples else None
                    figures = self._api(platform, pictures, gallery, **load)
        except BenchError as error:
            raise CommandError(str(error)) from error
        if json:
            self._write(json, figures)

    def _api(self, platform, photos, gallery, *, clients, seconds, minutes, workers) -> dict:
        from recognition.lab.bench.api.bare_engine import BareEngine
        from recognition.lab.bench.api.measure import measure, prepared_calls, soak, table

        pack = settings.MODELS_DIR / settings.DEFAULT_PACK
        with prepared_calls(platform, photos, gallery) as calls:
            rows = []
            with BareEngine(pack, photos, workers, settings.RUNTIME) if platform.processes else nullcontext() as engine:
                for name, call in calls.items():
                    for count in clients:
                        bare_engine = engine if name == "recognise" else None
                        rows.append(measure(platform, call, clients=count, seconds=seconds, engine=bare_engine))
            self.stdout.write("\n".join(table(rows)))
            figures = {"workers": workers, "calls": [row.as_dict() for row in rows]}
            if minutes:
                mixed = list(calls.values())
                figures["soak"] = soak(platform, mixed, clients=max(clients), minutes=minutes, say=self.stdout.write)
        return figures

    def bench_attack(self, *, seconds, only, workers, json: Path | None, **options):
        from recognition.lab.bench.api.measure import drawn_photos
        from recognition.lab.bench.api.platform import OwnPlatform
        from recognition.lab.bench.attack.measure import measure, prepared_target, table
        from recognition.lab.bench.engine import BenchError

        rows = []
        try:
            with (
                tempfile.TemporaryDirectory(prefix="faceplatform-bench-") as folder,
                OwnPlatform(Path(folder), settings.MODELS_DIR, workers) as platform,
                prepared_target(platform, drawn_photos()) as target,
            ):
                for name in only:
                    rows.append(measure(name, target, seconds))
                    self.stdout.write("\n".join(table(rows[-1:])))
        except BenchError as error:
            raise CommandError(str(error)) from error
        if json:
            self._write(json, {"workers": workers, "seconds": seconds, "attacks": [row.as_dict() for row in rows]})

    def bench_cameras(self, *, photos, workers, json: Path | None, **options):
        import cv2

        from recognition.lab.bench.api.platform import OwnPlatform
        from recognition.lab.bench.cameras.films import write_films
        from recognition.lab.bench.engine import BenchError

        found = [cv2.imread(str(path)) for path in sorted(photos.iterdir())] if photos else []
        portraits = [portrait for portrait in found if portrait is not None]
        try:
            with tempfile.TemporaryDirectory(prefix="faceplatform-bench-") as folder:
                write_films(Path(folder) / "films", portraits)
                more = {
                    "FACEPLATFORM_CAMERA_FOLDER": str(Path(folder) / "films"),
                    "FACEPLATFORM_OUTGOING_NETWORKS": "public,private,127.0.0.0/8",  # the camera with the clock
                }
                with OwnPlatform(Path(folder) / "data", settings.MODELS_DIR, workers, more) as platform:
                    figures = self._cameras(platform, portraits, **options)
        except BenchError as error:
            raise CommandError(str(error)) from error
        if json:
            self._write(json, figures)

    def _cameras(self, platform, portraits, *, cameras, scenes, fps, min_frames, seconds, beside, duration, clients, live,
                 **options) -> dict:  # fmt: skip
        from recognition.lab.bench.api.measure import drawn_photos
        from recognition.lab.bench.cameras import beside as others
        from recognition.lab.bench.cameras.live_delay import live_delay
        from recognition.lab.bench.cameras.measure import Load, measure, megabytes_without_cameras, table

        figures: dict[str, Any] = {"seconds": seconds, "cameras": []}
        without = megabytes_without_cameras(platform, Load(1, "busy", fps, min_frames, portraits)) if cameras else 0
        rows = []
        for scene in scenes:
            for count in cameras:
                load = Load(count, scene, fps, min_frames, portraits)
                rows.append(measure(platform, load, seconds=seconds, without=without, say=self._say))
        if rows:
            self.stdout.write("\n".join([*table(rows), f"camera worker without a camera: {without} MB"]))
            figures |= {"cameras": [row.as_dict() for row in rows], "megabytes_without": without}
        if beside:
            load = Load(beside, scenes[0], fps, min_frames, portraits)
            slower = others.beside(platform, load, drawn_photos(), clients=clients, seconds=duration)
            self.stdout.write(str(slower))
            figures["beside"] = slower.as_dict()
        if live:
            delay = live_delay(platform, seconds=live)
            self.stdout.write(str(delay))
            figures["live"] = delay.as_dict()
        return figures

    def bench_pages(self, *, people, rounds, json: Path | None, **options):
        from recognition.lab.bench.api.platform import OwnPlatform
        from recognition.lab.bench.engine import BenchError
        from recognition.lab.bench.pages import PASSWORD, measure, table

        more = {"FACEPLATFORM_ADMIN_PASSWORD": PASSWORD}
        try:
            with (
                tempfile.TemporaryDirectory(prefix="faceplatform-bench-") as folder,
                OwnPlatform(Path(folder), settings.MODELS_DIR, 1, more) as platform,
            ):
                slug = platform.fill_gallery(people * SAMPLES_PER_PERSON, 128)
                rows = measure(platform, slug, rounds=rounds)
        except BenchError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("\n".join(table(rows)))
        if json:
            self._write(json, {"people": people, "pages": [row.as_dict() for row in rows]})

    def bench_queries(self, *, addresses, **options):
        """Each page is read twice: what is read once for all is not counted."""
        client, counts = Client(headers={"host": "localhost"}), {}
        client.force_login(User.objects.filter(is_superuser=True, is_active=True).earliest("date_joined"))
        for address in addresses:
            client.get(address)
            with CaptureQueriesContext(connection) as captured:
                client.get(address)
            counts[address] = len(captured)
        self.stdout.write(json.dumps(counts))

    def _table(self, lines, rows):
        for line in lines:
            self.stdout.write(line)
        for row in rows:
            if row.note:
                self.stdout.write(f"  {row.runtime}: {row.note}")

    def _chain(self, photos: Path | None, rounds: int) -> dict:
        from recognition.engine.pipeline import Pipeline
        from recognition.lab.bench.chain import measure, photos_in

        jpegs = photos_in(photos)
        figures = {}
        for name, options in CHAINS.items():
            pipeline = Pipeline.load(settings.MODELS_DIR / settings.DEFAULT_PACK, **options)
            figures[name] = measure(pipeline, jpegs, rounds=rounds)
            stages = ", ".join(f"{stage} {value}" for stage, value in figures[name]["ms"].items())
            self.stdout.write(f"whole chain, 640x480, {name}, ms a photo: {stages}")
        return figures

    def _say(self, text: str) -> None:
        if self.stderr.isatty():
            self.stderr.write(text)

    @staticmethod
    def _write(path: Path, figures: dict) -> None:
        path.write_text(json.dumps(figures, indent=1) + "\n")


def _add_attack_arguments(attack) -> None:
    from recognition.lab.bench.attack.attacker import ATTACKS

    attack.add_argument("--seconds", type=float, default=20, help="length of each attack, and of the time without it")
    attack.add_argument("--only", nargs="+", choices=ATTACKS, default=list(ATTACKS), metavar="NAME",
                        help=f"some of {', '.join(ATTACKS)}")  # fmt: skip
    attack.add_argument("--workers", type=int, default=os.cpu_count(), help="of the platform that the bench starts")
    attack.add_argument("--json", type=Path, help="write the figures to this file")


def _add_api_arguments(api) -> None:
    api.add_argument("--clients", nargs="+", type=int, default=[1, 8, 32])
    api.add_argument("--seconds", type=float, default=10, help="length of each measurement")
    api.add_argument(
        "--minutes", type=float, help="then also mix all calls from the most clients for this long, and watch memory"
    )
    api.add_argument("--workers", type=int, default=os.cpu_count(), help="of the platform that the bench starts")
    api.add_argument("--photos", type=Path, help="a folder of photos; default: drawn faces")
    api.add_argument("--samples", type=int, help="also search in a gallery of this many synthetic vectors")
    api.add_argument("--dim", type=int, default=128, help="values in a vector, for --samples")
    api.add_argument("--url", help="a running platform; a gallery is created in it, and deleted at the end")
    api.add_argument("--key", help="an API key for --url, with all scopes")
    api.add_argument("--json", type=Path, help="write the figures to this file")
