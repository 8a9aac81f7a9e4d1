"""Makes a model pack of a trained net, with thresholds measured on people it has not seen."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recognition.engine.align import ALIGNMENTS
from recognition.engine.manifest import Manifest, PackError
from recognition.engine.pipeline import Pipeline
from recognition.lab.training.faces import Faces, UnusableFace
from recognition.lab.training.nets import TrainableNet
from recognition.packs.build import EmbedderPart, build_pack, installed_detector
from recognition.packs.measure import FarMeasurement, measure_vectors, save_measurement

PARAMS = "training"  # the "file" of a trained embedder among a pack's sources


@dataclass(frozen=True, slots=True)
class PackFacts:
    """What the user says about the pack to be made. detector: the installed pack whose detector it gets."""

    name: str
    licence: str
    detector: str
    commercial_use: bool = False
    title: str = ""
    force: bool = False


def export_pack(
    net: TrainableNet,
    facts: PackFacts,
    models_dir: Path,
    *,
    threshold: float | None = None,
    held_out: Faces | None = None,
    described: str = "",
    say: Callable[[str], object] = print,
) -> tuple[Manifest, FarMeasurement | None]:
    """Writes models_dir/NAME, completely or not at all. Raises PackError.

    threshold: for 1:1, needed by nets with the metric L2. held_out: faces of people not trained on, on which the FAR curve
    and the threshold are measured; without them, or with too few, the thresholds are cautious guesses. described: says what
    they are, for the manifest.
    """
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(value).tobytes() for value in net.graph.params.values()))
    part = EmbedderPart(
        graph=net.graph,
        size=net.size,
        title=facts.title or facts.name,
        licence=facts.licence,
        commercial_use=facts.commercial_use,
        sources=[{"part": "embedder", "file": PARAMS, "sha256": digest.hexdigest(), "licence": facts.licence}],
        colours=net.colours,
        mean=net.mean,
        std=net.std,
        metric=net.metric,
        threshold_1to1=threshold,
    )
    detector = installed_detector(models_dir / facts.detector)
    manifest = build_pack(facts.name, models_dir, part, detector, force=facts.force, say=lambda text: None)
    say(f"Made the model pack {facts.name} ({manifest.licence}).")
    if held_out is None:
        say(
            "Nobody was held out, so its thresholds are guesses. Measure them with: "
            f"manage.py packs measure {facts.name} FOLDER"
        )
        return manifest, None
    try:
        found = measure_faces(Pipeline.load(models_dir / facts.name), held_out)
    except PackError as error:
        say(f"Its thresholds are guesses. {error} Measure them with: manage.py packs measure {facts.name} FOLDER")
        return manifest, None
    return save_measurement(manifest, models_dir / facts.name, found, described), found


def measure_faces(pipeline: Pipeline, faces: Faces) -> FarMeasurement:
    """As packs/measure.py, on faces that are already aligned: each is embedded as an enrolment and as a probe."""
    chips, people = decodable_chips(faces, range(len(faces.labels)))
    template = ALIGNMENTS[pipeline.manifest.alignment].targets.astype("float32")
    enrolled, probes = (
        np.concatenate([pipeline.embedder.embed([(chip, template)], purpose) for chip in chips])
        for purpose in ("enrol", "probe")
    )
    return measure_vectors(enrolled, probes, people, "The people held out")


def decodable_chips(faces: Faces, numbers: Sequence[int]) -> tuple[list[np.ndarray], np.ndarray]:
    """The chips that can be decoded, and the person of each, int (n,)."""
    chips, people = [], []
    for number in numbers:
        try:
            chips.append(np.ascontiguousarray(faces.chip(number)))
        except UnusableFace:
            continue
        people.append(int(faces.labels[number]))
    return chips, np.array(people)


def with_params(net: TrainableNet, params: dict[str, np.ndarray]) -> TrainableNet:
    """The net with the params of a checkpoint."""
    graph = net.graph.copy()
    graph.params = {name: params[name] for name in graph.params}
    return replace(net, graph=graph)
