"""Fine-tunes a pack's net and judges it on people it did not see. No Django: the faces may come from anywhere."""

from dataclasses import dataclass, replace

import numpy as np

from recognition.lab.training.errors import TrainingError
from recognition.lab.training.export import decodable_chips
from recognition.lab.training.faces import Faces, SomeFaces, split_people
from recognition.lab.training.gate import Verdict, judge
from recognition.lab.training.learner import EMBED_BATCH, embedder_of
from recognition.lab.training.loop import Run, Trainer
from recognition.lab.training.nets import TrainableNet
from recognition.lab.training.options import Options


@dataclass(frozen=True, slots=True)
class FineTuned:
    """held_out: the faces of the people on whom it was judged."""

    net: TrainableNet
    verdict: Verdict
    held_out: SomeFaces


def fine_tune(net: TrainableNet, faces: Faces, options: Options, run: Run) -> FineTuned:
    """Trains as long as the options say, then judges the result once. The people held out influence nothing else.

    Raises TrainingError.
    """
    training, held_out = split_people(faces, options.hold_out, options.seed)
    chips, people = decodable_chips(held_out, range(len(held_out.labels)))
    before = vectors_of(net, chips)
    trainer = Trainer(net, training, options, run)
    trainer.train()
    tuned = replace(net, graph=trainer.learner.trained_graph())
    try:
        return FineTuned(tuned, judge(before, vectors_of(tuned, chips), people, seed=options.seed), held_out)
    except ValueError as error:
        raise TrainingError(f"{error} Enrol more people, or more photos of each.") from error


def vectors_of(net: TrainableNet, chips: list[np.ndarray]) -> np.ndarray:
    """The vectors of chips as a pack embeds probes, float32 (n, dim).

    A face and its mirror image are averaged; for the metric cosine, vectors are scaled to unit length.
    """
    embed, batches = embedder_of(net), []
    for start in range(0, len(chips), EMBED_BATCH):
        part = np.stack(chips[start : start + EMBED_BATCH])
        batches.append((embed(part) + embed(np.ascontiguousarray(part[:, :, ::-1]))) / 2)
    vectors = np.concatenate(batches)
    if net.metric == "cosine":
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors
