"""Trainings that learn, stop, are killed and resumed, and fail."""

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recognition.lab.training import cluster
from recognition.lab.training.checkpoint import load_checkpoint, save_checkpoint
from recognition.lab.training.errors import TrainingError
from recognition.lab.training.exchange import Exchange
from recognition.lab.training.faces import MemoryFaces, split_people
from recognition.lab.training.held_out import held_out_set
from recognition.lab.training.learner import Learner
from recognition.lab.training.loop import BEST, LAST, Run, Trainer, trained_params
from recognition.lab.training.options import Options
from tests.training_tools import patterns, tiny_net

TRAINEE = Path(__file__).with_name("trainee.py")
OPTIONS = Options(batch=12, steps=24, lr=0.05, scale=16)


def faces(**changes):
    return MemoryFaces(*patterns(6, 8, **changes))


def trainer(folder, options=OPTIONS, *, net=None, some=None, sets=(), **run) -> Trainer:
    run = Run(folder, threads=1, **{"check_every": 8, "log_every": 4, **run})
    return Trainer(net or tiny_net(), some or faces(), options, run, sets=sets)


def trainee(folder, *numbers, **options) -> list[float]:
    done = subprocess.run(
        [sys.executable, str(TRAINEE), str(folder), *map(str, numbers)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    lines = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("losses")]
    assert done.returncode == (0 if lines else -9), done.stderr
    return [float(loss) for line in lines for loss in line]


def test_it_learns_and_keeps_what_it_learnt(tmp_path):
    learnt, apart = split_people(MemoryFaces(*patterns(12, 8)), 4, seed=0)
    said, reported = [], []
    made = trainer(
        tmp_path, replace(OPTIONS, steps=40), some=learnt, sets=[held_out_set(apart, 0)],
        say=said.append, report=reported.append,
    )  # fmt: skip
    outcome = made.train()
    assert np.mean(outcome.losses[-5:]) < np.mean(outcome.losses[:5]) / 3
    assert outcome.best > 0.85
    assert (reported[-1].step, reported[-1].steps, reported[-1].seconds_left) == (40, 40, 0)
    assert [line.split(":")[0] for line in said] == [f"step {step}" for step in (0, 8, 16, 24, 32, 40)]
    for name in ("loss", "accuracy"):
        assert len((tmp_path / f"{name}.csv").read_text().splitlines()) == {"loss": 11, "accuracy": 7}[name]
        assert (tmp_path / f"{name}.svg").read_text().startswith("<svg xmlns=")
    params, facts = trained_params(tmp_path)
    assert facts["best"] == outcome.best
    assert set(params) == {*made.net.graph.params, "head_weight"}


def test_after_kill_9_it_goes_through_the_same_losses(tmp_path):
    """Killed at step 7, it continues at step 4, its last checkpoint, with the same Dropout and augmentation."""
    unbroken = trainee(tmp_path / "whole", 12, 12)
    assert trainee(tmp_path / "broken", 12, 12, 7) == []
    assert load_checkpoint(tmp_path / "broken" / LAST)[1]["step"] == 4
    assert trainee(tmp_path / "broken", 12, 12) == unbroken[4:]
    for name in load_checkpoint(tmp_path / "whole" / LAST)[0]:
        ours, theirs = (load_checkpoint(tmp_path / run / LAST)[0][name] for run in ("whole", "broken"))
        assert ours.tobytes() == theirs.tobytes(), name
    rows = [(tmp_path / run / "loss.csv").read_text().splitlines() for run in ("whole", "broken")]
    assert [row.split(",")[:3] for row in rows[0]] == [row.split(",")[:3] for row in rows[1]]


def test_two_processes_do_what_one_does_with_twice_the_batch(tmp_path):
    """BatchNorm is frozen, as otherwise each process would normalise by the statistics of its own half of the batch."""
    one = trainee(tmp_path / "one", 6, 16, 0, 1)
    command = [sys.executable, str(TRAINEE), str(tmp_path / "two"), "6", "8", "0", "1"]
    assert cluster.train_locally(command, 2) == 0
    rows = (tmp_path / "two" / "loss.csv").read_text().splitlines()[1:]
    two = [float(row.split(",")[2]) for row in rows]
    np.testing.assert_allclose(two, one, rtol=1e-4)
    arrays = [load_checkpoint(tmp_path / run / LAST)[0] for run in ("one", "two")]
    for name, array in arrays[0].items():
        np.testing.assert_allclose(arrays[1][name], array, atol=2e-5, err_msg=name)


def test_a_process_that_fails_ends_the_others(tmp_path):
    assert cluster.train_locally([sys.executable, "-c", "import sys; sys.exit(3)"], 2) == 3


EXCHANGING = """
from recognition.engine.mxnet_runtime import import_mxnet
from recognition.lab.training.exchange import Exchange

exchange = Exchange(distributed=True)
gradients = {f"layer {number}": [import_mxnet().nd.ones((1000, 1000))] for number in range(24)}
exchange.broadcast(gradients)
if exchange.rank == FAILS:
    raise SystemExit(4)
for name, arrays in gradients.items():
    exchange.sum_gradients(name, arrays)
exchange.finish()
if exchange.rank == 0:
    assert all((array.asnumpy() == 2).all() for [array] in gradients.values())
"""
TOGETHER = """
import sys
from recognition.lab.training import cluster
sys.exit(cluster.train_locally([sys.executable, "-c", sys.argv[1]], 2))
"""


@pytest.mark.parametrize(("fails", "code"), [(None, 0), (0, 4), (1, 4)])
def test_no_process_waits_for_ever_for_one_that_has_ended(fails, code):
    """One ends while what it has to send is still queued, or fails before it has sent anything."""
    command = [sys.executable, "-c", TOGETHER, EXCHANGING.replace("FAILS", str(fails))]
    with subprocess.Popen(command) as both:
        try:
            assert both.wait(120) == code
        finally:
            both.terminate()  # it ends all that it has started


def test_two_devices_do_what_one_does(tmp_path):
    """Both devices are the CPU here. BatchNorm is frozen, as above."""
    chips, labels = patterns(4, 3)
    learners = []
    for devices in (("cpu",), ("cpu", "cpu")):
        net, loss = tiny_net(dropout=0), OPTIONS.make_loss(4)
        own = loss.initial_params(16, np.random.default_rng(0))
        exchange = Exchange(len(devices))
        learners.append(Learner(net, loss, own, batch=12, devices=devices, frozen_batchnorm=True, exchange=exchange))
    for step in range(3):
        one, two = (learner.learn(chips, labels, rate=0.05, seed=step) for learner in learners)
        assert two.loss == pytest.approx(one.loss, rel=1e-5)
    states = [learner.state() for learner in learners]
    for name, array in states[0].items():
        np.testing.assert_allclose(states[1][name], array, atol=1e-5, err_msg=name)


def test_a_loss_that_is_not_finite_stops_it_and_keeps_the_last_good_checkpoint(tmp_path):
    with pytest.raises(
        TrainingError, match=r"no longer a finite number at step \d+\. (The checkpoint .* is good\. )?Lower --lr"
    ):
        trainer(tmp_path, replace(OPTIONS, lr=1e20, warm_up=0), check_every=1).train()
    assert not list(tmp_path.glob(".last*"))
    kept = tmp_path / LAST
    if kept.exists():
        assert all(np.isfinite(array).all() for array in load_checkpoint(kept)[0].values())


def test_weights_that_are_not_finite_are_reported_before_a_set_is_evaluated(tmp_path):
    made = trainer(tmp_path, sets=[held_out_set(faces(), 0)])
    made.learner._replicas[0].params["head_weight"][:] = np.inf
    with pytest.raises(TrainingError, match=r"not finite numbers \(param:head_weight\)"):
        made._evaluate_and_save(1)
    assert not (tmp_path / LAST).exists()


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    save_checkpoint(tmp_path / LAST, {"a": np.ones(3, "float32")}, {"step": 1})
    with pytest.raises(TrainingError, match="not finite numbers"):
        save_checkpoint(tmp_path / LAST, {"a": np.array([1, np.nan], "float32")}, {"step": 2})
    arrays, facts = load_checkpoint(tmp_path / LAST)
    assert (arrays["a"].tolist(), facts) == ([1, 1, 1], {"step": 1})


def test_a_full_disk_leaves_the_earlier_checkpoint(tmp_path):
    made = trainer(tmp_path, replace(OPTIONS, steps=8))
    made.train()
    before = (tmp_path / LAST).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(TrainingError, match=r"cannot be written .*the checkpoint before it is kept"):
            made._save(made.learner.state(), False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / LAST).read_bytes() == before
    assert [path.name for path in tmp_path.glob("*.npz")] == [LAST]


def test_a_damaged_checkpoint_is_reported(tmp_path):
    trainer(tmp_path, replace(OPTIONS, steps=8)).train()
    whole = (tmp_path / LAST).read_bytes()
    (tmp_path / LAST).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError, match="not a complete checkpoint"):
        trainer(tmp_path, resume=True)


