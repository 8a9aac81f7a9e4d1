"""Lists, installs, imports, measures and verifies model packs."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recognition.engine.liveness import MANIFEST as LIVENESS_MANIFEST
from recognition.engine.manifest import COLOURS, METRICS, PackError, load_manifest, sha256_of, verify_pack
from recognition.engine.runnable import DeviceError
from recognition.management.progress_bars import advance
from recognition.packs.install import catalogue, install_pack, liveness_catalogue

DEFAULT_DETECTOR = settings.DEFAULT_PACK


class Command(BaseCommand):
    help = "Lists, installs, imports, measures and verifies model packs."
    requires_system_checks = []

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="known and installed packs, with their licences")
        install = actions.add_parser("install", help="download, verify and convert a pack from the catalogue")
        install.add_argument("name")
        install.add_argument(
            "--from", dest="source", type=Path, help="folder or file with the published files, instead of downloading"
        )
        install.add_argument("--force", action="store_true", help="replace an installed pack")
        install.add_argument("--accept-licence", action="store_true", help="accept a licence that restricts the use")
        verify = actions.add_parser(
            "verify", help="check the sha256 of every file, and show how the nets run on this machine"
        )
        verify.add_argument("name", nargs="?")
        measure = actions.add_parser(
            "measure", help="measure the FAR curve on photos of people, and save it in the pack"
        )
        measure.add_argument("name")
        measure.add_argument("folder", type=Path, help="folder with one folder of photos per person")
        measure.add_argument("--describe", help="what the photos are, for the pack's manifest")
        measure.add_argument("--dry-run", action="store_true", help="print the curve, but save nothing")
        for action, what in (("import-onnx", "an ONNX file"), ("import-mxnet", "NAME-symbol.json, NAME-0000.params")):
            self._add_import(actions.add_parser(action, help=f"make a pack from {what}"), what)

    @staticmethod
    def _add_import(parser, what):
        parser.add_argument("name", help="name of the new pack")
        parser.add_argument("--embedder", type=Path, required=True, help=f"{what}: file, prefix or folder")
        parser.add_argument("--detector", help=f"an SCRFD or YuNet file in ONNX, a folder with det1–det3, or an installed "
                            f"pack whose detector to use (default: {DEFAULT_DETECTOR})")  # fmt: skip
        parser.add_argument("--licence", required=True, help="licence of the embedder, as its publisher states it")
        parser.add_argument(
            "--detector-licence", default="not stated", help="licence of a detector that is not installed"
        )
        parser.add_argument("--commercial-use", action="store_true", help="the licences allow commercial use")
        parser.add_argument("--title", help="shown to people; default: the name")
        parser.add_argument("--colours", choices=COLOURS, default="rgb")
        parser.add_argument(
            "--mean", type=float, nargs="+", help="subtracted from pixels of 0–255; one or three numbers"
        )
        parser.add_argument("--std", type=float, nargs="+", help="divides the pixels; one or three numbers")
        parser.add_argument("--metric", choices=METRICS, default="cosine")
        parser.add_argument("--threshold", type=float, help="1:1 threshold as L2 distance; cosine c is sqrt(2 - 2c)")
        parser.add_argument(
            "--size", type=int, default=112, help="of the aligned faces in px, if the net does not fix it"
        )
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
        for name, entry in liveness_catalogue().items():
            state = "installed" if (settings.MODELS_DIR / name / LIVENESS_MANIFEST).is_file() else "not installed"
            use = "yes" if entry["commercial_use"] else "no"
            self.stdout.write(
                f"{name:20} {state:14} commercial use: {use:4} {entry['licence']}; tells pictures of faces"
            )

    def _facts(self, name: str) -> tuple[str, dict]:
        """Its state, and its facts: from the manifest if the pack is installed, otherwise from the catalogue."""
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
        from recognition.engine.liveness import verify_liveness
        from recognition.engine.liveness_nets import LivenessNets
        from recognition.engine.pipeline import Pipeline
        from recognition.photos.loading import engine_options

        liveness = set(self._installed(LIVENESS_MANIFEST))
        for pack in [name] if name else sorted({*self._installed(), *liveness}):
            folder = settings.MODELS_DIR / pack
            manifest = verify_liveness(folder) if pack in liveness else verify_pack(folder)
            use = "yes" if manifest.commercial_use else "no"
            self.stdout.write(
                f"{pack}: {len(manifest.files)} files are intact; {manifest.licence}; commercial use: {use}"
            )
            options = engine_options()
            engine = (LivenessNets(folder, **options) if pack in liveness else Pipeline.load(folder, **options)).engine
            self._describe(engine)

    def _describe(self, engine: dict[str, Any]) -> None:
        self.stdout.write(f"  on {engine['device']}: {engine['processor']}, {engine['amx']}; {engine['runtime']}")
        for net in engine["nets"]:
            self.stdout.write(
                f"  {net['name']}: {net['precision']} in {net['runtime']} – {net['why']}; cosine {net['cosine']:.7f}"
            )
            for step in net["passes"]:
                self.stdout.write(f"    {step}")

    def measure_packs(self, *, name, folder, describe, dry_run, **options):
        from recognition.engine.pipeline import Pipeline
        from recognition.packs.measure import measure, save_measurement

        pack_dir = settings.MODELS_DIR / name
        manifest = verify_pack(pack_dir)
        with tqdm(desc="photos", disable=not sys.stderr.isatty()) as bar:
            measured = measure(Pipeline.load(pack_dir), folder, advance(bar))
        for distance, far, tar in measured.curve:
            self.stdout.write(f"    [{distance}, {far}, {tar}],")
        self.stdout.write(
            f"{measured.photos} photos of {measured.people} people, {measured.pairs}; without a face: {len(measured.missed)}"
        )
        if not dry_run:
            described = describe or f"{measured.photos} photos of {measured.people} people in {folder.name}"
            kept = save_measurement(manifest, pack_dir, measured, described)
            self.stdout.write(f"Saved in the pack {name}. Its 1:1 threshold is now {kept.threshold_1to1}.")

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
        detector_part = self._detector(detector or DEFAULT_DETECTOR, detector_licence, commercial_use)
        build_pack(name, settings.MODELS_DIR, part, detector_part, force=force, say=self.stdout.write)
        self.stdout.write(
            "Its thresholds are cautious estimates until you measure them: "
            f"manage.py packs measure {name} FOLDER (with one folder per person)."
        )

    @staticmethod
    def _detector(given: str, licence: str, commercial_use: bool):
        from recognition.packs import import_mxnet, import_onnx
        from recognition.packs.build import DetectorPart, installed_detector

        path = Path(given)
        if path.suffix == ".onnx":
            kind, graph = import_onnx.detector_graph(Command._existing(path))
            return DetectorPart(
                kind, {"detector": graph}, licence, commercial_use, [_source("detector", path, licence)]
            )
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
    def _installed(manifest: str = "manifest.json") -> list[str]:
        return sorted(path.parent.name for path in settings.MODELS_DIR.glob(f"*/{manifest}"))


def _source(part: str, path: Path, licence: str) -> dict[str, str]:
    return {"part": part, "file": path.name, "sha256": sha256_of(path), "licence": licence}


def _three(values: list[float] | None, option: str) -> list[float] | None:
    if values is None or len(values) == 3:
        return values
    if len(values) != 1:
        raise PackError(f"{option} takes one number or three.")
    return values * 3
