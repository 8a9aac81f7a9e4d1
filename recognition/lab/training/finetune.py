"""A pack's net trained on, and judged on people it did not see. No Django: the faces come from wherever they are."""

from dataclasses import dataclass, replace

import numpy as np

from recognition.lab.training.errors import TrainingError
from recognition.lab.training.export import chips_of
from recognition.lab.training.faces import Faces, SomeFaces, split_people
from recognition.lab.training.gate import Verdict, judge
from recognition.lab.training.learner import EMBED_BATCH, embedder_of
from recognition.lab.training.loop import Run, Trainer
from recognition.lab.training.nets import TrainableNet
from recognition.lab.training.options import Options


@dataclass(frozen=True, slots=True)
class FineTuned:
    """held_out: the people that the verdict is on."""

    net: TrainableNet
    verdict: Verdict
    held_out: SomeFaces


def fine_tune(net: TrainableNet, faces: Faces, options: Options, run: Run) -> FineTuned:
    """Trains for as long as the options say and judges what came of it, once: nothing is chosen by those held out.

    Raises TrainingError.
    """
    learnt, apart = split_people(faces, options.hold_out, options.seed)
    chips, people = chips_of(apart, range(len(apart.labels)))
    before = vectors_of(net, chips)
    trainer = Trainer(net, learnt, options, run)
    trainer.train()
    tuned = replace(net, graph=trainer.learner.trained_graph())
    try:
        return FineTuned(tuned, judge(before, vectors_of(tuned, chips), people, seed=options.seed), apart)
    except ValueError as error:
        raise TrainingError(f"{error} Enrol more people, or more photos of them.") from error


def vectors_of(net: TrainableNet, chips: list[np.ndarray]) -> np.ndarray:
    """As a pack gives a probe's: a face and its mirror image averaged, of unit length where the metric is cosine."""
    embed, found = embedder_of(net), []
    for start in range(0, len(chips), EMBED_BATCH):
        part = np.stack(chips[start : start + EMBED_BATCH])
        found.append((embed(part) + embed(np.ascontiguousarray(part[:, :, ::-1]))) / 2)
    vectors = np.concatenate(found)
    if net.metric == "cosine":
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors
