"""Model packs: what is known, installing, importing, measuring, checking."""

import sys
from dataclasses import asdict
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recognition.engine.manifest import COLOURS, METRICS, PackError, load_manifest, sha256_of, verify_pack
from recognition.engine.mxnet_runtime import DeviceError
from recognition.packs.install import catalogue, install_pack

DEFAULT_DETECTOR = "dlib-resnet"


class Command(BaseCommand):
    help = "Lists, installs, imports, measures and verifies model packs."
    requires_system_checks = []

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="known and installed packs, with their licences")
        install = actions.add_parser("install", help="fetch, check and convert a pack of the catalogue")
        install.add_argument("name")
        install.add_argument("--from", dest="source", type=Path, help="folder or file with what is published")
        install.add_argument("--force", action="store_true", help="install again over what is there")
        install.add_argument("--accept-licence", action="store_true", help="where the licence restricts use")
        verify = actions.add_parser("verify", help="check the sha256 of every file, and how its nets run here")
        verify.add_argument("name", nargs="?")
        measure = actions.add_parser("measure", help="measure the FAR curve on photos of people, and keep it")
        measure.add_argument("name")
        measure.add_argument("folder", type=Path, help="a folder for each person")
        measure.add_argument("--describe", help="what the photos are, for the pack's manifest")
        measure.add_argument("--dry-run", action="store_true", help="print the curve, keep nothing")
        for action, what in (("import-onnx", "an ONNX file"), ("import-mxnet", "NAME-symbol.json, NAME-0000.params")):
            self._add_import(actions.add_parser(action, help=f"make a pack of {what}"), what)

    @staticmethod
    def _add_import(parser, what):
        parser.add_argument("name", help="of the new pack")
        parser.add_argument("--embedder", type=Path, required=True, help=f"{what}: file, prefix or folder")
        parser.add_argument("--detector", help=f"SCRFD in ONNX, a folder with det1–det3, or an installed pack "
                            f"whose detector is to be used (default: {DEFAULT_DETECTOR})")  # fmt: skip
        parser.add_argument("--licence", required=True, help="of the embedder, as its publisher states it")
        parser.add_argument("--detector-licence", default="not stated", help="of a detector that is a file")
        parser.add_argument("--commercial-use", action="store_true", help="the licences allow it")
        parser.add_argument("--title", help="for people; default: the name")
        parser.add_argument("--colours", choices=COLOURS, default="rgb")
        parser.add_argument("--mean", type=float, nargs="+", help="one or three numbers; pixels are 0–255")
        parser.add_argument("--std", type=float, nargs="+", help="one or three numbers")
        parser.add_argument("--metric", choices=METRICS, default="cosine")
        parser.add_argument("--threshold", type=float, help="1:1 threshold as L2 distance; cosine c is sqrt(2 - 2c)")
        parser.add_argument("--size", type=int, default=112, help="of the chips, px, where the net leaves it open")
        parser.add_argument("--force", action="store_true", help="replace the pack of that name")

    def handle(self, *, action, **options):
        try:
            getattr(self, f"{action.replace('-', '_')}_packs")(**options)
        except (PackError, DeviceError) as error:
            raise CommandError(str(error)) from error

    def list_packs(self, **options):
        for name in sorted({*catalogue(), *self._installed()}):
            state, facts = self._facts(name)
            licence, commercial = facts["licence"], facts["commercial_use"]
            self.stdout.write(f"{name:20} {state:14} commercial use: {'yes' if commercial else 'no':4} {licence}")

    def _facts(self, name: str) -> tuple[str, dict]:
        """What is known of a pack: by its manifest where it is installed, else by the catalogue."""
        if name not in self._installed():
            return "not installed", catalogue()[name]
        try:
            return "installed", asdict(load_manifest(settings.MODELS_DIR / name))
        except PackError:
            return "damaged", catalogue().get(name, {"licence": "unknown", "commercial_use": False})

    def install_packs(self, *, name, source, force, accept_licence, **options):
        def accept(licence: str) -> bool:
            if accept_licence or not sys.stdin.isatty():
                return accept_licence
            self.stdout.write(f"The licence of {name} restricts its use: {licence}")
            return input("May you use it under this licence? Type yes: ").strip().lower() == "yes"

        install_pack(name, settings.MODELS_DIR, source=source, force=force, progress=self.stdout.write, accept=accept)

    def verify_packs(self, *, name, **options):
        from recognition.engine.pipeline import Pipeline

        for pack in [name] if name else self._installed():
            manifest = verify_pack(settings.MODELS_DIR / pack)
            use = "yes" if manifest.commercial_use else "no"
            self.stdout.write(
                f"{pack}: {len(manifest.files)} files are whole; {manifest.licence}; commercial use: {use}"
            )
            pipeline = Pipeline.load(settings.MODELS_DIR / pack, device=settings.DEVICE, precision=settings.PRECISION)
            self.stdout.write(
                f"  on {pipeline.engine['device']}: {pipeline.engine['processor']}, {pipeline.engine['amx']}"
            )
            for net in pipeline.engine["nets"]:
                self.stdout.write(f"  {net['name']}: {net['precision']} – {net['why']}; cosine {net['cosine']:.7f}")
                for step in net["passes"]:
                    self.stdout.write(f"    {step}")

    def measure_packs(self, *, name, folder, describe, dry_run, **options):
        from recognition.engine.pipeline import Pipeline
        from recognition.packs.measure import measure, save_measurement

        pack_dir = settings.MODELS_DIR / name
        manifest = verify_pack(pack_dir)
        with tqdm(desc="photos", disable=not sys.stderr.isatty()) as bar:
            found = measure(Pipeline.load(pack_dir), folder, lambda number, of: (bar.reset(of), bar.update(number)))
        for distance, far, tar in found.curve:
            self.stdout.write(f"    [{distance}, {far}, {tar}],")
        self.stdout.write(
            f"{found.photos} photos of {found.people} people, {found.pairs}; without a face: {len(found.missed)}"
        )
        if not dry_run:
            described = describe or f"{found.photos} photos of {found.people} people in {folder.name}"
            kept = save_measurement(manifest, pack_dir, found, described)
            self.stdout.write(f"Kept in the pack {name}; its 1:1 threshold is now {kept.threshold_1to1}.")

    def import_onnx_packs(self, *, embedder, size, **options):
        from recognition.packs import import_onnx

        graph, size = import_onnx.embedder_graph(self._existing(embedder), size)
        self._build(graph, size, [embedder], **options)

    def import_mxnet_packs(self, *, embedder, size, **options):
        from recognition.packs import import_mxnet

        graph, size = import_mxnet.embedder_graph(embedder, size)
        self._build(graph, size, import_mxnet.files_of(embedder), **options)

    def _build(self, graph, size, files, *, name, detector, detector_licence, licence, commercial_use, title, colours,
               mean, std, metric, threshold, force, **options):  # fmt: skip
        from recognition.packs.build import EmbedderPart, build_pack

        part = EmbedderPart(
            graph=graph,
            size=size,
            title=title or name,
            licence=licence,
            commercial_use=commercial_use,
            sources=[_source("embedder", path, licence) for path in files],
            colours=colours,
            mean=_three(mean, "--mean"),
            std=_three(std, "--std"),
            metric=metric,
            threshold_1to1=threshold,
        )
        found = self._detector(detector or DEFAULT_DETECTOR, detector_licence, commercial_use)
        build_pack(name, settings.MODELS_DIR, part, found, force=force, say=self.stdout.write)
        self.stdout.write(
            "Its thresholds are careful guesses until they are measured: "
            f"manage.py packs measure {name} FOLDER (a folder for each person)."
        )

    @staticmethod
    def _detector(given: str, licence: str, commercial_use: bool):
        from recognition.packs import import_mxnet, import_onnx
        from recognition.packs.build import DetectorPart, installed_detector

        path = Path(given)
        if path.suffix == ".onnx":
            graphs = {"detector": import_onnx.scrfd_graph(Command._existing(path))}
            return DetectorPart("scrfd", graphs, licence, commercial_use, [_source("detector", path, licence)])
        if path.is_dir():
            files = [file for prefix, _ in import_mxnet.MTCNN.values() for file in import_mxnet.files_of(path / prefix)]
            sources = [_source("detector", file, licence) for file in files]
            return DetectorPart("mtcnn", import_mxnet.mtcnn_graphs(path), licence, commercial_use, sources)
        return installed_detector(settings.MODELS_DIR / given)

    @staticmethod
    def _existing(path: Path) -> Path:
        if not path.is_file():
            raise PackError(f"There is no file {path}.")
        return path

    @staticmethod
    def _installed() -> list[str]:
        return sorted(path.parent.name for path in settings.MODELS_DIR.glob("*/manifest.json"))


def _source(part: str, path: Path, licence: str) -> dict[str, str]:
    return {"part": part, "file": path.name, "sha256": sha256_of(path), "licence": licence}


def _three(values: list[float] | None, option: str) -> list[float] | None:
    if values is None or len(values) == 3:
        return values
    if len(values) != 1:
        raise PackError(f"{option} takes one number or three.")
    return values * 3
