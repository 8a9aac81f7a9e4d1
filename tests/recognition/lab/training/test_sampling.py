import numpy as np
import pytest

from recognition.lab.training.augment import augmented, mirrored
from recognition.lab.training.batches import Batches, prefetched
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.faces import MemoryFaces
from recognition.lab.training.sampling import Sampler
from recognition.lab.training.schedule import Schedule, published_drops
from tests.training_tools import patterns

LABELS = np.array([0] * 20 + [1] * 3 + [2] * 1)


def test_shuffled_takes_each_face_once_an_epoch():
    sampler = Sampler(LABELS, batch=8, seed=4)
    epochs = [np.concatenate([sampler.at(epoch * 3 + step) for step in range(3)]) for epoch in range(2)]
    assert [sorted(epoch.tolist()) for epoch in epochs] == [list(range(24))] * 2
    assert epochs[0].tolist() != epochs[1].tolist()
    assert (
        epochs[0].tolist() == np.concatenate([Sampler(LABELS, batch=8, seed=4).at(step) for step in range(3)]).tolist()
    )


def test_balanced_takes_each_person_as_often():
    drawn = Sampler(LABELS, batch=24, seed=1, sampling="balanced").at(7)
    assert np.bincount(LABELS[drawn]).tolist() == [8, 8, 8]


def test_identities_come_in_groups():
    drawn = LABELS[Sampler(LABELS, batch=12, seed=1, sampling="identities", group=4).at(0)].reshape(3, 4)
    assert (drawn == drawn[:, :1]).all()
    assert sorted(drawn[:, 0].tolist()) == [0, 1, 2]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"batch": 25}, "Lower --batch"),
        ({"batch": 9, "sampling": "identities", "group": 4}, "not a multiple"),
        ({"batch": 4, "sampling": "identities", "group": 4, "labels": np.arange(24)}, "only one face"),
    ],
)
def test_what_cannot_be_sampled(options, match):
    with pytest.raises(TrainingError, match=match):
        Sampler(options.pop("labels", LABELS), seed=0, **options)


def test_processes_share_what_one_would_take():
    """The faces and their augmentation are the same in any number of processes and of prefetching threads."""
    faces = MemoryFaces(*patterns(4, 6))
    sampler = Sampler(faces.labels, batch=8, seed=2)
    whole = Batches(faces, sampler, seed=2, augment=True)
    parts = [Batches(faces, sampler, seed=2, augment=True, part=part, parts=2) for part in range(2)]
    for step, chips, labels in prefetched(whole, 0, 5, threads=3):
        shared = [part.at(step) for part in parts]
        assert np.concatenate([one for one, _ in shared]).tobytes() == chips.tobytes()
        assert np.concatenate([one for _, one in shared]).tolist() == labels.tolist()


def test_augmentation_keeps_shape_and_type():
    chip = patterns(1, 1)[0][0]
    for seed in range(20):
        changed = augmented(mirrored(chip, np.random.default_rng(seed)), np.random.default_rng(seed))
        assert (changed.shape, changed.dtype) == (chip.shape, chip.dtype)
        assert changed.std() > 5


def test_rates():
    assert published_drops(180_000) == (100_000, 160_000)
    steps = Schedule("steps", 0.1, 100, warm_up=10, drops=(50, 80))
    assert [round(steps.at(step), 6) for step in (0, 9, 10, 49, 50, 80)] == [0.01, 0.1, 0.1, 0.1, 0.01, 0.001]
    cosine = Schedule("cosine", 0.1, 100)
    assert [round(cosine.at(step), 6) for step in (0, 50, 100)] == [0.1, 0.05, 0.0]
    assert Schedule("constant", 0.1, 100).at(99) == 0.1
