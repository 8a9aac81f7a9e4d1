import numpy as np
import pytest

from recognition.lab.training.gate import accuracy_by_person, judge, sign_flip_p


def vectors(people: int, each: int, noise: float, seed: int = 0):
    """Unit vectors that differ from their person's direction by `noise`, and their labels."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), each)
    found = np.random.default_rng(9).normal(size=(people, 16))[labels] + noise * random.normal(size=(len(labels), 16))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype("float32"), labels


def test_what_is_clearly_better_is_accepted():
    before, people = vectors(12, 4, 1.5)
    after, _ = vectors(12, 4, 0.5)
    verdict = judge(before, after, people)
    assert verdict.accepted
    assert verdict.after > verdict.before + 0.1
    assert verdict.p < 0.01
    assert "Accepted: accuracy on 12 people held out" in verdict.sentence()
    assert not judge(after, before, people).accepted


@pytest.mark.parametrize("noise", [0.2, 1.5])
def test_the_same_and_the_perfect_are_refused(noise):
    before, people = vectors(12, 4, noise)
    verdict = judge(before, before, people)
    assert (verdict.accepted, verdict.better, verdict.worse, verdict.p) == (False, 0, 0, 1.0)


def test_luck_is_rarely_accepted():
    """Forty times two equally good nets: about one in twenty may pass."""
    accepted = 0
    for seed in range(40):
        before, people = vectors(10, 3, 1.2, seed=2 * seed)
        after, _ = vectors(10, 3, 1.2, seed=2 * seed + 1)
        accepted += judge(before, after, people).accepted
    assert accepted <= 5


def test_signs():
    assert sign_flip_p(np.array([0.1] * 8)) == pytest.approx(1 / 256)
    assert sign_flip_p(np.array([0.1] * 7 + [-0.2])) == pytest.approx((1 + 29) / 256)
    assert sign_flip_p(np.full(30, 0.1)) < 0.001
    assert 0.3 < sign_flip_p(np.random.default_rng(0).normal(size=40)) < 0.98


def test_people_with_one_face_are_not_judged():
    found, people = vectors(4, 2, 0.1)
    assert len(accuracy_by_person(found[:-1], people[:-1])) == 3
    with pytest.raises(ValueError, match="3 people with at least two faces"):
        judge(found[:-1], found[:-1], people[:-1])
