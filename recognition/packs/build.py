"""Builds a pack from imported nets: checks them, writes them and a manifest, and moves the finished pack into place."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recognition.engine import builtin_faces
from recognition.engine.align import ALIGNMENTS
from recognition.engine.graph.ir import Graph
from recognition.engine.graph.strip_scaling import strip_scaling
from recognition.engine.manifest import Manifest, PackError, load_manifest, sha256_of, verify_pack, write_manifest
from recognition.engine.mxnet_runtime import import_mxnet
from recognition.packs.install import Say, install_lock, replace_folder, save_graph

ALIGNMENT_OF = {alignment.chip_size: name for name, alignment in ALIGNMENTS.items()}
INSIGHTFACE_SCALING = (127.5, 127.5)
UNMEASURED = "nothing yet: manage.py packs measure NAME FOLDER"
COSINE_1TO1 = 0.40  # assumed 1:1 threshold of nets trained with an angular margin
SLOPE = 12.2  # score_slope times the 1:1 threshold, as in the default pack


@dataclass(frozen=True, slots=True)
class EmbedderPart:
    """The embedder of a new pack; fields as in Manifest.

    size: of its chips, px. mean, std: None to take them from the graph, or InsightFace's if it has none.
    """

    graph: Graph
    size: int
    title: str
    licence: str
    commercial_use: bool
    sources: list[dict[str, str]]
    colours: str = "rgb"
    mean: list[float] | None = None
    std: list[float] | None = None
    metric: str = "cosine"
    threshold_1to1: float | None = None


@dataclass(frozen=True, slots=True)
class DetectorPart:
    """The detector of a new pack. kind: mtcnn, scrfd or yunet. graphs: net → graph."""

    kind: str
    graphs: dict[str, Graph]
    licence: str
    commercial_use: bool
    sources: list[dict[str, str]] = field(default_factory=list)


def installed_detector(pack_dir: Path) -> DetectorPart:
    """Loads the detector of an installed pack, for use with another embedder. Raises PackError."""
    from recognition.engine.mxnet_runtime import load_graph

    manifest = verify_pack(pack_dir)
    names = ("pnet", "rnet", "onet") if manifest.detector == "mtcnn" else ("detector",)
    graphs = {n: load_graph(pack_dir / f"{n}-symbol.json", pack_dir / f"{n}-0000.params") for n in names}
    sources = [source for source in manifest.sources if source.get("part") == "detector"]
    licence = sources[0]["licence"] if sources else manifest.licence
    return DetectorPart(manifest.detector, graphs, licence, manifest.commercial_use, sources)


def build_pack(
    name: str,
    models_dir: Path,
    embedder: EmbedderPart,
    detector: DetectorPart,
    *,
    force: bool = False,
    say: Say = print,
) -> Manifest:
    """Writes the pack models_dir/name. If it raises PackError, nothing has changed. say: prints a line of progress."""
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
        raise PackError(f"“{name}” cannot be the name of a pack: use letters, digits, -, _ and dots.")
    with install_lock(models_dir):
        if (models_dir / name).exists() and not force:
            raise PackError(f"There is already a pack {name}. Take another name, or add --force to replace it.")
        with tempfile.TemporaryDirectory(dir=models_dir, prefix=".install-") as scratch:
            folder = Path(scratch) / "pack"
            folder.mkdir()
            manifest = _write(name, folder, embedder, detector)
            replace_folder(folder, models_dir / name)
    say(f"Imported the model pack {name} ({manifest.licence}).")
    return manifest


def _write(name: str, folder: Path, embedder: EmbedderPart, detector: DetectorPart) -> Manifest:
    graph = embedder.graph.copy()
    mean, std = _scaling(graph, embedder)
    dim = _dim(graph, embedder.size)
    files = []
    for net, part in {"embedder": graph, **detector.graphs}.items():
        files += save_graph(part, folder, net)
    threshold = embedder.threshold_1to1 or _default_threshold(embedder.metric)
    manifest = Manifest(
        name=name,
        title=embedder.title,
        detector=detector.kind,
        embedder=embedder.title,
        dim=dim,
        alignment=ALIGNMENT_OF[embedder.size],
        colours=embedder.colours,
        mean=mean,
        std=std,
        metric=embedder.metric,
        licence=f"{embedder.licence} (embedder), {detector.licence} (detector)",
        commercial_use=embedder.commercial_use and detector.commercial_use,
        sources=[*embedder.sources, *detector.sources],
        files={file: sha256_of(folder / file) for file in files},
        threshold_1to1=threshold,
        score_slope=SLOPE / threshold,
        far_curve=[],
        far_pairs={},
        measured_on=UNMEASURED.replace("NAME", name),
    )
    write_manifest(manifest, folder)
    load_manifest(folder)
    _check_it_runs(folder, manifest)
    return manifest


def _scaling(graph: Graph, embedder: EmbedderPart) -> tuple[list[float], list[float]]:
    """Returns the (mean, std) that was given; else what the graph begins with, which is then removed; else InsightFace's."""
    own = strip_scaling(graph)
    if embedder.mean is not None and embedder.std is not None:
        if own.factor != 1 or own.offset != 0:
            raise PackError("The net scales its input itself: leave --mean and --std out.")
        return embedder.mean, embedder.std
    if own.factor != 1 or own.offset != 0:
        return [-own.offset / own.factor] * 3, [1 / own.factor] * 3
    return [INSIGHTFACE_SCALING[0]] * 3, [INSIGHTFACE_SCALING[1]] * 3


def _dim(graph: Graph, size: int) -> int:
    if size not in ALIGNMENT_OF:
        raise PackError(f"The net takes chips of {size} px; only {sorted(ALIGNMENT_OF)} px are supported.")
    if len(graph.outputs) != 1:
        raise PackError(f"The net has {len(graph.outputs)} outputs; an embedder has one, the embedding.")
    shape = graph.shapes(import_mxnet(), (1, 3, size, size))[graph.outputs[0][0]]
    if len(shape) != 2 or not 16 <= shape[1] <= 4000:
        raise PackError(f"The net's output has the shape {shape}; an embedding is (n, 16…4000).")
    return shape[1]


def _default_threshold(metric: str) -> float:
    if metric != "cosine":
        raise PackError("Vectors with the metric L2 need a threshold: add --threshold DISTANCE.")
    return float(np.sqrt(2 - 2 * COSINE_1TO1))


def _check_it_runs(folder: Path, manifest: Manifest) -> None:
    """Runs the pack once, so that no pack is installed that cannot work. Raises PackError."""
    from recognition.engine.pipeline import Pipeline

    pipeline = Pipeline.load(folder, precision="fp32")
    pipeline.warm()
    size = ALIGNMENTS[manifest.alignment].chip_size
    vectors = pipeline.embedder.embed_chips(list(builtin_faces.faces(4, size)))
    if not np.isfinite(vectors).all() or np.ptp(vectors, axis=0).max() < 1e-6:
        raise PackError(
            "The net returns the same, or no numbers, for different faces: its weights or scaling are wrong."
        )