def test_a_run_does_not_overwrite_another(tmp_path):
    trainer(tmp_path, replace(OPTIONS, steps=8)).train()
    with pytest.raises(TrainingError, match="Continue it with --resume"):
        trainer(tmp_path)
    with pytest.raises(TrainingError, match=r"other options: steps 8 instead of 24; lr 0.05 instead of 0.1"):
        trainer(tmp_path, replace(OPTIONS, lr=0.1), resume=True)
    with pytest.raises(TrainingError, match="started on another set"):
        trainer(tmp_path, replace(OPTIONS, steps=8), some=MemoryFaces(*patterns(6, 9)), resume=True)
    assert trainer(tmp_path, replace(OPTIONS, steps=8), resume=True).train().losses == []


def test_when_asked_to_stop_it_saves_a_checkpoint(tmp_path):
    made = trainer(tmp_path, stop=lambda: made.outcome.step >= 5)
    assert made.train().step == 6
    assert load_checkpoint(tmp_path / LAST)[1]["step"] == 6


def test_it_ends_early_without_improvement(tmp_path):
    learnt, apart = split_people(MemoryFaces(*patterns(8, 8)), 3, seed=0)
    said = []
    outcome = trainer(
        tmp_path, replace(OPTIONS, steps=200, lr=1e-9), some=learnt, sets=[held_out_set(apart, 0)], patience=2,
        check_every=2, say=said.append,
    ).train()  # fmt: skip
    assert outcome.step < 20
    assert "No improvement in 2 checks: the training ends early." in said
    assert (tmp_path / BEST).exists()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"network": "vgg"}, "There is no network “vgg”. Known: r18"),
        ({"loss": "center"}, "There is no loss"),
        ({"batch": 0}, "batch must be above 0"),
        ({"m1": -1.0}, "m1 and the scale must be above 0"),
        ({"extension": "x"}, "monotone, plain, easy"),
    ],
)
def test_options_that_cannot_be_used(options, match):
    with pytest.raises(TrainingError, match=match):
        Options(**options)
